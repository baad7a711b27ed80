"""Parquet and Arrow files."""

from __future__ import annotations

import datetime as dt
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from typeahead.errors import MissingExtra, SourceError
from typeahead.index import FieldChoice, FieldMap, read_embedded, read_source


def written(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    parquet.write_table(pa.table(columns), path, **options)
    return path


def test_values_of_every_type_become_fields(tmp_path: Path) -> None:
    utc = dt.UTC
    path = written(
        tmp_path / "x.parquet",
        {
            "id": pa.array([1, 2]),
            "text": pa.array(["a", "b"]),
            "title": pa.array(["T", None]).dictionary_encode(),
            "day": pa.array([dt.date(2024, 1, 31), None]),
            "at": pa.array([dt.datetime(2024, 1, 31, 10, tzinfo=utc), None], pa.timestamp("ns", "UTC")),
            "price": pa.array([Decimal("1.50"), Decimal("2.00")]),
            "rating": pa.array([4.5, float("nan")]),
            "tags": pa.array([["x", "y"], []]),
            "address": pa.array([{"country": "France"}, {"country": None}]),
            "raw": pa.array([b"\0", b"\1"]),
            "embedding": pa.array([[0.1, 0.2], [0.3, 0.4]]),
        },
    )
    told: list[str] = []
    choice = FieldChoice(named={"country": "address.country"})
    first, second = read_source(path, choice=choice, notice=told.append)
    assert (first.id, first.title, second.title) == ("1", "T", "")
    assert first.fields == {
        "country": "France",
        "day": "2024-01-31",
        "at": "2024-01-31T10:00:00Z",
        "price": 1.5,
        "rating": 4.5,
        "tags": ["x", "y"],
    }
    assert second.fields == {"price": 2}
    assert told == [
        f"{path}: columns of vectors are not read: embedding",
        "not indexed as fields: raw (values of the type bytes), in 2 documents",
    ]


def test_a_column_that_is_not_there_is_named_before_anything_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "x.parquet", {"id": [1], "text": ["x"]})
    for read in (
        lambda: read_source(path, FieldMap(title="name")),
        lambda: read_source(path, choice=FieldChoice(("name",))),
        lambda: read_embedded(path, "name"),
    ):
        with pytest.raises(SourceError, match="there is no column 'name'; the columns are 'id', 'text'"):
            list(read())


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    content = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["id", "id"])
    parquet.write_table(content, tmp_path / "x.parquet")
    with pytest.raises(SourceError, match="the column 'id' twice"):
        list(read_source(tmp_path / "x.parquet"))


@pytest.mark.parametrize("name", ["x.parquet", "x.feather", "x.arrow"])
def test_damaged_files_are_errors(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = pa.table({"id": [str(at) for at in range(5000)], "text": ["words"] * 5000})
    if name == "x.parquet":
        parquet.write_table(content, path)
    elif name == "x.feather":
        feather.write_feather(content, str(path))
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, content.schema) as writer:
            writer.write_table(content, max_chunksize=1000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"cannot be read as (parquet|arrow)"):
        list(read_source(path))
    path.write_bytes(b"no such thing" * 100)
    with pytest.raises(SourceError, match=r"cannot be read as (parquet|arrow)"):
        list(read_source(path))


def test_feather_of_version_1_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.feather").write_bytes(b"FEA1" + bytes(100))
    with pytest.raises(SourceError, match="Feather version 1"):
        list(read_source(tmp_path / "x.feather"))


def test_a_file_is_told_by_its_content_too(tmp_path: Path) -> None:
    path = written(tmp_path / "part-0000", {"id": [1], "text": ["x"]})
    assert [document.id for document in read_source(path)] == ["1"]
    path.rename(tmp_path / "x.jsonl")
    with pytest.raises(SourceError, match="is a Parquet file: read it with --format parquet"):
        list(read_source(tmp_path / "x.jsonl"))


def test_row_groups_are_read_one_after_the_other(tmp_path: Path) -> None:
    """Reading the first rows of a large file allocates little."""
    path = written(
        tmp_path / "x.parquet",
        {"id": list(range(200_000)), "text": [f"{at} " * 20 for at in range(200_000)]},
        row_group_size=1000,
        compression="none",
    )
    documents = read_source(path)
    before = pa.total_allocated_bytes()
    assert next(documents).id == "0"
    assert pa.total_allocated_bytes() - before < path.stat().st_size / 10
    documents.close()  # type: ignore[attr-defined]


def test_without_pyarrow_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "x.parquet", {"id": [1], "text": ["x"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"\[arrow\]"):
        list(read_source(path))
