"""The contract suite over PostgreSQL: a table that ``typeahead index`` made, and tables of somebody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import pytest

from benchmarks.postgres_server import PostgresServer
from tests.engines.postgres.conftest import Run
from tests.engines.postgres.tables import STRANGE, fill_articles, fill_objects, make_table
from tests.search.contract import BackendContract
from tests.search.contract_oracles import COUNT, DIM, unit_vectors
from typeahead.core.encoder import Vectors
from typeahead.errors import DocumentRefused
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import Backend, Entry
from typeahead.text.document import Document, Passage


def silent(_: str) -> None:
    """Warnings are not what is tested here."""


def entries_of(documents: Sequence[Document], vectors: Vectors) -> list[Entry]:
    """Documents of one passage each."""
    return [
        Entry(document, (Passage(document.text),), vector[None])
        for document, vector in zip(documents, vectors, strict=True)
    ]


class TestTable(BackendContract):
    """A table that ``typeahead index`` made, filled by writes."""

    @pytest.fixture(autouse=True)
    def tables(self, server: PostgresServer, schema: str, run: Run) -> None:
        self._server, self._schema, self.run = server, schema, run
        self._names = (f"table_{number}" for number in count())

    #: Whether vectors are searched in memory, or in the database.
    hot = "no"

    def address(self, name: str, **more: str) -> str:
        return self._server.address(table=f"{self._schema}.{name}", hot=self.hot, **more)

    async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
        address = self.address(next(self._names))
        await make_table(address, DIM)
        backend = await open_backend(address, OpenOptions(warn=silent))
        assert backend.capabilities.writes is not None
        await backend.capabilities.writes.upsert(entries_of(documents, vectors))
        return backend


class TestAdoptedTable(TestTable):
    """A table of somebody else, with fields in columns."""

    #: Further parameters of the address.
    more: Mapping[str, str] = {}
    fill = staticmethod(fill_articles)

    async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
        name = next(self._names)
        self.fill(self.run, documents, vectors, name)
        return await open_backend(self.address(name, **STRANGE, **self.more), OpenOptions(warn=silent))


class TestAdoptedObjects(TestAdoptedTable):
    """A table of somebody else, with fields in a column of JSON."""

    fill = staticmethod(fill_objects)


class TestWritableTable(TestAdoptedTable):
    """A table of somebody else that takes documents, with fields in columns."""

    more: Mapping[str, str] = {"writes": "yes"}

    async def test_a_field_keeps_its_kind_of_value_and_nothing_is_written_where_one_does_not(
        self, backend: Backend
    ) -> None:
        assert backend.capabilities.writes is not None
        bad: list[dict[str, Any]] = [{"year": "2019"}, {"year": 3.5}, {"new": "text"}, {"odd": [True, False]}]
        before = backend.version
        for fields in bad:
            documents = [Document("good", "Good"), Document("bad", "Bad", fields=fields)]
            with pytest.raises(DocumentRefused, match=r"^(document 'bad': |.* does not take the documents: )"):
                await backend.capabilities.writes.upsert(entries_of(documents, unit_vectors(2, 36)))
        assert (backend.version, backend.count) == (before, COUNT)


class TestWritableObjects(TestAdoptedObjects):
    """A table of somebody else that takes documents, with fields in a column of JSON."""

    more: Mapping[str, str] = {"writes": "yes"}


class TestHotTable(TestTable):
    """A table that ``typeahead index`` made, searched in memory."""

    hot = "1000"


class TestHotAdoptedTable(TestAdoptedTable):
    """A table of somebody else, searched in memory."""

    hot = "1000"


class TestHotAdoptedObjects(TestAdoptedObjects):
    """A table of somebody else with vectors in half precision, searched in memory."""

    hot = "1000"


class TestParts(TestTable):
    """Tables that ``typeahead index`` made, as parts of one index."""

    commonest = False

    async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
        addresses = [self.address(next(self._names)) for _ in range(3)]
        for address in addresses:
            await make_table(address, DIM)
        backend = await open_backend(" ".join(addresses), OpenOptions(warn=silent))
        assert backend.capabilities.writes is not None
        await backend.capabilities.writes.upsert(entries_of(documents, vectors))
        return backend


class TestHotParts(TestParts):
    """The same, searched in memory."""

    hot = "1000"
