"""Reading documents: every kind of file, and every way in which one can be wrong."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typeahead.errors import SourceError
from typeahead.index import BadLines, Document, FieldMap, read_source
from typeahead.text import reading
from typeahead.text.id_lists import read_ids

A, B = Document("1", "One", "the first", "https://example.org/1"), Document("b", "", "the second", "")
JSONL = b"""{"_id": 1, "title": "One", "text": "the first", "url": "https://example.org/1"}
{"id": "b", "text": "the second"}
"""
CSV = b'id,title,text,url\n1,One,the first,https://example.org/1\nb,,"the second",\n'
TSV = b"id\ttitle\ttext\turl\n1\tOne\tthe first\thttps://example.org/1\nb\t\tthe second\t\n"
SAME = [("x.jsonl", JSONL), ("x.csv", CSV), ("x.tsv", TSV)]


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("name", "content"), SAME)
@pytest.mark.parametrize("ending", ["as is", "CRLF", "BOM", "no end of the last line", "empty lines"])
def test_every_kind_of_file_gives_its_documents(tmp_path: Path, name: str, content: bytes, ending: str) -> None:
    changed = {
        "CRLF": content.replace(b"\n", b"\r\n"),
        "BOM": b"\xef\xbb\xbf" + content,
        "no end of the last line": content.rstrip(b"\n"),
        "empty lines": content.replace(b"\n", b"\n\n"),
    }
    assert list(read_source(written(tmp_path, name, changed.get(ending, content)))) == [A, B]


def test_a_beir_folder_gives_its_corpus(tmp_path: Path) -> None:
    lines = [{"_id": "q", "title": "T", "text": "x", "metadata": {"url": "https://example.org"}}]
    written(tmp_path, "corpus.jsonl", json.dumps(lines[0]).encode())
    written(tmp_path, "queries.jsonl", b"{}")
    assert [Document("q", "T", "x", "https://example.org")] == list(read_source(tmp_path))


def test_fields_are_mapped(tmp_path: Path) -> None:
    path = written(tmp_path, "x.jsonl", b'{"pid": 7, "name": "N", "body": "B", "link": "L", "title": "no"}')
    assert [Document("7", "N", "B", "L")] == list(read_source(path, FieldMap("pid", "name", "body", "link")))


def test_a_table_without_a_header_is_given_its_columns(tmp_path: Path) -> None:
    path = written(tmp_path, "collection.tsv", b'0\tsaid "so\n1\tplain\n')
    assert [Document("0", "", 'said "so'), Document("1", "", "plain")] == list(
        read_source(path, columns=("id", "text"))
    )


def test_a_kind_can_be_said(tmp_path: Path) -> None:
    assert list(read_source(written(tmp_path, "x.dat", JSONL), kind="jsonl")) == [A, B]


def test_a_csv_field_may_hold_line_breaks_and_be_huge(tmp_path: Path) -> None:
    long = "word " * 100_000
    path = written(tmp_path, "x.csv", f'id,text\n1,"two\nlines"\n2,{long}\n'.encode())
    assert ["two\nlines", long.strip()] == [document.text for document in read_source(path)]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r")), min_size=1, max_size=6))
@settings(max_examples=60)
def test_what_csv_and_json_write_is_read_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.getbasetemp()
    table = io.StringIO()
    csv.writer(table).writerows([("id", "text"), *enumerate(texts)])
    lines = "\n".join(json.dumps({"id": i, "text": text}) for i, text in enumerate(texts))
    for name, content in (("h.csv", table.getvalue()), ("h.jsonl", lines)):
        found = list(read_source(written(folder, name, content.encode())))
        assert [(str(i), text.strip()) for i, text in enumerate(texts)] == [(doc.id, doc.text) for doc in found]


GOOD = b'{"id": "good", "text": "x"}'
BAD_LINES = [
    (b"{", "not JSON"),
    (b"[1]", "a JSON list, not an object"),
    (b'{"text": "x"}', "no field 'id'.*'text'.*--id-field"),
    (b'{"id": "1"}', "no field 'text'.*--text-field"),
    (b'{"id": null, "text": "x"}', "the id None"),
    (b'{"id": "  ", "text": "x"}', "the id '  '"),
    (b'{"id": true, "text": "x"}', "the id True"),
    (b'{"id": 1.5, "text": "x"}', "the id 1.5"),
    (b'{"id": "1", "text": 5}', "'text' holds int '5'"),
    (b'{"id": "1", "text": null}', "'text' holds NoneType"),
    (b'{"id": "1", "text": "x", "title": ["t"]}', "'title' holds list"),
    (b'{"id": "1", "text": "a\\u0000b"}', "NUL character at position 1"),
    (b'{"id": "1", "text": "ab\\ud800"}', "lone surrogate at position 2"),
    (b'{"id": "1\\udfff", "text": "x"}', "the field 'id' holds a lone surrogate"),
    (b'{"id": "1", "text": "\xff"}', "not UTF-8: byte 0xff at position 21"),
    (b"[" * 100_000, "JSON|recursion"),
]


@pytest.mark.parametrize(("line", "message"), BAD_LINES)
def test_a_bad_line_is_named_by_file_and_line(tmp_path: Path, line: bytes, message: str) -> None:
    path = written(tmp_path, "x.jsonl", GOOD + b"\n" + line + b"\n")
    with pytest.raises(SourceError, match=message) as caught:
        list(read_source(path))
    assert (path, 2) == (caught.value.path, caught.value.line)
    assert str(caught.value).startswith(f"{path}:2: ")


@pytest.mark.parametrize(("line", "message"), BAD_LINES)
def test_bad_lines_are_counted_on_request(tmp_path: Path, line: bytes, message: str) -> None:
    path = written(tmp_path, "x.jsonl", line + b"\n" + GOOD + b"\n" + line + b"\n")
    bad = BadLines()
    assert [document.id for document in read_source(path, bad=bad)] == ["good"]
    assert (bad.count, [1, 3]) == (2, [problem.line for problem in bad.first])
    with pytest.raises(SourceError, match=message):
        raise bad.first[0]


@pytest.mark.parametrize(
    ("name", "content", "line", "message"),
    [
        ("x.csv", b"id,text\n1,a\n2,b,c\n", 3, "3 columns, not 2"),
        ("x.csv", b"id,text\n1,a\n2\n", 3, "1 columns, not 2"),
        ("x.csv", b'id,text\n1,"a\nb"\n2,"c" d\n', 4, "expected after"),
        ("x.csv", b'id,text\n1,a\n2,"b\nc\n', 3, "a quote opens in this line and is never closed"),
        ("x.csv", b"id,text\n1,a\n2,\xe4\n", 3, "not UTF-8"),
        ("x.csv", b"id,text\n1,a\n2,a\0b\n", 3, "NUL"),
        ("x.csv", b"id,id\n1,a\n", 1, "'id' twice"),
        ("x.csv", b"name,text\n1,a\n", 2, "no field 'id'"),
        ("x.tsv", b"id\ttext\n1\ta\n2\tb\tc\n", 3, "3 columns"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(
    tmp_path: Path, name: str, content: bytes, line: int, message: str
) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(SourceError, match=message) as caught:
        list(read_source(path))
    assert (path, line) == (caught.value.path, caught.value.line)


def test_bad_rows_are_counted_on_request(tmp_path: Path) -> None:
    path = written(tmp_path, "x.csv", b"id,text\n1,a\n2,b,c\n3,\xff\n4,d\n")
    bad = BadLines()
    assert [document.id for document in read_source(path, bad=bad)] == ["1", "4"]
    assert [problem.line for problem in bad.first] == [3, 4]


def test_two_documents_of_one_id_are_refused_with_both_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "x.jsonl", b'{"id": 1, "text": "a"}\n\n{"id": "1", "text": "b"}\n')
    with pytest.raises(SourceError, match="'1' is that of line 1 already") as caught:
        list(read_source(path, bad=BadLines()))
    assert caught.value.line == 3


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_LINE", 1000)
    path = written(tmp_path, "x.jsonl", b"x" * 5000 + b"\n" + GOOD)
    with pytest.raises(SourceError, match="longer than 1000 bytes") as caught:
        list(read_source(path))
    assert caught.value.line == 1
    bad = BadLines()
    assert [document.id for document in read_source(path, bad=bad)] == ["good"]
    assert bad.count == 1


def test_what_is_not_there_or_not_known_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        read_source(tmp_path / "none.jsonl")
    with pytest.raises(SourceError, match="--format"):
        read_source(written(tmp_path, "x.dat", b""))
    with pytest.raises(SourceError, match=r"corpus\.jsonl"):
        read_source(tmp_path, kind="beir")
    with pytest.raises(ValueError, match="'xml'"):
        read_source(tmp_path, kind="xml")


def test_columns_that_make_no_sense_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"x\.jsonl: columns are for CSV and TSV files, but it is read as jsonl"):
        read_source(written(tmp_path, "x.jsonl", b""), columns=("id",))
    with pytest.raises(SourceError, match=r"x\.csv: the columns name 'text' twice"):
        read_source(written(tmp_path, "x.csv", b"1,a,b\n"), columns=("id", "text", " text"))


def test_names_of_columns_are_read_without_the_spaces_round_them(tmp_path: Path) -> None:
    (document,) = read_source(written(tmp_path, "x.csv", b"1,a\n"), columns=("id", " text"))
    assert (document.id, document.text) == ("1", "a")


def test_lines_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    documents = read_source(written(tmp_path, "x.jsonl", GOOD + b"\n{\n"))
    assert next(documents).id == "good"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("i.json", b'{"a": 1}', "no JSON array"), ("i.txt", b"a\n\nb\n", "empty line"), ("i.txt", b"\xff\n", "UTF-8")],
)
def test_a_list_of_ids_that_is_none_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_ids(written(tmp_path, name, content))


def test_a_gzipped_file_and_a_beir_folder_with_one_are_unpacked(tmp_path: Path) -> None:
    assert list(read_source(written(tmp_path, "x.jsonl.gz", gzip.compress(JSONL)))) == [A, B]
    folder = tmp_path / "beir"
    folder.mkdir()
    written(folder, "corpus.jsonl.gz", gzip.compress(b'{"_id": "q", "text": "x"}\n'))
    assert list(read_source(folder)) == [Document("q", "", "x")]
