"""Texts of stage 1: every form of list, what is wrong is named, and the split depends on the text alone."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path

import pytest

from training.data import Example, is_development, read_examples, split
from typeahead.errors import SourceError


def test_a_bad_line_is_named_by_file_and_number_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "texts.tsv"
    path.write_bytes(b"a\tone\nno tab\nb\t\nb\ttwo\r\n\nc\tthree\tfour\nd\t\xff\n")
    with caplog.at_level(logging.WARNING):
        found = list(read_examples(path))
    assert found == [Example("a", "one"), Example("b", "two"), Example("c", "three\tfour")]
    (warning,) = caplog.messages
    assert warning.startswith(f"{path}: 3 lines left out: {path}:2: no tab")
    assert f"{path}:3: no text after the tab" in warning
    assert f"{path}:7: not UTF-8: byte 0xff at position 2" in warning


def test_of_many_bad_lines_the_first_are_named_and_all_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "texts.tsv"
    path.write_text("no tab\n" * 9 + "a\tone\n")
    list(read_examples(path))
    assert "9 lines left out" in caplog.text
    assert f"{path}:5: no tab" in caplog.text
    assert f"{path}:6:" not in caplog.text
    assert "and 4 more" in caplog.text


def test_bad_lines_are_reported_even_if_the_reading_stops_half_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "texts.tsv"
    path.write_text("no tab\na\tone\na\ttwo\n")
    assert [example.text for example in read_examples(path, limit=1)] == ["one"]
    assert f"{path}:1: no tab" in caplog.text


def test_quotes_that_an_export_doubled_are_single_again(tmp_path: Path) -> None:
    path = tmp_path / "texts.tsv"
    path.write_text('t\t"""What does """"x"""" mean?"""\nt\tthe "x" axis\nt\t""quoted""\n')
    assert [example.text for example in read_examples(path)] == ['What does "x" mean?', 'the "x" axis', "quoted"]


def test_a_limit_takes_the_first(tmp_path: Path) -> None:
    path = tmp_path / "texts.tsv"
    path.write_text("".join(f"s\t{n}\n" for n in range(9)))
    assert [example.text for example in read_examples(path, limit=3)] == ["0", "1", "2"]


@pytest.mark.parametrize("how", ["plain", "gz", "crlf", "mark"])
def test_packed_files_and_those_of_other_systems_read_the_same(tmp_path: Path, how: str) -> None:
    content = "a\tnaïve\na\tzwei\n".encode()
    path = tmp_path / ("texts.tsv.gz" if how == "gz" else "texts.tsv")
    path.write_bytes(
        {
            "plain": content,
            "gz": gzip.compress(content),
            "crlf": content.replace(b"\n", b"\r\n"),
            "mark": b"\xef\xbb\xbf" + content,
        }[how]
    )
    assert list(read_examples(path)) == [Example("a", "naïve"), Example("a", "zwei")]


def test_every_form_of_list_gives_its_texts(tmp_path: Path) -> None:
    expected = ["boil egg", "walk home"]
    (tmp_path / "list.txt").write_text("boil egg\nwalk home\n")
    (tmp_path / "queries.dev.tsv").write_text("7\tboil egg\n9\twalk home\n")
    (tmp_path / "collection.tsv").write_text("7\tboil egg\n9\twalk\thome\n")
    records = [{"_id": "1", "text": "boil egg"}, {"query": "walk home", "positive_passages": []}]
    (tmp_path / "some.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    folder = tmp_path / "beir"
    folder.mkdir()
    (folder / "queries.jsonl").write_text('{"_id": 1, "text": "boil egg"}\n{"_id": 2, "text": "walk home"}\n')
    (folder / "corpus.jsonl").write_text(
        '{"_id": "a", "text": "boil egg"}\n{"_id": "b", "title": "walk", "text": "home"}\n'
    )
    for source, name in (
        (str(tmp_path / "list.txt"), "list"),
        (f"queries:{tmp_path}/queries.dev.tsv", "queries.dev"),
        (f"collection:{tmp_path}/collection.tsv", "collection"),
        (str(tmp_path / "some.jsonl"), "some"),
        (str(folder), "beir"),
        (f"beir-corpus:{folder}", "beir"),
    ):
        assert list(read_examples(source)) == [Example(name, text) for text in expected], source
        assert list(read_examples(Path(source))) == [Example(name, text) for text in expected], source


def test_a_file_that_is_not_there_and_one_of_utf_16_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.tsv"):
        list(read_examples(tmp_path / "none.tsv"))
    (tmp_path / "wide.tsv").write_bytes("a\tb\n".encode("utf-16"))
    with pytest.raises(SourceError, match="UTF-16"):
        list(read_examples(tmp_path / "wide.tsv"))


def test_a_packed_file_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "texts.tsv.gz"
    path.write_bytes(gzip.compress(b"a\tone\n" * 10_000)[:40])
    with pytest.raises(SourceError, match="cannot be read after line"):
        list(read_examples(path))


def test_a_line_without_end_is_left_out_and_the_next_one_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typeahead.text.reading.MAX_LINE", 10)
    path = tmp_path / "texts.tsv"
    path.write_text("a\t" + "x" * 100 + "\na\tone\n")
    assert [example.text for example in read_examples(path)] == ["one"]
    assert f"{path}:1: the line is longer than 10 bytes" in caplog.text


def test_the_split_depends_on_the_text_alone() -> None:
    examples = [Example("s", f"text {n}") for n in range(4000)]
    training, development = split(iter(examples), 0.1)
    assert 0.08 < len(development) / 4000 < 0.12
    again, _ = split(iter(reversed(examples)), 0.1)
    assert sorted(example.text for example in again) == sorted(example.text for example in training)
    assert all(is_development(example.text, 0.1) for example in development)
