"""The contract suite, over the embedded index; ``test_memory_backend.py`` has another back end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.index.hashing import config
from tests.search.contract import BackendContract
from tests.search.contract_oracles import DIM
from typeahead.core.encoder import Vectors
from typeahead.index import Guard, build_index
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import Backend
from typeahead.text.document import Document

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
