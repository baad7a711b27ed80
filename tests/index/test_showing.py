"""What the passages of a document hold of a query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.search.contract_oracles import unit_vectors
from typeahead.index import Teacher
from typeahead.index.changes.compacting import create
from typeahead.index.living import LivingIndex
from typeahead.index.showing import best_passage, held_together
from typeahead.search.port import Entry
from typeahead.search.terms import Term
from typeahead.text.document import Document, Passage

VECTORS = unit_vectors(8, 5)


def holding(folder: Path, *texts: Sequence[str]) -> LivingIndex:
    """An index of documents with these passages."""
    create(folder, Teacher("test", None), VECTORS.shape[1])
    index = LivingIndex(folder, linger=0)
    index.write(
        [
            Entry(Document(str(row), "", "".join(some)), tuple(map(Passage, some)), VECTORS[: len(some)])
            for row, some in enumerate(texts)
        ]
    )
    index.refresh()
    return index


def test_an_index_without_divided_documents_looks_for_nothing(tmp_path: Path) -> None:
    index = holding(tmp_path / "index", ["bread and zest"], ["zest"])
    contents = index.contents
    terms = contents.look_up([Term({"zest": 1.0})])
    rows = contents.live_rows(contents.masks(None))
    assert held_together(contents, rows, terms, contents.evidence(rows, terms)) is None
    index.close()


def test_a_passage_that_holds_all_words_is_shown_before_one_that_is_nearer(tmp_path: Path) -> None:
    index = holding(tmp_path / "index", ["only bread here. ", "bread and zest. "], ["other words"])
    contents = index.contents
    (row,) = contents.find(["0"]).values()
    terms = contents.look_up([Term({"bread": 1.0}), Term({"zest": 1.0})])
    assert best_passage(contents, row, VECTORS[0], terms) == 1
    assert best_passage(contents, row, VECTORS[0], contents.look_up([Term({"bread": 1.0})])) == 0
    rows = np.array([row])
    found = held_together(contents, rows, terms, contents.evidence(rows, terms))
    assert found is not None
    assert found.tolist() == [[1, 1]]
    index.close()
