"""All rooms of a server, by the names of their indexes and the scope of the token.

The room of a whole index is made before the server is ready, and stays. Every other room is made when somebody first
enters it: that of a scope, which holds only the documents that the token's filter admits and that its role sees, and
that of several indexes together. It learns its words before its first answer. Such rooms are bounded in number: the
one that was left the longest ago makes place for a new one, and its back end is closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final, NamedTuple

from typeahead.errors import BackendClosed, SearchError
from typeahead.search.filters import Filter
from typeahead.search.port import Backend
from typeahead.server.typing.joined import JoinedSource
from typeahead.server.typing.learning import Learning
from typeahead.server.typing.pipeline import Pipeline
from typeahead.server.typing.room import Room
from typeahead.server.typing.source import BackendSource
from typeahead.wire.access import Grant

log = logging.getLogger(__name__)

#: Indexes that one search may join.
MOST_JOINED: Final = 16


#: What a client hears whose role cannot be used. The log says why.
NO_ROLE: Final = "the role of your token cannot be used here: ask the server's operator"


class UnknownIndex(SearchError):
    """The server has no such index, or not for this token. The message is the same for both."""


class RoomsFull(SearchError):
    """As many rooms are in use as there may be."""


class Key(NamedTuple):
    """What a room holds: indexes by name, and the scope and the role of a token, empty for all documents."""

    names: tuple[str, ...]
    scope: str
    role: str = ""


class _Entry:
    """A room that is being made or is there, and who uses it."""

    def __init__(self, making: asyncio.Task[Room]) -> None:
        self.making = making
        self.users = 0
        self.learning: Learning | None = None
        #: Back ends that were made for this room, and the rooms that it joins.
        self.backends: list[Backend] = []
        self.parts: list[Room] = []

    @property
    def room(self) -> Room | None:
        """The room, once it is there."""
        done = self.making.done() and not self.making.cancelled() and self.making.exception() is None
        return self.making.result() if done else None


class Rooms:
    """Makes rooms and closes them. Belongs to one event loop: all methods are called on it.

    ``indexes`` are back ends by name; a client that names none gets the first that it may use. At most ``most`` rooms
    are there beside those of whole indexes.
    """

    def __init__(self, indexes: Mapping[str, Backend], pipeline: Pipeline, *, most: int) -> None:
        self._indexes = indexes
        self._pipeline = pipeline
        self._most = most
        #: By what they hold. The first that may be closed was left the longest ago.
        self._entries: dict[Key, _Entry] = {}
        self._keys: dict[Room, Key] = {}
        self._turn = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._stopped = False

    def __bool__(self) -> bool:
        return bool(self._indexes)

    def __len__(self) -> int:
        return len(self._entries)

    async def open(self) -> None:
        """Make the rooms of whole indexes. Raises what the back ends and the encoder raise."""
        for name in self._indexes:
            entry = self._make(Key((name,), ""), None, together=None)
            await entry.making
            entry.users += 1

    @property
    def whole(self) -> list[Room]:
        """The rooms of whole indexes, once they are open."""
        entries = [self._entries.get(Key((name,), "")) for name in self._indexes]
        return [entry.room for entry in entries if entry is not None and entry.room is not None]

    def key(self, asked: str, grant: Grant) -> Key:
        """Return which room is asked for by ``asked``, names separated by commas; empty for none.

        Raises :class:`UnknownIndex`.
        """
        names = tuple(dict.fromkeys(asked.split(","))) if asked else ()
        if not names:
            names = tuple(name for name in self._indexes if grant.admits_index(name))[:1]
            if not names:
                raise UnknownIndex("your token admits no index of this server: ask its operator for another")
        if len(names) > MOST_JOINED:
            raise UnknownIndex(f"{len(names)} indexes at once, the limit is {MOST_JOINED}: name fewer")
        for name in names:
            if name not in self._indexes or not grant.admits_index(name):
                raise UnknownIndex(f"there is no index {name[:60]!a} for you here: check the name")
        return Key(names, grant.scope, grant.role)

    def ready(self, key: Key) -> Room | None:
        """Enter a room at once if it is there; :meth:`leave` has to follow."""
        entry = self._entries.get(key)
        room = None if entry is None else entry.room
        if entry is None or room is None:
            return None
        entry.users += 1
        return room

    async def enter(self, key: Key, tree: Filter | None) -> Room:
        """Enter a room, which is made if it is not there; :meth:`leave` has to follow.

        ``tree`` is the filter of the key's scope. Raises :class:`RoomsFull`, :class:`~typeahead.errors.SearchError` for
        an index that cannot be searched in part, and what the back end and the encoder raise.
        """
        if (room := self.ready(key)) is not None:
            return room
        entry = self._entries.get(key)
        if entry is None:
            self._make_place()
            entry = self._make(key, tree, together=1)
        entry.users += 1
        try:
            # Others may wait for it, too.
            return await asyncio.shield(entry.making)
        except BaseException:
            entry.users -= 1
            raise

    def leave(self, room: Room) -> None:
        """Leave a room that was entered."""
        key = self._keys.get(room)
        if key is not None and (entry := self._entries.get(key)) is not None:
            entry.users -= 1
            if not entry.users:
                # Among those without users, it is now the last to be closed.
                self._entries[key] = self._entries.pop(key)

    def stop(self) -> None:
        """Search and learn no more."""
        self._stopped = True
        for entry in self._entries.values():
            self._stop(entry)

    async def close(self) -> None:
        """Close the back ends that were made here."""
        self.stop()
        for key in list(self._entries):
            self._close(key)
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _make(self, key: Key, tree: Filter | None, *, together: int | None) -> _Entry:
        entry = _Entry(asyncio.ensure_future(self._made(key, tree, together)))
        self._entries[key] = entry
        entry.making.add_done_callback(lambda made: self._was_made(key, made))
        return entry

    def _was_made(self, key: Key, made: asyncio.Task[Room]) -> None:
        if made.cancelled() or made.exception() is not None:
            self._close(key)
        else:
            self._keys[made.result()] = key

    async def _made(self, key: Key, tree: Filter | None, together: int | None) -> Room:
        await asyncio.sleep(0)  # so that the entry is there
        entry = self._entries[key]
        source: BackendSource | JoinedSource
        if len(key.names) == 1:
            source = await self._source(entry, key, tree)
        else:
            parts: dict[str, BackendSource] = {}
            for name in key.names:
                part = await self.enter(key._replace(names=(name,)), tree)
                entry.parts.append(part)
                assert isinstance(part.source, BackendSource)
                parts[name] = part.source
            source = JoinedSource(parts)
        room = Room(self._pipeline, source, ",".join(key.names))
        learning = entry.learning = Learning(room, turn=self._turn)
        await (learning.learn() if together is None else learning.learn(together))
        room.changed = lambda: self._changed(entry)
        room.start()
        return room

    async def _source(self, entry: _Entry, key: Key, tree: Filter | None) -> BackendSource:
        name = key.names[0]
        backend = self._indexes[name]
        if key.role:
            if backend.capabilities.as_role is None:
                raise SearchError(f"the index {name} knows no roles: use a token without one")
            backend = await backend.capabilities.as_role(key.role)
            entry.backends.append(backend)
        if tree is not None:
            if backend.capabilities.scoped is None:
                raise SearchError(f"the index {name} cannot be searched in part: use a token without a filter")
            backend = await backend.capabilities.scoped(tree)
            entry.backends.append(backend)
        return BackendSource(backend)

    def _changed(self, entry: _Entry) -> None:
        if entry.learning is not None:
            entry.learning.changed()
        for part in entry.parts:
            part.changed()

    def _make_place(self) -> None:
        if self._stopped:
            raise BackendClosed("the server")
        while len(self._entries) - len(self._indexes) >= self._most:
            unused = next((key for key, entry in self._entries.items() if not entry.users), None)
            if unused is None:
                raise RoomsFull("the server has no room for another scope: try again later")
            self._close(unused)

    def _stop(self, entry: _Entry) -> None:
        entry.making.cancel()
        if entry.learning is not None:
            entry.learning.stop()
        if (room := entry.room) is not None:
            room.stop()

    def _close(self, key: Key) -> None:
        """Forget a room, and close what was made for it."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._stop(entry)
        if (room := entry.room) is not None:
            self._keys.pop(room, None)
        for part in entry.parts:
            self.leave(part)
        for backend in reversed(entry.backends):
            task = asyncio.ensure_future(backend.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
