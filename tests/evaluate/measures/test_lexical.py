"""The measured lexical arm is the one that an index of the same passages serves."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from typeahead.errors import SourceError
from typeahead.evaluate.data.datasets import Dataset, Passage
from typeahead.evaluate.measures import lexical
from typeahead.evaluate.measures.lexical import indexed_words
from typeahead.index.documents import DocumentWriter
from typeahead.index.words import Words, count_words
from typeahead.text.document import Document

DOCUMENTS = [
    Document("boil", "Boiling", "How to boil an egg: boil water, then add the egg."),
    Document("boiler", "", "A boiler heats water for a house."),
    Document("café", "Café", "The café serves Crème brûlée and eggs."),
    Document("rain", "", "Rain falls mainly on the plain."),
]


@pytest.fixture
def dataset() -> Dataset:
    passages = [Passage(document.id, document.passage) for document in DOCUMENTS]
    return Dataset.from_memory("tiny", passages, {"q": "egg"}, {"q": {"boil": 1}})


def served(path: Path) -> Words:
    """The words of an index, whose titles have a column of their own."""
    writer = DocumentWriter(path)
    writer.append(0, DOCUMENTS)
    writer.finish()
    writer.close()
    return Words(path, len(DOCUMENTS))


def test_rows_and_scores_are_those_of_an_index_after_every_key(dataset: Dataset, tmp_path: Path) -> None:
    index = served(tmp_path / "documents.sqlite")
    with indexed_words(dataset, tmp_path / "cache") as words:
        for text in ("how to boil water", "the cafe egg", "rain on", "?"):
            for end in range(1, len(text) + 1):
                ours, theirs = words.search(text[:end], 3), index.search(text[:end], 3)
                assert [row for row, _ in ours] == [row for row, _ in theirs]
                np.testing.assert_allclose([score for _, score in ours], [score for _, score in theirs], rtol=1e-6)
        assert count_words(words.path) == count_words(index.path)
    index.close()


def test_several_batches_keep_their_rows_and_nothing_is_left_behind(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexical, "_BATCH", 3)
    with indexed_words(dataset, tmp_path / "cache") as words:
        assert [row for row, _ in words.search("rain ", 10)] == [3]
    assert not list((tmp_path / "cache").iterdir())


def test_sqlite_s_own_failure_is_explained(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: DocumentWriter) -> None:  # noqa: ARG001
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(DocumentWriter, "finish", fail)
    with (
        pytest.raises(SourceError, match=r"could not index the words in .*disk is full"),
        indexed_words(dataset, tmp_path),
    ):
        pass
