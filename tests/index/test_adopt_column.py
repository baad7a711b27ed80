"""Vectors that come with their documents are adopted as those of a file are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import typeahead
from typeahead.cli import main
from typeahead.errors import SourceError
from typeahead.index import Document, open_index
from typeahead.index.adopt.column import set_apart
from typeahead.text.mapping import Found


def test_documents_and_vectors_stay_in_one_order_and_nothing_is_left_behind(tmp_path: Path) -> None:
    vectors = np.arange(3000 * 4, dtype=np.float32).reshape(3000, 4)
    documents = [Document(str(at), f"T{at}", "ä\n", "u", {"tags": ["x"], "n": at}) for at in range(3000)]
    found = (Found(document, vector) for document, vector in zip(documents, vectors, strict=True))
    with set_apart(found, tmp_path / "index") as (path, again):
        assert np.array_equal(np.load(path), vectors)
        assert list(again) == documents
    assert list(tmp_path.iterdir()) == []


def test_without_documents_there_is_nothing_to_adopt(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no documents"), set_apart([], tmp_path / "index"):
        pass
    assert list(tmp_path.iterdir()) == []


TEXTS = ["Boil an egg.", "Fry some tofu.", "Paris is a city.", "The moon is far."]


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
def test_a_column_of_vectors_is_adopted_and_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    vectors = typeahead.load("minilm-doc", threads=1).encode(TEXTS).astype(np.float32)

    def index(given: list[list[float]]) -> int:
        rows = [{"id": at, "text": text, "v": row} for (at, text), row in zip(enumerate(TEXTS), given, strict=True)]
        if name == "x.jsonl":
            (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            parquet.write_table(pa.Table.from_pylist(rows), tmp_path / name)
        out = str(tmp_path / "index")
        return main(["index", str(tmp_path / name), "--out", out, "--vectors-column", "v", "--threads", "1"])

    assert index(vectors.tolist()) == 0
    with open_index(tmp_path / "index") as opened:
        assert [hit.id for hit in opened.search(vectors[2:3], k=1)[0]] == ["2"]
    # Vectors of other documents are refused, and the index stays.
    assert index(vectors[::-1].tolist()) == 1
    said = capsys.readouterr().err
    assert "the documents' own vectors: the vectors do not belong to their documents" in said
    assert ".npy" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", name]
