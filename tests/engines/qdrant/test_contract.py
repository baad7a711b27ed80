"""The contract suite over Qdrant's local mode: a collection of this package, and collections of somebody else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from qdrant_client import QdrantClient

from tests.engines.qdrant.collections import STRANGE, fill_objects, fill_own, fill_plain, in_folder, silent
from tests.search.contract import BackendContract
from typeahead.core.encoder import Vectors
from typeahead.engines.qdrant.address import API_KEY, read_address
from typeahead.engines.qdrant.creating import INDEXES
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import Backend, Entry
from typeahead.text.document import Document, Passage

#: The environment variable of a real server.
SERVER: Final = "TYPEAHEAD_TEST_QDRANT"


class TestCollection(BackendContract):
    """A collection that this package made, filled by writes."""

    @pytest.fixture(autouse=True)
    def folders(self, tmp_path: Path) -> None:
        self._folders = (tmp_path / f"qdrant-{number}" for number in count())

    async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
        folder = next(self._folders)
        in_folder(folder, fill_own, (), vectors)
        backend = await open_backend(f"qdrant://{folder}?collection=articles", OpenOptions(warn=silent))
        await fill(backend, documents, vectors)
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


async def fill(backend: Backend, documents: Sequence[Document], vectors: Vectors) -> None:
    """Write documents of one passage."""
    assert backend.capabilities.writes is not None
    await backend.capabilities.writes.upsert(
        [
            Entry(document, (Passage(document.text),), vector[None])
            for document, vector in zip(documents, vectors, strict=True)
        ]
    )


if os.environ.get(SERVER):

    class TestServer(BackendContract):
        """A real server: collections that this package makes there, and deletes again."""

        async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
            name = f"typeahead-test-{uuid4().hex[:12]}"
            address = f"{os.environ[SERVER].rstrip('/')}/{name}"
            read = read_address(address)
            client = QdrantClient(url=read.url, api_key=os.environ.get(API_KEY))
            fill_own(client, name, (), vectors)
            for key, kind in INDEXES.items():
                client.create_payload_index(name, key, kind, wait=True)
            backend = await open_backend(address, OpenOptions(warn=silent))
            await fill(backend, documents, vectors)
            self._made.append((client, name))
            return backend

        @pytest.fixture(autouse=True)
        def collections(self) -> Iterator[None]:
            self._made: list[tuple[QdrantClient, str]] = []
            yield
            for client, name in self._made:
                client.delete_collection(name)
                client.close()

else:

    def test_a_server_passes_the_contract() -> None:
        pytest.skip(f"set {SERVER} to qdrant://HOST:PORT to test a real server")
