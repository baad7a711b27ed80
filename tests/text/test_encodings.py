"""Encodings: recognised where they can be, said where they are guessed, errors where a file is only damaged."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from typeahead.errors import SourceError
from typeahead.index import BadLines, Document, read_source
from typeahead.text import transcoding
from typeahead.text.id_lists import read_ids

GERMAN = [Document(str(i), f"Größe {i}", f"Käse für Müller – “schön”, Nr. {i}") for i in range(1, 30)]
RUSSIAN = [Document(str(i), "Москва", f"столица России, как дела {i}") for i in range(1, 30)]
JAPANESE = [Document(str(i), "東京", f"日本語のテキストです。カタカナ {i}") for i in range(1, 30)]


def table(documents: list[Document]) -> str:
    return "id;title;text\r\n" + "".join(f"{doc.id};{doc.title};{doc.text}\r\n" for doc in documents)


def read(path: Path, content: bytes, **options: str) -> tuple[list[Document], list[str]]:
    path.write_bytes(content)
    told: list[str] = []
    return list(read_source(path, notice=told.append, **options)), told  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("documents", "encoding"),
    [
        (GERMAN, "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (GERMAN, "utf-16-le"),
        (JAPANESE, "utf-16-be"),
    ],
)
def test_an_encoding_is_recognised_and_said(tmp_path: Path, documents: list[Document], encoding: str) -> None:
    found, told = read(tmp_path / "x.csv", table(documents).encode(encoding))
    assert documents == found
    assert told[0].startswith(f"{tmp_path / 'x.csv'}: read as {encoding}, ")
    assert "--encoding" in told[0]
    assert told[1].endswith("columns are separated by semicolons")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("said", [False, True])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str, said: bool) -> None:
    options = {"encoding": encoding[:6]} if said else {}
    content = "\ufeff" + '{"id": "1", "text": "größer"}\r\n'
    found, told = read(tmp_path / "x.jsonl", content.encode(encoding), **options)
    assert found == [Document("1", "", "größer")]
    assert ["byte order mark" in line for line in told] == ([] if said else [True])


def test_an_encoding_can_be_said(tmp_path: Path) -> None:
    found, told = read(tmp_path / "x.csv", "id,text\n1,Größe\n".encode("cp1252"), encoding="latin-1")
    assert (found, told) == ([Document("1", "", "Größe")], [])
    with pytest.raises(ValueError, match="klingon"):
        read_source(tmp_path / "x.csv", encoding="klingon")


def test_utf_8_with_damaged_bytes_stays_utf_8(tmp_path: Path) -> None:
    lines = [f'{{"id": {i}, "text": "größer {i}"}}\n'.encode() for i in range(50)]
    lines[5] = lines[5].replace("ö".encode(), b"\xf6")
    path = tmp_path / "x.jsonl"
    with pytest.raises(SourceError, match=r"not UTF-8: byte 0xf6 .*--encoding") as caught:
        read(path, b"".join(lines))
    assert caught.value.line == 6
    bad = BadLines()
    assert len(list(read_source(path, bad=bad))) == 49
    assert bad.count == 1


def test_the_whole_file_tells_the_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first chunks are ASCII."""
    monkeypatch.setattr(transcoding, "_CHUNK", 64)
    documents = [Document(str(i), "", "plain") for i in range(100, 200)] + GERMAN
    found, told = read(tmp_path / "x.csv", table(documents).encode("cp1252"))
    assert documents == found
    assert "cp1252" in told[0]


def test_the_guessing_library_is_for_guesses_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    assert read(tmp_path / "x.csv", table(RUSSIAN).encode())[0] == RUSSIAN
    with pytest.raises(SourceError, match="--encoding"):
        read(tmp_path / "x.csv", table(RUSSIAN).encode("cp1251"))


def test_bytes_that_an_encoding_does_not_have_are_named(tmp_path: Path) -> None:
    content = "id,text\n1,a\n2,größer".encode("utf-16-le") + b"\x00\xd8" + "\n3,c\n".encode("utf-16-le")
    with pytest.raises(SourceError, match="not utf-16-le: unreadable bytes at character 8") as caught:
        read(tmp_path / "x.csv", content)
    assert caught.value.line == 3
    bad = BadLines()
    assert [doc.id for doc in read_source(tmp_path / "x.csv", bad=bad)] == ["1", "3"]


@pytest.mark.parametrize(("magic", "what"), [(b"\x1f\x8b\x08", "gzip"), (b"PK\x03\x04", "Excel"), (b"PAR1", "Parquet")])
def test_what_is_no_text_is_named(tmp_path: Path, magic: bytes, what: str) -> None:
    with pytest.raises(SourceError, match=what):
        read(tmp_path / "x.csv", magic + bytes(range(256)) * 9)


def test_lines_may_end_in_cr_alone(tmp_path: Path) -> None:
    found, _ = read(tmp_path / "x.csv", b'id,text\r1,a\r2,"b\rc"\r')
    assert found == [Document("1", "", "a"), Document("2", "", "b\nc")]


def test_notes_of_another_encoding_are_said_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("Käse für Müller, größer", encoding="cp1252")
    (tmp_path / "c.txt").write_text("Käse", encoding="utf-8")
    told: list[str] = []
    assert ["Käse" in document.text for document in read_source(tmp_path, notice=told.append)] == [True] * 3
    assert [line.split(",")[0] for line in told] == [f"{tmp_path / 'a.txt'} and 1 more: read as cp1252"]
    assert ["Käse" in doc.text for doc in read_source(tmp_path, encoding="cp1252")] == [True] * 3


def test_ids_may_be_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_bytes("ä\r\nö\r\n".encode("utf-16"))
    assert read_ids(tmp_path / "ids.txt", notice=lambda _: None) == ["ä", "ö"]
    (tmp_path / "ids.json").write_bytes('["ä",\n 1]'.encode("utf-16"))
    assert read_ids(tmp_path / "ids.json", notice=lambda _: None) == ["ä", "1"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_a_pipe_is_read_like_a_file(tmp_path: Path, encoding: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(SourceError, match="--format"):
        read_source(pipe)
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        list(read_source(pipe, kind="notes"))
    writer = threading.Thread(target=pipe.write_bytes, args=(table(GERMAN).encode(encoding),))
    writer.start()
    assert list(read_source(pipe, kind="csv", notice=lambda _: None)) == GERMAN
    writer.join()
