"""Documents are written to indexes of every kind, and merging them changes nothing that is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

from tests.index.hashing import HashingEncoder, config, documents
from typeahead.index import Manifest, Teacher, adopt_index, build_index
from typeahead.index.changes.compacting import compact
from typeahead.index.living import LivingIndex
from typeahead.index.showing import best_passage
from typeahead.search.port import Entry
from typeahead.text.document import Document, Passage

COUNT = 60
TEACHER = Teacher("hash-teacher", "r1")


def entry(key: str, *texts: str) -> Entry:
    document = Document(key, f"title of {key}", "".join(texts), f"https://example.org/{key}")
    vectors = HashingEncoder().encode([f"{key} {text}" for text in texts])
    return Entry(document, tuple(map(Passage, texts)), vectors)


def built(folder: Path, **options: object) -> None:
    build_index(documents(COUNT), folder / "index", HashingEncoder(), **options)  # type: ignore[arg-type]


def adopted(folder: Path, kind: str) -> None:
    vectors = HashingEncoder().encode([document.passage for document in documents(COUNT)])
    if kind == "half":
        np.save(folder / "given.npy", vectors.astype(np.float16))
        adopt_index(folder / "given.npy", documents(COUNT), folder / "index", teacher=TEACHER, unverified=True)
        return
    index = faiss.index_factory(16, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(vectors)
    faiss.write_index(index, str(folder / "given.index"))
    adopt_index(folder / "given.index", documents(COUNT), folder / "index", teacher=TEACHER, unverified=True)


KINDS: dict[str, Callable[[Path], None]] = {
    "exact": lambda folder: built(folder, backend="exact"),
    "graph": lambda folder: built(folder, backend="hnsw"),
    "fewer dimensions": lambda folder: built(folder, dimensions=12),
    "fewer dimensions and a graph": lambda folder: built(folder, dimensions=12, backend="hnsw"),
    "inner products": lambda folder: _by_inner_product(folder),
    "float16": lambda folder: adopted(folder, "half"),
    "FAISS, a graph": lambda folder: adopted(folder, "HNSW8"),
    "FAISS, flat": lambda folder: adopted(folder, "Flat"),
}


def _by_inner_product(folder: Path) -> None:
    build_index(documents(COUNT), folder / "index", HashingEncoder(config(similarity="dot")), backend="exact")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_documents_are_written_to_it_and_merged(tmp_path: Path, kind: str) -> None:
    KINDS[kind](tmp_path)
    folder = tmp_path / "index"
    before = Manifest.read(folder)
    with LivingIndex(folder, linger=0) as index:
        index.write(
            [entry("d3", "replaced"), entry("new", "the first part, ", "and the second"), entry("gone", "soon")]
        )
        assert index.delete(["d5", "gone"])[0] == 2
        found = searched(index)
        version = index.version
        compact(folder)
        assert index.refresh()
        assert index.version == version
        assert index.contents.count == COUNT
        assert len(index.contents.parts) == 1
        merged = searched(index)
    # A graph of FAISS finds most of the nearest, and what takes its place finds them all.
    least = 0.9 if kind == "FAISS, a graph" else 1
    assert np.mean([one == other for one, other in zip(found, merged, strict=True)]) >= least
    after = Manifest.read(folder)
    assert (after.teacher, after.dim, after.similarity, after.dimensions, after.adoption) == (
        before.teacher,
        before.dim,
        before.similarity,
        before.dimensions,
        before.adoption,
    )
    assert after.backend == ("exact" if before.backend == "faiss" else before.backend)
    # It opens again, and everything can go.
    with LivingIndex(folder, linger=0) as index:
        assert searched(index) == merged
        index.delete([document.id for document in documents(COUNT)])
        index.delete(["new"])
        compact(folder)
        index.refresh()
        assert index.contents.count == 0
        assert searched(index) == [()] * 9
        index.write([entry("d3", "back")])
        compact(folder)
        index.refresh()
        assert index.contents.count == 1
        assert [hits[0][0] for hits in searched(index)] == ["d3"] * 9


def searched(index: LivingIndex) -> list[tuple[tuple[str, float, int], ...]]:
    """What some queries find: ids, scores and passages."""
    queries = HashingEncoder().encode(
        [*(document.passage for document in documents(6)), "new and the second", "d3 replaced", "anything"]
    )
    contents = index.contents
    return [
        tuple(
            (contents.id(row), round(score, 5), best_passage(contents, row, query, ()))
            for row, score in zip(near.rows.tolist(), near.scores.tolist(), strict=True)
        )
        for query, near in zip(queries, contents.nearest(queries, 5, contents.masks(None)), strict=True)
    ]
