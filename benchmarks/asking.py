"""A real server on an index, and sessions that type into it over the websocket, as the search page does."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from benchmarks.servers import Running, started
from typeahead.errors import TypeaheadError

#: How often an overloaded server gets the same key again, and the pause before the first repetition in seconds. Each
#: further pause is longer by as much.
_ATTEMPTS: Final = 10
_PAUSE: Final = 0.05


@contextmanager
def serving(index: Path, flags: str = "") -> Iterator[Running]:
    """Run ``typeahead serve`` on a free port, with its own defaults and with ``flags`` as a shell would read them.

    The server may use every core that this process may use. Raises :class:`~typeahead.errors.TypeaheadError` if the
    server does not start.
    """
    command = [sys.executable, "-m", "typeahead", "serve", "--index", str(index), "--port", "0", *shlex.split(flags)]
    with started("typeahead", command, cores=os.sched_getaffinity(0)) as running:
        yield running


class Typist:
    """One typing session, for one thread.

    Its methods raise :class:`~typeahead.errors.TypeaheadError` if the server refuses a message, closes the connection
    or stays overloaded.
    """

    def __init__(self, connection: ClientConnection, k: int) -> None:
        self._connection = connection
        self._seq = 0
        connection.send(json.dumps({"hello": {"k": k}}))
        _answered(self._receive("hello"))

    def press(self, text: str) -> dict[str, Any]:
        """Press a key that leaves ``text`` in the field; return the reply."""
        for attempt in range(1, _ATTEMPTS + 1):
            reply = self._ask(text=text)
            if reply.get("error", {}).get("code") != "overloaded":
                return _answered(reply)
            time.sleep(attempt * _PAUSE)
        raise TypeaheadError("the server stays overloaded: type over fewer connections, or stop what else runs")

    def enter(self) -> dict[str, Any]:
        """Press Enter and return the reply."""
        return _answered(self._ask(submit=True))

    def spell(self, text: str) -> dict[str, Any]:
        """Type ``text`` into the empty field key by key and return the reply to the last key.

        Every reply is awaited: the server skips keys that a newer one overtakes, so a hasty typist would get other
        replies on a busy machine.
        """
        for end in range(len(text)):
            self.press(text[:end])
        return self.press(text)

    def _ask(self, **message: Any) -> dict[str, Any]:
        self._seq += 1
        self._connection.send(json.dumps({"seq": self._seq, **message}))
        return self._receive(f"message {self._seq}")

    def _receive(self, what: str) -> dict[str, Any]:
        try:
            reply: dict[str, Any] = json.loads(self._connection.recv())
        except ConnectionClosed as error:
            raise TypeaheadError(f"the server closed the connection instead of answering {what}: {error}") from error
        return reply


def _answered(reply: dict[str, Any]) -> dict[str, Any]:
    if "error" in reply:
        raise TypeaheadError(f"the server answered {reply['error']}")
    return reply


@contextmanager
def typist(address: str, *, k: int = 8) -> Iterator[Typist]:
    """Open a session at ``address``, such as http://127.0.0.1:8765, that gets ``k`` hits a key; the page asks for 8."""
    url = address.replace("http", "ws", 1) + "/v1/type"
    with connect(url, subprotocols=[Subprotocol("typeahead.v1")], compression=None) as connection:
        yield Typist(connection, k)


def ids(reply: dict[str, Any]) -> Sequence[str]:
    """The ids of a reply's hits, best first; none if there was no search."""
    return [hit["id"] for hit in reply.get("hits", [])]
