"""The contract suite, over a back end that was written from the page about back ends alone."""

from __future__ import annotations

from collections.abc import Sequence

from tests.search.contract import BackendContract
from tests.search.memory_backend import MemoryBackend
from typeahead.core.encoder import Vectors
from typeahead.search.port import Backend
from typeahead.text.document import Document


class TestMemory(BackendContract):
    fields = True

    async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
        return MemoryBackend(documents, vectors)
