"""The contract suite over Qdrant's local mode: a collection of this package, and collections of somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest

from tests.engines.qdrant.collections import STRANGE, fill_objects, fill_own, fill_plain, in_folder, silent
from tests.search.contract import BackendContract
from typeahead.core.encoder import Vectors
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import Backend, Entry
from typeahead.text.document import Document, Passage


class TestCollection(BackendContract):
    """A collection that this package made, filled by writes."""

    @pytest.fixture(autouse=True)
    def folders(self, tmp_path: Path) -> None:
        self._folders = (tmp_path / f"qdrant-{number}" for number in count())

    async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
        folder = next(self._folders)
        in_folder(folder, fill_own, (), vectors)
        backend = await open_backend(f"qdrant://{folder}?collection=articles", OpenOptions(warn=silent))
        assert backend.capabilities.writes is not None
        entries = [
            Entry(document, (Passage(document.text),), vector[None])
            for document, vector in zip(documents, vectors, strict=True)
        ]
        await backend.capabilities.writes.upsert(entries)
        return backend


class TestAdopted(TestCollection):
    """A collection of somebody else, whose payload has fields beside the texts."""

    fill = staticmethod(fill_plain)
    parameters = when_empty = "id=slug&title=headline&text=body&url=link&vector=body"

    async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
        folder = next(self._folders)
        in_folder(folder, self.fill, documents, vectors)
        parameters = self.parameters if documents else self.when_empty
        address = f"qdrant://{folder}?collection=articles&{parameters}&{STRANGE}"
        return await open_backend(address, OpenOptions(warn=silent))


class TestAdoptedObjects(TestAdopted):
    """A collection as frameworks make it: keys found by looking, fields in an object, vectors by Euclid."""

    fill = staticmethod(fill_objects)
    parameters = ""
    when_empty = "text=page_content&title=metadata.title"
