"""The measured lexical arm is the one that an index of the same passages serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from typeahead.errors import SourceError
from typeahead.evaluate.data.datasets import Dataset, Passage
from typeahead.evaluate.measures.lexical import WordSearch, indexed_words
from typeahead.index.document_writer import DocumentWriter, undivided
from typeahead.index.lexical.lexical import Lexical
from typeahead.index.lexical.writer import LexicalWriter
from typeahead.index.words import index_words
from typeahead.progress import no_progress
from typeahead.text.document import Document

DOCUMENTS = [
    Document("boil", "", "How to boil an egg: boil water, then add the egg."),
    Document("boiler", "", "A boiler heats water for a house."),
    Document("café", "", "The café serves Crème brûlée and eggs."),
    Document("rain", "", "Rain falls mainly on the plain."),
]


@pytest.fixture
def dataset() -> Dataset:
    passages = [Passage(document.id, document.passage) for document in DOCUMENTS]
    return Dataset.from_memory("tiny", passages, {"q": "egg"}, {"q": {"boil": 1}})


def served(folder: Path) -> Lexical:
    """The words of an index."""
    folder.mkdir()
    writer = DocumentWriter(folder / "documents.sqlite")
    writer.append((document, undivided(document)) for document in DOCUMENTS)
    writer.finish()
    writer.close()
    index_words(folder / "documents.sqlite", len(DOCUMENTS), no_progress)
    return Lexical.open(folder, len(DOCUMENTS))


def test_rows_and_scores_are_those_of_an_index_after_every_key(dataset: Dataset, tmp_path: Path) -> None:
    lexical = served(tmp_path / "generation-1")
    index = WordSearch(lexical)
    with indexed_words(dataset, tmp_path / "cache") as words:
        for text in ("how to boil water", "the cafe egg", "rain on", "?"):
            for end in range(1, len(text) + 1):
                assert words.search(text[:end], 3) == index.search(text[:end], 3)
        assert dict(words.vocabulary) == dict(lexical.vocabulary)


def test_texts_are_read_as_a_server_reads_them(dataset: Dataset, tmp_path: Path) -> None:
    with indexed_words(dataset, tmp_path / "cache") as words:
        for text, found in {
            "boi": ["boil", "boiler"],
            "brulee ": ["café"],
            "hosue ": ["boiler"],
            '"the egg"': ["boil"],
            "water -house ": ["boil"],
            "": [],
        }.items():
            rows = [row for row, _ in words.search(text, 4)]
            assert sorted(DOCUMENTS[row].id for row in rows) == found, text


def test_nothing_is_left_behind(dataset: Dataset, tmp_path: Path) -> None:
    with indexed_words(dataset, tmp_path / "cache") as words:
        assert [row for row, _ in words.search("rain ", 10)] == [3]
    assert not list((tmp_path / "cache").iterdir())


def test_a_failure_of_the_disk_is_explained(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: LexicalWriter) -> None:  # noqa: ARG001
        raise OSError("disk is full")

    monkeypatch.setattr(LexicalWriter, "finish", fail)
    with (
        pytest.raises(SourceError, match=r"could not be indexed in .*disk is full"),
        indexed_words(dataset, tmp_path),
    ):
        pass
