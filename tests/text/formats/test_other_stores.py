"""What other vector stores export is indexed as docs/other-stores.md says, with the vectors as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import typeahead
from typeahead.cli import main
from typeahead.encoders.transformer import TransformerEncoder

TEXTS = {
    "How to boil eggs": "Put the eggs into boiling water and wait for eight minutes.",
    "Why it rains": "Warm air rises, cools down, and lets its water fall.",
    "Training a dog": "Reward the dog with a treat as soon as it sits down.",
}


@pytest.fixture(scope="module")
def vectors(passage_encoder: TransformerEncoder) -> list[list[float]]:
    """Of title and text, as float64."""
    made = passage_encoder.encode([f"{title}\n{text}" for title, text in TEXTS.items()])
    return [list(map(float, vector)) for vector in made]


def metadata(row: int, title: str) -> dict[str, Any]:
    return {"title": title, "url": f"https://example.org/{row}", "year": 2020 + row, "draft": row == 0}


def chroma(vectors: list[list[float]]) -> list[dict[str, Any]]:
    return [
        {"id": f"a-{row}", "text": text, "metadata": metadata(row, title), "vector": vectors[row]}
        for row, (title, text) in enumerate(TEXTS.items())
    ]


def weaviate(vectors: list[list[float]]) -> list[dict[str, Any]]:
    return [
        {"uuid": f"a-{row}", "properties": {**metadata(row, title), "body": text}, "vector": {"default": vectors[row]}}
        for row, (title, text) in enumerate(TEXTS.items())
    ]


OF_METADATA = ["--title-field=metadata.title", "--url-field=metadata.url", "--fields=metadata.*"]
OF_PROPERTIES = [
    "--id-field=uuid", "--title-field=properties.title", "--text-field=properties.body",
    "--url-field=properties.url", "--fields=properties.*",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    ("export", "options"),
    [
        (chroma, ["--vectors-column=vector", *OF_METADATA]),
        (weaviate, ["--vectors-column=vector.default", *OF_PROPERTIES]),
    ],
)
def test_an_export_is_indexed_with_its_vectors_ids_titles_addresses_and_fields(
    kind: str, export: Any, options: list[str], tmp_path: Path, vectors: list[list[float]]
) -> None:
    rows, source = export(vectors), tmp_path / f"export.{kind}"
    if kind == "jsonl":
        source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        parquet.write_table(pa.Table.from_pylist(rows), source)
    assert main(["index", str(source), "--out", str(tmp_path / "index"), *options]) == 0
    with typeahead.open_index(tmp_path / "index") as index:
        found = index.get(["a-1"])["a-1"]
        assert (found.title, found.text) == ("Why it rains", TEXTS["Why it rains"])
        assert (found.url, found.fields) == ("https://example.org/1", {"year": 2021, "draft": False})
        hits = index.search(np.array(vectors, np.float32), k=1)
        assert [hit.id for (hit,) in hits] == ["a-0", "a-1", "a-2"]
        assert all(hit.score == pytest.approx(1, abs=1e-3) for (hit,) in hits)


def test_a_table_of_lancedb_needs_no_names(tmp_path: Path, vectors: list[list[float]]) -> None:
    table = pa.table(
        {
            "id": ["a-0", "a-1", "a-2"],
            "title": list(TEXTS),
            "text": list(TEXTS.values()),
            "year": [2020, 2021, 2022],
            "vector": pa.array(vectors, pa.list_(pa.float32(), len(vectors[0]))),
        }
    )
    parquet.write_table(table, tmp_path / "export.parquet")
    out = str(tmp_path / "index")
    assert main(["index", str(tmp_path / "export.parquet"), "--out", out, "--vectors-column", "vector"]) == 0
    with typeahead.open_index(tmp_path / "index") as index:
        assert index.get(["a-2"])["a-2"].fields == {"year": 2022}
