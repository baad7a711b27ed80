"""Adopting vectors of passages: those that follow each other with the same id are one document."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.index.hashing import HashingEncoder
from typeahead.errors import ReplacementRefused, SourceError
from typeahead.index import Document, Manifest, Teacher, adopt_index, build_index, open_index
from typeahead.text.document import Passage

#: Two documents of three and two passages, and one of one.
LINES = [
    Document("a", "Eggs", "Boil them.", "https://example.org/a#boil", {"year": 2019}),
    Document("a", "Eggs", "Fry them.", "https://example.org/a#fry", {"year": 2020}),
    Document("a", "Eggs", "Eat them.", "https://example.org/a"),
    Document("b", "Rain", "It falls.", "https://example.org/b#whole"),
    Document("c", "", "Clouds come."),
    Document("c", "", "Clouds go."),
]


def adopt(tmp_path: Path, lines: list[Document], *, ids: list[str] | None = None) -> Manifest:
    vectors = HashingEncoder().encode([line.passage for line in lines])
    path = tmp_path / ("v.npy" if ids is None else "v.npz")
    if ids is None:
        np.save(path, vectors)
    else:
        np.savez(path, vectors=vectors, ids=np.array(ids))
    teacher = Teacher("hash-teacher", "r1")
    return adopt_index(
        path, iter(lines), tmp_path / "index", teacher=teacher, encoder=HashingEncoder(), by_passage=True
    )


@pytest.mark.parametrize("ids", [None, [line.id for line in LINES]])
def test_each_passage_is_found_by_its_own_vector(tmp_path: Path, ids: list[str] | None) -> None:
    manifest = adopt(tmp_path, LINES, ids=ids)
    assert (manifest.count, manifest.passages) == (3, 6)
    assert manifest.encoder is not None
    assert manifest.encoder.name == "hashing"
    with open_index(tmp_path / "index") as index:
        for line, hits in zip(LINES, index.search(HashingEncoder().encode([x.passage for x in LINES]), 1), strict=True):
            assert (hits[0].id, hits[0].title, hits[0].text.strip()) == (line.id, line.title, line.text)
            assert hits[0].url == line.url
            assert hits[0].score == pytest.approx(1)
        document, passages = index.part.divided(0)
        assert document == Document(
            "a", "Eggs", "Boil them.\n\nFry them.\n\nEat them.", "https://example.org/a", {"year": 2019}
        )
        assert passages == (
            Passage("Boil them.\n\n", (), "boil"),
            Passage("Fry them.\n\n", (), "fry"),
            Passage("Eat them."),
        )
        # A document of one passage keeps its URL.
        assert index.part.divided(1)[0] == LINES[3]


def test_passages_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for lines, ids, said in (
        ([LINES[0], LINES[3], LINES[1]], None, "passages of document 'a' stand apart.*sort the source"),
        ([LINES[0], replace(LINES[1], title="Rice")], None, "'a' have the titles 'Eggs' and 'Rice'"),
        (LINES, ["a", "a", "b", "a", "c", "c"], "from passage 1 on, which is of document 'a'"),
    ):
        with pytest.raises(SourceError, match=said):
            adopt(tmp_path, lines, ids=ids)
    np.save(tmp_path / "v.npy", np.eye(4, 16, dtype=np.float32))
    for lines, said in ((LINES, "more passages than the 4 vectors"), (LINES[:3], "4 vectors, but 3 passages")):
        with pytest.raises(SourceError, match=said):
            adopt_index(
                tmp_path / "v.npy",
                lines,
                tmp_path / "index",
                teacher=Teacher("hash-teacher"),
                unverified=True,
                by_passage=True,
            )


def test_documents_are_counted_where_an_index_is_replaced_not_passages(tmp_path: Path) -> None:
    build_index([Document(str(row), "", f"text {row}") for row in range(7)], tmp_path / "index", HashingEncoder())
    with pytest.raises(ReplacementRefused, match="keeps its 7 documents, because the source has only 3"):
        adopt(tmp_path, LINES)
    assert Manifest.read(tmp_path / "index").count == 7
