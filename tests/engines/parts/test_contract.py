"""The contract suite over an index in parts: folders, and back ends in memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest

from tests.search.contract import BackendContract
from tests.search.contract_oracles import DIM
from tests.search.memory_backend import MemoryBackend
from typeahead.core.encoder import Vectors
from typeahead.engines.parts.backend import PartedBackend
from typeahead.engines.parts.placing import part_of
from typeahead.index import Teacher
from typeahead.index.changes.compacting import create
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import Backend, Entry
from typeahead.text.document import Document, Passage


class TestFolders(BackendContract):
    """Three folders, filled by writes."""

    commonest = False

    @pytest.fixture(autouse=True)
    def folders(self, tmp_path: Path) -> None:
        self._folders = (tmp_path / f"index-{number}" for number in count())

    async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
        folders = [next(self._folders) for _ in range(3)]
        for folder in folders:
            create(folder, Teacher("test", None), DIM)
        backend = await open_backend(" ".join(f"file://{folder}" for folder in folders), OpenOptions())
        assert isinstance(backend, PartedBackend)
        assert backend.capabilities.writes is not None
        entries = [
            Entry(document, (Passage(document.text),), vector[None])
            for document, vector in zip(documents, vectors, strict=True)
        ]
        await backend.capabilities.writes.upsert(entries)
        assert len(documents) < 30 or all(part.count for part in backend.backends)
        return backend


class TestMemory(BackendContract):
    """Four parts in memory, one of which is empty."""

    commonest = False

    async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
        places = [part_of(one.id, 3) for one in documents]
        parts = []
        for place in range(4):
            rows = [row for row, other in enumerate(places) if other == place]
            parts.append(MemoryBackend([documents[row] for row in rows], vectors[rows], f"memory://{place}"))
        return PartedBackend(parts)
