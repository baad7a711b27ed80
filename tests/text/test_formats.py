"""One set of documents, in every format: the same documents come out."""

from __future__ import annotations

import bz2
import csv
import gzip
import importlib
import io
import json
import lzma
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from typeahead.errors import SourceError
from typeahead.index import BadLines, Document, FieldChoice, FieldMap, read_embedded, read_source
from typeahead.text.sources import Source

zstd = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

Row = Mapping[str, Any]
ROWS: Sequence[Row] = [
    {"id": "a", "title": "Egg", "text": "Boil it.", "url": "https://example.org/a", "price": 2.5, "vegan": False},
    {"id": "b", "title": "Tofu", "text": 'Fry "it",\nor not.', "url": "", "price": 3, "vegan": True},
    {"id": "c", "title": "", "text": "Käse", "url": "", "price": 0.5, "vegan": False},
]
WANTED = [
    Document(row["id"], row["title"], row["text"], row["url"], {"price": row["price"], "vegan": row["vegan"]})
    for row in ROWS
]


def jsonl(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def array(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=2), encoding="utf-8")
    return path


def objects(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("\n".join(json.dumps(row, indent=1) for row in rows))
    return path


def table(path: Path, rows: Sequence[Row]) -> Path:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(rows[0])
    writer.writerows(row.values() for row in rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    return path


def arrow(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows])


def write_parquet(path: Path, rows: Sequence[Row]) -> Path:
    parquet.write_table(arrow(rows), path, row_group_size=2)
    return path


def write_feather(path: Path, rows: Sequence[Row]) -> Path:
    feather.write_feather(arrow(rows), str(path))
    return path


def write_stream(path: Path, rows: Sequence[Row]) -> Path:
    content = arrow(rows)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, content.schema) as writer:
        writer.write_table(content, max_chunksize=1)
    return path


def packed(pack: Callable[[bytes], bytes], write: Callable[[Path, Sequence[Row]], Path]) -> Callable[..., Path]:
    def written(path: Path, rows: Sequence[Row]) -> Path:
        write(path, rows).write_bytes(pack(path.read_bytes()))
        return path

    return written


FORMATS: Mapping[str, Callable[[Path, Sequence[Row]], Path]] = {
    "x.jsonl": jsonl,
    "x.ndjson": jsonl,
    "x.json": array,
    "objects.json": objects,
    "x.csv": table,
    "x.parquet": write_parquet,
    "x.feather": write_feather,
    "x.arrow": write_stream,
    "x.jsonl.gz": packed(gzip.compress, jsonl),
    "gzip without a name for it.jsonl": packed(gzip.compress, jsonl),
    "x.json.zst": packed(zstd.compress, array),
    "x.csv.gz": packed(gzip.compress, table),
    "x.csv.zst": packed(zstd.compress, table),
    "x.jsonl.bz2": packed(bz2.compress, jsonl),
    "x.jsonl.xz": packed(lzma.compress, jsonl),
    "plain in spite of its name.jsonl.gz": jsonl,
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_gives_the_same_documents(tmp_path: Path, name: str) -> None:
    assert list(read_source(FORMATS[name](tmp_path / name, ROWS))) == WANTED


def test_a_database_gives_the_same_documents(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "shop.db")
    database.execute("CREATE TABLE products(sku, name, body, link, cents INTEGER, vegan INTEGER)")
    database.executemany(
        "INSERT INTO products VALUES(?, ?, ?, ?, ?, ?)",
        [(row["id"], row["title"], row["text"], row["url"], row["price"] * 100, row["vegan"]) for row in ROWS],
    )
    database.commit()
    database.close()
    query = "SELECT sku AS id, name AS title, body AS text, link AS url, cents / 100.0 AS price, vegan FROM products"
    kinds = FieldChoice(kinds={"vegan": "truth"})
    assert list(read_source(f"sqlite:///{tmp_path}/shop.db", query=query, choice=kinds)) == WANTED


def test_a_folder_may_mix_formats_and_sources_may_be_several(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write_parquet(folder / "1.parquet", ROWS[:1])
    array(folder / "2.json", ROWS[1:2])
    table(folder / "3.csv", ROWS[2:])
    assert list(read_source(folder)) == WANTED
    parts: list[Source] = [jsonl(tmp_path / f"{at}.jsonl", [row]) for at, row in enumerate(ROWS)]
    assert list(read_source(parts)) == WANTED
    with pytest.raises(SourceError, match=r"the id 'a' is that of .*0\.jsonl:1 already"):
        list(read_source([*parts, parts[0]]))


def test_a_folder_may_hold_notes_and_records(tmp_path: Path) -> None:
    jsonl(tmp_path / "x.jsonl", ROWS[:1])
    (tmp_path / "note.md").write_text("# Note\n\ntext")
    assert [document.id for document in read_source(tmp_path)] == ["note.md", "a"]
    assert [document.id for document in read_source(tmp_path, kind="jsonl")] == ["a"]
    assert [document.id for document in read_source(tmp_path, kind="notes")] == ["note.md"]


@pytest.mark.parametrize(("name", "kind"), [("x.jsonl.gz", "jsonl"), ("x.csv.zst", "csv"), ("x.arrow", "arrow")])
def test_a_pipe_may_be_compressed(tmp_path: Path, name: str, kind: str) -> None:
    content = FORMATS[name](tmp_path / name, ROWS).read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[content])
    writer.start()
    assert list(read_source(pipe, kind=kind)) == WANTED
    writer.join()


def test_parquet_in_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="it must be a file, not a pipe"):
        list(read_source(tmp_path / "pipe", kind="parquet"))


