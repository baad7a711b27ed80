"""Typeahead's own box: ``typeahead serve`` as a process of its own, and a client that types over its websocket."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typeahead.errors import MissingExtra, TypeaheadError
from typeahead.evaluate.typed.boxes import DEPTH, Screen
from typeahead.evaluate.typed.processes import started

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

#: Seconds that an answer may take.
_PATIENCE = 60.0
#: How often a key is sent again that the server had no time for.
_ATTEMPTS = 5


@contextmanager
def served(name: str, index: Path, flags: str = "") -> Iterator[ServedBox]:
    """Serve ``index`` with the ``flags`` of ``typeahead serve`` on a free port, and connect.

    Raises :class:`~typeahead.errors.MissingExtra` without websockets, and
    :class:`~typeahead.errors.TypeaheadError` if the server does not start.
    """
    try:
        from websockets.sync.client import connect
    except ImportError as error:
        raise MissingExtra("websockets", "server") from error
    command = [sys.executable, "-m", "typeahead", "serve", *shlex.split(flags)]
    command += ["--index", str(index), "--host", "127.0.0.1", "--port", "0"]
    with started(name, command) as process:
        address = process.first_line()
        if not address.startswith("http"):
            process.running.wait()
            raise process.failed()
        url = address.replace("http://", "ws://") + "/v1/type"
        # Without compression, as on every loopback connection that is timed here.
        with connect(url, subprotocols=["typeahead.v1"], compression=None) as connection:  # type: ignore[list-item]
            yield ServedBox(name, connection, flags)


class ServedBox:
    """A box behind one connection, which types each text in one session after the other."""

    def __init__(self, name: str, connection: ClientConnection, flags: str) -> None:
        self.name = name
        self._connection = connection
        self._seq = 0
        hello = self._answer({"hello": {"k": DEPTH}})["hello"]
        self.facts: Mapping[str, Any] = {"flags": flags, "encoder": hello["encoder"], "documents": hello["documents"]}

    def key(self, text: str) -> Screen:
        """Type ``text`` without its last character, then that character: the hits of the latter."""
        self._typed(text[:-1])
        return self._typed(text)

    def enter(self) -> Screen:
        """Press Enter: the hits of the whole text."""
        return _screen(*self._asked({"submit": True}))

    def _typed(self, text: str) -> Screen:
        for _ in range(_ATTEMPTS):
            reply, took = self._asked({"text": text})
            if "error" not in reply:
                return _screen(reply, took)
        raise TypeaheadError(f"{self.name} was overloaded {_ATTEMPTS} times by one client: measure on an idle machine")

    def _asked(self, message: dict[str, Any]) -> tuple[dict[str, Any], float]:
        """The answer to a message, and the milliseconds that it took."""
        self._seq += 1
        start = time.perf_counter()
        reply = self._answer({"seq": self._seq} | message)
        return reply, 1000 * (time.perf_counter() - start)

    def _answer(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Send a message, and wait for the answer to it."""
        from websockets.exceptions import ConnectionClosed

        try:
            self._connection.send(json.dumps(message))
            while True:
                reply: dict[str, Any] = json.loads(self._connection.recv(_PATIENCE))
                error = reply.get("error")
                if error and error["code"] != "overloaded":
                    raise TypeaheadError(f"{self.name} answered {error['code']}: {error['message']}")
                if "hello" in reply or reply.get("seq") == message.get("seq"):
                    return reply
        except (ConnectionClosed, TimeoutError) as error:
            raise TypeaheadError(f"{self.name} did not answer {message}: {error or 'it took too long'}") from error


def _screen(reply: Mapping[str, Any], milliseconds: float) -> Screen:
    ids = [hit["id"] for hit in reply.get("hits", ())]
    # Servers before version 0.2 mark nothing as weak.
    return Screen(ids[:DEPTH], bool(reply.get("weak", False)), milliseconds)
