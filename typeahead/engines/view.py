"""The part of a copy that the filter of a token admits: words and fields of its own, which follow every change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, Self

from typeahead.errors import SearchError, TypeaheadError
from typeahead.index.contents import Contents
from typeahead.index.view import View
from typeahead.search.filters import Filter


class Followed(Protocol):
    """A copy of an engine's words and fields that tells of changes."""

    @property
    def contents(self) -> Contents:
        """The words and fields as they are now."""

    def follow(self, follower: Callable[[Contents], Awaitable[None]] | None = None) -> None:
        """Call ``follower`` with new contents from now on."""

    def unfollow(self, follower: Callable[[Contents], Awaitable[None]]) -> None:
        """Call it no more."""


class EngineView:
    """What a filter admits of a copy. Made by :meth:`of`."""

    def __init__(self, copy: Followed, tree: Filter) -> None:
        self._copy, self._view = copy, View(tree)
        self._error: TypeaheadError | None = None
        self._present: tuple[Contents, str]

    @classmethod
    async def of(cls, copy: Followed, tree: Filter) -> Self:
        """Make a view, which follows the copy. Raises :class:`~typeahead.errors.SearchError` if it is too large."""
        view = cls(copy, tree)
        contents = copy.contents
        view._present = await asyncio.to_thread(view._view.of, contents)
        copy.follow(view._changed)
        if copy.contents is not contents:
            await view._changed(copy.contents)
        return view

    @property
    def contents(self) -> Contents:
        """The contents as they are now. Raises what kept the view from following a change."""
        # Raises where what is followed is not known any more.
        assert self._copy.contents is not None
        if self._error is not None:
            # Those of before have documents that are gone by now.
            raise SearchError(str(self._error)) from self._error
        return self._present[0]

    @property
    def version(self) -> str:
        """A digest of the contents as they are now."""
        return self._present[1]

    def close(self) -> None:
        """Follow the copy no more."""
        self._copy.unfollow(self._changed)

    async def _changed(self, contents: Contents) -> None:
        try:
            self._present, self._error = await asyncio.to_thread(self._view.of, contents), None
        except TypeaheadError as error:
            self._error = error
