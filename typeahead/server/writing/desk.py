"""Reads and changes the documents of one index, within the scope of whoever asks.

A scope is a filter. What lies outside of it does not exist for the holder of its token: documents there are not found,
not counted, not deleted and not replaced. A document that may not be written has one answer, ``outside_scope``, whether
it would lie outside itself or has the id of one that does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from typeahead.errors import DocumentRefused
from typeahead.search.filters import And, Filter, matches
from typeahead.search.port import Backend, Entry, Writes
from typeahead.server.writing.cutting import Piece
from typeahead.server.writing.drafts import BadDocument, Draft, check_kinds, read_draft
from typeahead.server.writing.encoding import Encoding
from typeahead.text.document import Document

#: Errors that an answer lists; further ones are counted.
MOST_ERRORS: Final = 100
#: Ids that are looked up together.
_TOGETHER: Final = 1000

#: More documents than there are.
_EVERY: Final = 1 << 62

_OUTSIDE: Final = "this token may not write this document: its fields, or its id, are not within the token's scope"


class ReadOnly(Exception):
    """The back end does not take what was asked of it."""


class TooMany(Exception):
    """A filter would delete more than it may. Has how many of how many."""

    def __init__(self, found: int, count: int) -> None:
        super().__init__(f"the filter admits {found} of {count} documents")
        self.found = found
        self.count = count


@dataclass(slots=True)
class Report:
    """What became of the documents of one request."""

    upserted: int = 0
    failed: int = 0
    #: Number of the line, code and message of the first errors.
    errors: list[tuple[int, str, str]] = field(default_factory=list)
    version: int | str | None = None
    #: The ids of the documents that could be written.
    seen: set[str] = field(default_factory=set)

    def add(self, problems: Sequence[tuple[int, BadDocument]]) -> None:
        """Count documents that were not written."""
        self.failed += len(problems)
        for number, problem in sorted(problems, key=lambda pair: pair[0]):
            if len(self.errors) < MOST_ERRORS:
                self.errors.append((number, problem.code, str(problem)))


class Desk:
    """Writes to one back end. Raises :class:`ReadOnly` for what it cannot do."""

    def __init__(self, backend: Backend, encoding: Encoding) -> None:
        self._backend = backend
        self._encoding = encoding
        # Nobody may take an id between the look at it and the commit.
        self._committing = asyncio.Lock()

    @property
    def version(self) -> int | str:
        """The version of the documents."""
        version = self._backend.version
        return int(version) if version.isascii() and version.isdecimal() else version

    @property
    def _writes(self) -> Writes:
        writes = self._backend.capabilities.writes
        if writes is None:
            raise ReadOnly("this index takes no writes: serve one that does")
        return writes

    def check_writable(self) -> None:
        """Raise :class:`ReadOnly` if nothing can be written."""
        assert self._writes is not None

    async def upsert(self, pieces: Sequence[Piece], scope: Filter | None, report: Report) -> None:
        """Write the documents among ``pieces`` that are good, in one go, and tell ``report``.

        Raises :class:`~typeahead.errors.WritesFull`, and what else the back end raises.
        """
        space = self._backend.space
        problems: list[tuple[int, BadDocument]] = []
        read = await self._encoding.run(
            lambda: [_read(piece, lambda data: read_draft(data, space)) for piece in pieces]
        )
        drafts: dict[int, Draft] = {}
        # Most indexes have no fields, and need not be asked.
        has_fields = any(isinstance(one, Draft) and one.document.fields for one in read)
        kinds = dict(await self._writes.kinds()) if has_fields else {}
        for piece, draft in zip(pieces, read, strict=True):
            try:
                drafts[piece.number] = _accepted(draft, scope, kinds, report.seen)
            except BadDocument as problem:
                problems.append((piece.number, problem))
        taken = await self._taken([draft.document.id for draft in drafts.values()], scope)
        _leave_out(drafts, taken, problems)
        made = await self._encoding.entries(list(drafts.values()), divides=self._writes.divides)
        entries: dict[int, Entry] = {}
        for number, entry in zip(drafts, made, strict=True):
            if isinstance(entry, BadDocument):
                problems.append((number, entry))
            else:
                entries[number] = entry
        try:
            await self._commit(entries, scope, problems, report)
        finally:
            report.add(problems)

    async def _commit(
        self,
        entries: dict[int, Entry],
        scope: Filter | None,
        problems: list[tuple[int, BadDocument]],
        report: Report,
    ) -> None:
        async with self._committing:
            taken = await self._taken([entry.document.id for entry in entries.values()], scope)
            _leave_out(entries, taken, problems)
            try:
                await self._write(list(entries.values()), report)
            except DocumentRefused:
                # Only the back end knows what it can hold: find out which documents it does not take.
                for number, entry in entries.items():
                    try:
                        await self._write([entry], report)
                    except DocumentRefused as error:
                        problems.append((number, BadDocument(error.code, str(error))))

    async def _write(self, entries: Sequence[Entry], report: Report) -> None:
        if entries:
            report.version = await self._writes.upsert(entries)
            report.upserted += len(entries)

    async def _taken(self, ids: Sequence[str], scope: Filter | None) -> set[str]:
        """Those of some ids that documents outside of the scope have."""
        if scope is None or not ids:
            return set()
        return {key for key, document in (await self._documents(ids)).items() if not matches(scope, document)}

    async def delete(self, ids: Sequence[str], scope: Filter | None) -> tuple[int, int | str]:
        """Delete documents; returns how many, and the version. Ids outside of the scope are passed over."""
        writes = self._writes
        async with self._committing:
            if scope is not None:
                found = await self._documents(ids)
                ids = [key for key, document in found.items() if matches(scope, document)]
            if not ids:
                return 0, self.version
            return await writes.delete(list(dict.fromkeys(ids)))

    async def delete_matching(self, tree: Filter, scope: Filter | None, max_shrink: float) -> tuple[int, int | str]:
        """Delete the documents that a filter admits within the scope; returns how many, and the version.

        Raises :class:`TooMany` where that is more than the share ``max_shrink`` of the documents in the scope.
        """
        writes = self._writes
        async with self._committing:
            both = tree if scope is None else And((scope, tree))
            ids = await writes.matching(both, _EVERY)
            count = await self._count(scope)
            if len(ids) > max_shrink * count:
                raise TooMany(len(ids), count)
            return await writes.delete(ids) if ids else (0, self.version)

    async def document(self, key: str, scope: Filter | None) -> Document | None:
        """The document of an id, None if there is none within the scope."""
        found = (await self._documents([key])).get(key)
        return None if found is None or (scope is not None and not matches(scope, found)) else found

    async def describe(self, scope: Filter | None) -> Mapping[str, Any]:
        """Counts, version and what else the back end tells; within a scope its number of documents and nothing else."""
        if scope is not None:
            return {"documents": await self._count(scope)}
        tell = self._backend.capabilities.describe
        told = {} if tell is None else await tell()
        return {"documents": self._backend.count, "version": self.version, **told}

    async def _count(self, scope: Filter | None) -> int:
        if scope is None:
            return self._backend.count
        return len(await self._writes.matching(scope, _EVERY))

    async def _documents(self, ids: Sequence[str]) -> Mapping[str, Document]:
        look_up = self._backend.capabilities.documents
        if look_up is None:
            raise ReadOnly("this index does not give out whole documents: serve one that does")
        found: dict[str, Document] = {}
        for first in range(0, len(ids), _TOGETHER):
            found |= await look_up(ids[first : first + _TOGETHER])
        return found


def _read(piece: Piece, read: Any) -> Draft | BadDocument:
    if piece.problem is not None:
        return BadDocument(*piece.problem)
    try:
        draft: Draft = read(piece.data)
    except BadDocument as problem:
        return problem
    return draft


def _accepted(draft: Draft | BadDocument, scope: Filter | None, kinds: dict[str, str], seen: set[str]) -> Draft:
    """Return a draft that may be written as far as it alone is concerned; raises :class:`BadDocument` otherwise."""
    if isinstance(draft, BadDocument):
        raise draft
    document = draft.document
    if document.id in seen:
        raise BadDocument("duplicate_id", f"the id {document.id[:40]!a} was there before: the first one was taken")
    if scope is not None and not matches(scope, document):
        raise BadDocument("outside_scope", _OUTSIDE)
    check_kinds(document, kinds)
    seen.add(document.id)
    return draft


def _leave_out(kept: dict[int, Any], taken: set[str], problems: list[tuple[int, BadDocument]]) -> None:
    """Take those whose id is not theirs to write out of ``kept``."""
    for number, one in list(kept.items()):
        if one.document.id in taken:
            del kept[number]
            problems.append((number, BadDocument("outside_scope", _OUTSIDE)))
