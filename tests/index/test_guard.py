"""A good index is kept where a broken source left too little for a new one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.index.changes.entries import entries
from tests.index.hashing import HashingEncoder, documents
from typeahead.errors import ReplacementRefused
from typeahead.index import Document, Guard, Teacher, adopt_index, build_index, open_index
from typeahead.index.changes.compacting import compact
from typeahead.index.living import LivingIndex
from typeahead.index.versions import documents_in_force


def count(folder: Path) -> int:
    with open_index(folder) as index:
        return len(index)


def adopt(folder: Path, rows: list[Document], guard: Guard | None = None) -> None:
    vectors = folder.parent / "vectors.npy"
    np.save(vectors, np.eye(16, dtype=np.float32)[: len(rows)])
    adopt_index(
        vectors, rows, folder, teacher=Teacher("t"), unverified=True, guard=guard or Guard(), warn=lambda _: None
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build_index(documents(10), tmp_path / "index", HashingEncoder())
    return tmp_path / "index"


def test_an_index_of_nothing_is_refused_and_the_old_one_kept(folder: Path) -> None:
    with pytest.raises(ReplacementRefused, match=r"has no documents, .* keeps its 10 documents: pass --allow-empty"):
        build_index([], folder, HashingEncoder())
    with pytest.raises(ReplacementRefused, match="--allow-empty"):
        adopt(folder, [])
    assert count(folder) == 10
    build_index([], folder, HashingEncoder(), guard=Guard(allow_empty=True))
    assert count(folder) == 0


def test_a_first_index_of_nothing_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ReplacementRefused, match="is not created") as caught:
        build_index([], tmp_path / "index", HashingEncoder())
    assert (caught.value.before, caught.value.after) == (None, 0)
    assert not (tmp_path / "index").exists()


def test_an_index_that_lost_more_than_half_is_refused_with_both_numbers(folder: Path) -> None:
    with pytest.raises(ReplacementRefused, match=r"keeps its 10 documents, .* only 4: pass --max-shrink 1 .*0\.5"):
        build_index(documents(4), folder, HashingEncoder())
    with pytest.raises(ReplacementRefused, match="only 4"):
        adopt(folder, documents(4))
    assert count(folder) == 10
    build_index(documents(5), folder, HashingEncoder())
    assert count(folder) == 5


def test_how_much_may_be_lost_can_be_said(folder: Path) -> None:
    with pytest.raises(ReplacementRefused):
        build_index(documents(9), folder, HashingEncoder(), guard=Guard(max_shrink=0))
    adopt(folder, documents(1), Guard(max_shrink=1))
    assert count(folder) == 1
    with pytest.raises(ValueError, match=r"max_shrink is 1\.5"):
        Guard(max_shrink=1.5)


def test_what_was_refused_is_not_encoded_again(folder: Path) -> None:
    with pytest.raises(ReplacementRefused):
        build_index(documents(4), folder, HashingEncoder())
    encoder = HashingEncoder()
    build_index(documents(4), folder, encoder, guard=Guard(max_shrink=1))
    assert encoder.encoded == []
    assert count(folder) == 4


def test_what_was_refused_does_not_reach_the_next_index(folder: Path) -> None:
    with pytest.raises(ReplacementRefused):
        build_index(documents(4), folder, HashingEncoder())
    build_index(documents(20, start=2), folder, HashingEncoder())
    with open_index(folder) as index:
        assert [document.id for document in index.documents([0, 17])] == ["d2", "d19"]


@pytest.mark.parametrize("left", [0, 3])
def test_a_broken_source_costs_an_interrupted_build_nothing(folder: Path, left: int) -> None:
    def interrupt(stage: str, done: int, total: int | None) -> None:
        del stage, total
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(documents(20), folder, HashingEncoder(), batch=4, progress=interrupt)
    with pytest.raises(ReplacementRefused):
        build_index(documents(left), folder, HashingEncoder())
    encoder = HashingEncoder()
    build_index(documents(20), folder, encoder)
    assert len(encoder.encoded) == 12


def test_documents_that_are_in_the_journal_alone_count(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    build_index(documents(4), folder, HashingEncoder())
    with LivingIndex(folder) as index:
        index.write(entries(12, start=2))
        index.delete(["d0", "d5"])
    assert documents_in_force(folder) == 12
    with pytest.raises(ReplacementRefused, match="keeps its 12 documents, because the source has only 5"):
        build_index(documents(5), folder, HashingEncoder())
    with LivingIndex(folder) as index:
        assert index.contents.count == 12
    compact(folder)
    assert documents_in_force(folder) == 12
    build_index(documents(6), folder, HashingEncoder())
    assert documents_in_force(folder) == 6
