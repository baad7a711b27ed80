"""The contract suite over Milvus: a collection of this package, and collections of somebody else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import pytest

from tests.engines.milvus.collections import STRANGE, fill_dynamic, fill_objects, fill_own, fill_plain, seen, silent
from tests.engines.milvus.servers import Milvus
from tests.search.contract import BackendContract
from typeahead.core.encoder import Vectors
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import Backend, Entry
from typeahead.text.document import Document, Passage


class TestCollection(BackendContract):
    """A collection that this package made, filled by writes."""

    @pytest.fixture(autouse=True)
    def server(self, milvus: Milvus) -> Iterator[None]:
        self._milvus = milvus
        self._made: list[str] = []
        yield
        for name in self._made:
            # Making a collection takes seconds, and emptying one does not.
            milvus.client.delete(name, filter="passage >= 0")
            milvus.spare.append(name)

    async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
        if self._milvus.spare:
            name = self._milvus.spare.pop()
            seen(self._milvus, name)
        else:
            name = self._milvus.name()
            fill_own(self._milvus, name, (), vectors)
        self._made.append(name)
        backend = await open_backend(self._milvus.address(name), OpenOptions(warn=silent))
        assert backend.capabilities.writes is not None
        await backend.capabilities.writes.upsert(
            [
                Entry(document, (Passage(document.text),), vector[None])
                for document, vector in zip(documents, vectors, strict=True)
            ]
        )
        return backend


class TestAdopted(BackendContract):
    """A collection of somebody else with a column for each field."""

    fill = staticmethod(fill_plain)
    parameters = when_empty = "id=slug&title=headline&text=body&url=link"

    @pytest.fixture(autouse=True)
    def server(self, milvus: Milvus) -> None:
        self._milvus = milvus

    async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
        # Nothing writes to it, so tests may share it.
        held = blake2b(repr((type(self), documents)).encode() + vectors.tobytes(), digest_size=16).hexdigest()
        name = self._milvus.shared.get(held)
        if name is None:
            name = self._milvus.shared[held] = self._milvus.name()
            self.fill(self._milvus, name, documents, vectors)
        parameters = self.parameters if documents else self.when_empty
        return await open_backend(
            self._milvus.address(name, f"{parameters}{'&' if parameters else ''}{STRANGE}"), OpenOptions(warn=silent)
        )


class TestAdoptedObjects(TestAdopted):
    """A collection as frameworks make it: keys found by looking, fields in JSON, vectors by L2."""

    fill = staticmethod(fill_objects)
    parameters = ""
    when_empty = "text=text&title=metadata.title"


class TestAdoptedDynamic(TestAdopted):
    """A collection whose texts and fields the schema does not have; vectors by inner product, in lists."""

    fill = staticmethod(fill_dynamic)
    parameters = ""
    when_empty = "text=text&title=title&url=url"