VECTORS = [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.parquet", "fixed.parquet", "x.feather", "x.arrow"])
def test_vectors_come_with_their_documents(tmp_path: Path, name: str) -> None:
    rows = [{**row, "embedding": vector} for row, vector in zip(ROWS, VECTORS, strict=True)]
    path = tmp_path / name
    if name == "fixed.parquet":
        content = arrow(ROWS).append_column("embedding", pa.array(VECTORS, pa.list_(pa.float16(), 2)))
        parquet.write_table(content, path)
    else:
        FORMATS[name](path, rows)
    found = list(read_embedded(path, "embedding"))
    assert [one.document for one in found] == WANTED
    assert [one.vector.tolist() for one in found if one.vector is not None] == VECTORS
    # Without being asked for, they are no fields.
    assert list(read_source(path, notice=lambda _: None)) == WANTED


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (None, "there is no vector in the field 'v'"),
        ([1.0], "1 dimensions, but those before it have 2"),
        ([1.0, float("nan")], "NaN or infinity at position 1"),
        ("text", "no list of numbers"),
        ([[1.0, 2.0]], "no list of numbers"),
        ([], "no list of numbers"),
    ],
)
def test_a_vector_that_cannot_be_used_is_a_bad_line(tmp_path: Path, vector: object, message: str) -> None:
    rows = [{"id": at, "text": "x", "v": value} for at, value in enumerate([[1.0, 2.0], vector, [3.0, 4.0]])]
    path = jsonl(tmp_path / "x.jsonl", rows)
    with pytest.raises(SourceError, match=message) as caught:
        list(read_embedded(path, "v"))
    assert caught.value.line == 2
    bad = BadLines()
    assert [one.document.id for one in read_embedded(path, "v", bad=bad)] == ["0", "2"]
    assert bad.count == 1


def test_notes_have_no_vectors(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x")
    with pytest.raises(SourceError, match="notes have no vectors"):
        list(read_embedded(tmp_path, "v"))


def test_dotted_paths_reach_into_nested_records(tmp_path: Path) -> None:
    row = {
        "meta": {"key": 7, "title": "T"},
        "body": {"sections": [{"text": "one"}, {"text": "two"}, {}]},
        "links.self": "https://example.org",
        "address": {"country": "France"},
    }
    path = jsonl(tmp_path / "x.jsonl", [row])
    names = FieldMap("meta.key", "meta.title", "body.sections.text", "links.self")
    choice = FieldChoice(named={"country": "address.country"})
    (document,) = read_source(path, names, choice=choice, notice=pytest.fail)
    assert document == Document("7", "T", "one\n\ntwo", "https://example.org", {"country": "France"})


def test_ten_megabytes_of_text_are_one_document(tmp_path: Path) -> None:
    text = "word " * 2_000_000
    for name in ("x.jsonl", "x.json", "x.csv", "x.parquet"):
        (document,) = read_source(FORMATS[name](tmp_path / name, [{"id": "1", "text": text}]))
        assert document.text == text.strip(), name
