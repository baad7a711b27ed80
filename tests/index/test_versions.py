"""A new generation stands for a version above everything before it, the changes of the journal included."""

from __future__ import annotations

from pathlib import Path

from tests.index.hashing import HashingEncoder, documents
from typeahead.index import Manifest, build_index
from typeahead.index.living import LivingIndex
from typeahead.index.versions import current_sequence, current_version, version_after


def delete(folder: Path, *ids: str) -> None:
    with LivingIndex(folder) as index:
        for one in ids:
            index.delete([one])


def test_without_index_or_journal_there_is_no_version(tmp_path: Path) -> None:
    assert (current_sequence(tmp_path), current_version(tmp_path)) == (0, 0)


def test_each_change_makes_the_version_one_larger(tmp_path: Path) -> None:
    first = build_index(documents(3), tmp_path, HashingEncoder())
    ids = [document.id for document in documents(3)]
    delete(tmp_path, *ids[:2])
    assert current_version(tmp_path) == first.version + 2
    assert version_after(tmp_path, first.sequence + 1) == first.version + 1


def test_a_replacement_follows_the_changes_before_it_and_keeps_those_that_come_while_it_is_built(
    tmp_path: Path,
) -> None:
    build_index(documents(3), tmp_path, HashingEncoder())
    ids = [document.id for document in documents(3)]
    delete(tmp_path, ids[0])
    before = current_version(tmp_path)
    manifest = build_index(
        documents(3),
        tmp_path,
        HashingEncoder(),
        progress=lambda *step: delete(tmp_path, ids[1]) if step[:2] == ("encode", 3) else None,
    )
    assert manifest == Manifest.read(tmp_path)
    assert current_version(tmp_path) > before + 1
    with LivingIndex(tmp_path) as index:
        assert {index.contents.id(row) for row in range(3)} == set(ids)
        assert set(index.contents.find(ids)) == {ids[0], ids[2]}


def test_deleting_what_is_not_there_changes_nothing(tmp_path: Path) -> None:
    build_index(documents(3), tmp_path, HashingEncoder())
    version = current_version(tmp_path)
    delete(tmp_path, "nobody")
    assert current_version(tmp_path) == version
