"""Updates the documents of a table, or of several, in place: ``typeahead index SOURCE --out postgresql://… --update``.

It has what the command needs of an open index (:class:`typeahead.index.opened.OpenIndex`). Documents that are there
already, just as they are, are neither encoded nor written.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import cache
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from typeahead.core.encoder import Encoder
from typeahead.encoders.loading import load
from typeahead.engines.entries import entries_by
from typeahead.errors import AddressError, DocumentRefused
from typeahead.index.drafts import Draft
from typeahead.index.opened import Removed
from typeahead.index.upserting import Upserted
from typeahead.progress import OnProgress
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.filters import And
from typeahead.search.port import Backend, Entry, Writes
from typeahead.search.space import check_space
from typeahead.text.dividing import divider_for
from typeahead.text.document import Document

T = TypeVar("T")

#: Documents that are compared, encoded and written together.
_BATCH: Final = 256
_EVERY: Final = 1 << 62


class OpenEngine:
    """The documents at an address. Use it from one thread, as a context.

    ``encoder`` encodes what has changed. Raises :class:`~typeahead.errors.AddressError` for an address that takes no
    documents, what opening it raises, and :class:`~typeahead.errors.TeacherMismatch` for another encoder's vectors.
    """

    due = False

    def __init__(
        self, address: str, encoder: str, *, divide: bool = True, threads: int = 0, warn: Callable[[str], None]
    ) -> None:
        self._runner = asyncio.Runner()
        try:
            self._backend: Backend = self._run(open_backend(address, OpenOptions(warn=warn)))
            #: The address as it may be shown.
            self.path = self._backend.address
            writes, documents = self._backend.capabilities.writes, self._backend.capabilities.documents
            if writes is None or documents is None:
                raise AddressError(self.path, "it takes no documents: add writes=yes to the address of a table")
            self._writes: Writes = writes
            self._documents = documents
        except BaseException:
            self.close()
            raise

        @cache
        def entries() -> Callable[[list[Document]], list[Entry]]:
            loaded: Encoder = load(encoder, threads=threads)
            check_space(self._backend.space, loaded.config)
            divided = divide and self._writes.divides
            return entries_by(loaded, divider_for(loaded).divide if divided else None)

        self._entries = entries

    @property
    def version(self) -> str:
        """Names the documents as they are now."""
        return self._backend.version

    def __len__(self) -> int:
        return self._backend.count

    def kinds(self) -> Mapping[str, str]:
        """The kind of value of each field."""
        return self._run(_awaited(self._writes.kinds))

    def ids(self) -> Sequence[str]:
        """The ids of all documents."""
        return self._run(_awaited(lambda: self._writes.matching(And(()), _EVERY)))

    def upsert(self, drafts: Iterable[Draft], progress: OnProgress) -> Upserted:
        """Write what is new or has changed; of one id the last counts. What is wrong with a document is reported."""
        report, left, seen = Upserted(), iter(drafts), 0
        while some := list(islice(left, _BATCH)):
            self._run(self._upsert({one.document.id: one.document for one in some}, report))
            seen += len(some)
            progress("update", seen, None)
        return report

    def delete(self, ids: Sequence[str]) -> Removed:
        """Remove documents."""
        removed, version = self._run(_awaited(lambda: self._writes.delete(ids)))
        return Removed(removed, version)

    def close(self) -> None:
        """Close the connections."""
        if "_backend" in self.__dict__:
            self._run(self._backend.close())
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def _upsert(self, documents: Mapping[str, Document], report: Upserted) -> None:
        held = await self._documents(list(documents))
        changed = []
        for key, document in documents.items():
            if not key:
                report.refuse("", "missing_id", "the document has an empty id: give it one")
            elif _written(held.get(key)) == _written(document):
                report.unchanged += 1
            else:
                changed.append(document)
        if not changed:
            return
        entries = await asyncio.to_thread(lambda: self._entries()(changed))
        report.encoded += sum(len(one.passages) for one in entries)
        try:
            await self._write(entries, held, report)
        except DocumentRefused:
            # Find out which documents it does not take.
            for entry in entries:
                try:
                    await self._write([entry], held, report)
                except DocumentRefused as error:
                    report.refuse(entry.document.id, error.code, str(error))

    async def _write(self, entries: Sequence[Entry], held: Mapping[str, Document], report: Upserted) -> None:
        report.version = await self._writes.upsert(entries)
        report.count += len(entries)
        report.added += sum(one.document.id not in held for one in entries)


def _written(document: Document | None) -> object:
    """What a table has of a document. It does not have the places of headings."""
    if document is None:
        return None
    # A list of one is the value itself, and an empty one is nothing: columns do not tell them apart.
    fields = {
        name: [values] if isinstance(values, str | int | float) else list(values)
        for name, values in document.fields.items()
        if isinstance(values, str | int | float) or len(values)
    }
    return document.title, document.text, document.url, json.dumps(fields, sort_keys=True)


async def _awaited(call: Callable[[], Any]) -> Any:
    return await call()
