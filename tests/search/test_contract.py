"""The contract suite, over the embedded index; ``test_memory_backend.py`` has another back end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest

from tests.index.hashing import config
from tests.search.contract import BackendContract
from tests.search.contract_oracles import DIM
from typeahead.core.encoder import Vectors
from typeahead.index import Guard, Teacher, build_index
from typeahead.index.changes.compacting import compact, create
from typeahead.index.living import LivingIndex
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import Backend, Entry
from typeahead.text.document import Document, Passage

ANY_SIZE = Guard(allow_empty=True)


class GivenVectors:
    """An encoder that hands given vectors out, in order."""

    def __init__(self, vectors: Vectors) -> None:
        self.config = config(dim=DIM)
        self._left = vectors

    @property
    def dim(self) -> int:
        return DIM

    def encode(self, texts: Sequence[str]) -> Vectors:
        taken, self._left = self._left[: len(texts)], self._left[len(texts) :]
        return taken


class TestEmbeddedIndex(BackendContract):
    fields = False
    kind = "exact"

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self._folder = tmp_path / "index"

    async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
        build_index(documents, self._folder, GivenVectors(vectors), backend=self.kind, batch=16, guard=ANY_SIZE)
        return await open_backend(str(self._folder), OpenOptions())


class TestEmbeddedGraph(TestEmbeddedIndex):
    kind = "hnsw"


class TestLivingIndex(BackendContract):
    """Some documents are in the generation and some in the journal, among others that were replaced and deleted."""

    def _entries(self, documents: Sequence[Document], vectors: Vectors) -> list[Entry]:
        return [
            Entry(document, (Passage(document.text),), vector[None])
            for document, vector in zip(documents, vectors, strict=True)
        ]

    @pytest.fixture(autouse=True)
    def folders(self, tmp_path: Path) -> None:
        self._folders = (tmp_path / f"index {number}" for number in count())

    async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
        folder = next(self._folders)
        create(folder, Teacher("test", None), DIM)
        entries = self._entries(documents, vectors)
        wrong = [
            Entry(Document(one.document.id, "Cheese eggs", "wrong the"), (Passage("wrong the"),), -one.vectors)
            for one in entries
        ]
        gone = self._entries(
            [Document(f"gone {row}", "Cheese honey", "quince") for row in range(len(entries))], vectors
        )
        third = len(entries) // 3
        with LivingIndex(folder) as index:
            index.write([*entries[:third], *wrong[third : 2 * third], *gone])
            index.delete([one.document.id for one in gone[::2]])
            compact(folder)
            index.write([*entries[third : 2 * third], *wrong[2 * third :]])
            index.delete([one.document.id for one in gone])
            index.write(entries[2 * third :])
        return await open_backend(str(folder), OpenOptions())
