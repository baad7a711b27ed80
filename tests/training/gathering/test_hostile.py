"""What is no log, or hardly one: an error in a sentence, or a count of what could not be read. Never a traceback."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.conftest import ROOT
from tests.training.gathering.conftest import QUERIES, Read
from training.gathering import gather
from typeahead.errors import SourceError, TypeaheadError

TOKENIZER = Tokenizer.from_file(str(ROOT / "models" / "minilm-gru" / "tokenizer.json"))


def png() -> bytes:
    pixels = zlib.compress(random.Random(1).randbytes(20_000))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + b"\0" * 13 + pixels


@pytest.mark.parametrize(
    "content",
    [png(), b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + random.Random(2).randbytes(50_000), b"\x7fELF" + bytes(range(256)) * 99],
    ids=["png", "pdf", "elf"],
)
@pytest.mark.parametrize("name", ["log.txt", "log", "log.csv", "log.jsonl"])
def test_a_binary_file_is_refused(tmp_path: Path, read: Read, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=r"is no text|holds no|is no JSON"):
        read(tmp_path / name)


@pytest.mark.parametrize("magic", [b"PK\x03\x04", b"SQLite format 3\0"])
def test_workbooks_and_databases_are_refused_with_what_to_do(tmp_path: Path, read: Read, magic: bytes) -> None:
    (tmp_path / "log").write_bytes(magic + bytes(2000))
    with pytest.raises(SourceError, match=r"save it as CSV|is an SQLite database"):
        read(tmp_path / "log")


@pytest.mark.parametrize("name", ["log.txt", "log.csv", "log.tsv", "log.jsonl", "log.json"])
@pytest.mark.parametrize("content", [b"", b"\n\n  \n", b"\xef\xbb\xbf", b"\0\0\0\0\n"])
def test_a_file_without_a_query_is_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=r"log\.\w+"):
        gather(queries=[tmp_path / name], tokenizer=TOKENIZER)


def test_lines_that_cannot_be_used_are_counted_by_reason(tmp_path: Path) -> None:
    lines = [query.encode() for query in QUERIES] * 5
    lines += [b"", b"   ", b"x" * 1_000_000, b"<html>" + b"<p>page</p>" * 400, b"broken \xff\xfe bytes"]
    lines += ["damaged \ufffd text".encode(), b"nul\0 and \x1b[31mcolour", b"\0\0\0", "\ufeffmark".encode()]
    (tmp_path / "log.txt").write_bytes(b"\n".join(lines))
    found = gather(queries=[tmp_path / "log.txt"], tokenizer=TOKENIZER, development=0, vocabulary=False)
    (file,) = found.report.files
    assert file.dropped == {
        "empty": 3,
        "longer than 2,000 characters": 2,
        "unreadable": 1,
        "damaged characters (U+FFFD)": 1,
    }
    texts = {one.text for one in found.training}
    assert {"nul and [31mcolour", "mark"} <= texts
    assert "spaces   inside" in texts
    assert (file.rows, file.distinct, file.duplicates) == (len(lines), 12, 40)
    assert "left out: 1 unreadable (1.7%)" in str(found.report)


def test_a_table_with_broken_rows_is_read_and_the_rest_counted(tmp_path: Path) -> None:
    rows = ["id,query", *(f"{at},query number {at}" for at in range(50)), "51,two,many", '52,"never closed', "53"]
    (tmp_path / "log.csv").write_text("\n".join(rows))
    found = gather(queries=[tmp_path / "log.csv"], tokenizer=TOKENIZER, vocabulary=False)
    (file,) = found.report.files
    assert file.distinct == 50
    assert file.dropped == {"unreadable": 3}
    assert file.rows == 53
    assert "the first row that cannot be read" in file.notes[0]


@given(st.sampled_from(["log.txt", "log.csv", "log.tsv", "log.jsonl", "log.json", "log"]), st.binary(max_size=300))
def test_any_bytes_give_queries_or_an_error_of_this_package(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(content)
    try:
        found = gather(queries=[path], tokenizer=TOKENIZER, vocabulary=False)
    except TypeaheadError:
        return
    (file,) = found.report.files
    assert file.rows == file.distinct + file.duplicates + sum(file.dropped.values())
    for one in [*found.training, *found.development]:
        assert one.text == one.text.strip() != ""
        assert not {"\n", "\t", "\r"} & set(one.text)


def test_a_flood_of_one_text_is_one_text_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("free money\n" * 3000 + "\n".join(QUERIES))
    found = gather(queries=[tmp_path / "log.txt"], tokenizer=TOKENIZER, development=0, vocabulary=False)
    assert len(found.training) == len(QUERIES) + 1
    assert next(one for one in found.training if one.text == "free money").count == 3000
    assert "'free money' stands there 3,000 times" in found.report.files[0].notes[0]


def test_a_flood_of_numbers_is_thinned_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("".join(f"order {at}\n" for at in range(5000)) + "\n".join(QUERIES))
    found = gather(queries=[tmp_path / "log.txt"], tokenizer=TOKENIZER, development=0, vocabulary=False)
    kept = [one.text for one in found.training if one.text.startswith("order")]
    assert len(kept) == 200
    assert found.report.left_out == {"differ from many others by numbers alone": 4800}
    assert {one.text for one in found.training} >= {query.strip() for query in QUERIES}


def test_a_log_of_typing_keeps_its_beginnings_but_they_do_not_dominate(tmp_path: Path) -> None:
    queries = [f"{word} {other}" for word in ["boil", "fry", "steam"] for other in ["an egg", "some rice", "a carrot"]]
    typed = [query[:end] for query in queries for end in range(1, len(query) + 1)]
    (tmp_path / "log.txt").write_text("\n".join(typed))
    found = gather(queries=[tmp_path / "log.txt"], tokenizer=TOKENIZER, development=0.3, vocabulary=False)
    training = [one.text for one in found.training]
    finished = [text for text in training if text in queries]
    assert found.report.unfinished > 50
    assert 0 < len(training) - len(finished) <= len(queries) // 2
    held_out = [one.text for one in found.development]
    assert held_out
    assert set(held_out) <= set(queries)
    # What somebody types on the way to a held-out query would give it away.
    assert not [
        text for text in training for query in held_out if query.startswith(text) and len(text) > len(query) - 3
    ]
