"""A server that speaks ``typeahead.v1`` as a test tells it to: late, out of order, with hostile documents, or dead.

It finds documents by their words, without an encoder, and checks what the page sends against the real contract
(:class:`typeahead.wire.conversation.Conversation`); what breaks it is kept in :attr:`ScriptedServer.violations`. How
the page gets on with the real server is tested in ``test_real_server.py``.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self, TypeVar

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tests.web.library import Library, Session
from typeahead.errors import ProtocolError
from typeahead.wire.access import PlainTokens
from typeahead.wire.conversation import Conversation
from typeahead.wire.protocol import SUBPROTOCOL, Edit, Hello, Limits, Submit, Text, close_code
from typeahead.wire.replies import write_error, write_hello

#: What the real server sends with each page.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

Hit = dict[str, Any]
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Key:
    """A message from the page that asks for an answer; ``text`` is the whole text after it."""

    seq: int
    kind: str
    text: str


class _Connection(ServerConnection):
    """A connection that its server can find, even before the handshake, to cut it off."""

    alive: set[_Connection]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.alive.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive.discard(self)
        super().connection_lost(exc)


class ScriptedServer:
    """Serves folders and a websocket at ``/v1/type`` on a free port of this machine, from a thread of its own.

    ``folders`` maps URL prefixes to folders. Attributes may be set at any time: ``find`` says which hits a text has,
    ``hold`` keeps answers back until :meth:`release`, ``ready`` is what submits are told, ``weak`` makes all hits poor,
    ``stale`` makes them old, ``partial`` incomplete, ``events`` asks for events,
    ``documents`` and ``examples`` stand in the welcome, ``token`` is what a hello has to hold, and ``policy`` goes with
    each page. ``library`` has the documents' fields, for filters and facets. ``asked`` holds what each message said of
    filter, facets and page, and ``addresses`` the addresses that were dialled. Paths below ``/landing`` answer with an
    empty page, for results to lead to.
    """

    def __init__(self, folders: Mapping[str, Path], *, limits: Limits | None = None) -> None:
        self.find: Callable[[str], list[Hit]] = lambda _: []
        self.policy = CONTENT_SECURITY_POLICY
        self.hold = False
        self.ready = True
        self.weak = False
        self.stale = self.partial = False
        self.events: str | None = None
        self.token: str | None = None
        self.documents: int | None = 39_000
        self.examples = ["read a file line by line", "run several tasks at once"]
        self.keys: list[Key] = []
        self.hellos: list[Hello] = []
        self.library = Library()
        self.asked: list[dict[str, Any]] = []
        self.addresses: list[str] = []
        self.violations: list[str] = []
        self.sessions = 0
        self.port = 0
        self._folders = folders
        self._limits = limits or Limits()
        self._held: dict[int, tuple[_Connection, str]] = {}
        self._changed = threading.Condition()
        self._server: Server | None = None
        self._alive: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted-server")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def texts(self) -> list[str]:
        """The text after each message so far."""
        with self._changed:
            return [key.text for key in self.keys]

    def __enter__(self) -> Self:
        self._thread.start()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start(self) -> None:
        """Listen: on a free port the first time, on the same one ever after."""
        self._run(self._start())

    def kill(self) -> None:
        """Die as a process dies: connections are cut, without a close frame, and the port answers no more."""
        self._run(self._kill())

    def hang_up(self, code: int, reason: str = "") -> None:
        """Close all sessions with this code, and go on listening."""
        self._run(self._hang_up(code, reason))

    def release(self, *seqs: int) -> None:
        """Send the answers that were held for these messages, in this order; without any, all in their own order."""
        with self._changed:
            chosen = [self._held.pop(seq) for seq in (seqs or sorted(self._held))]
        for connection, answer in chosen:
            self._run(connection.send(answer))

    def wait_for(self, condition: Callable[[Self], bool], timeout: float = 10.0) -> None:
        """Wait until something that the page sent has made the condition true."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), timeout), f"in vain, after {self.keys[-5:]}"

    def _run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        connection = type("_Tracked", (_Connection,), {"alive": self._alive})
        self._server = await serve(
            self._converse,
            "127.0.0.1",
            self.port,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            process_request=self._serve_page,
            create_connection=connection,
            compression=None,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _kill(self) -> None:
        if self._server is None:
            return
        # A connection that was accepted and has no transport yet when its server closes is left open for good
        # (asyncio.Server._attach fails): first accept no more, then let what is on its way arrive.
        for listening in self._server.sockets:
            self._loop.remove_reader(listening)
        # A page that was served has no task any more, and its connection stays until the browser hangs up.
        while self._alive or len(asyncio.all_tasks()) > 1:
            for connection in list(self._alive):
                connection.transport.abort()
            await asyncio.sleep(0.001)
        self._server.close()
        await self._server.wait_closed()
        self._server = None
        self._held.clear()

    async def _hang_up(self, code: int, reason: str) -> None:
        for connection in list(self._alive):
            await connection.close(code, reason)

    def _serve_page(self, _: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path == "/v1/type":
            return None
        status, kind, body = HTTPStatus.NOT_FOUND, "text/plain", b"not found"
        if path.startswith("/landing"):
            status, kind, body = (
                HTTPStatus.OK,
                "text/html",
                b'<!doctype html><title>landed</title><link rel="icon" href="data:,">',
            )
        for prefix, folder in self._folders.items():
            file = folder / (path.removeprefix(prefix) or "index.html")
            if path.startswith(prefix) and file.is_file():
                status, kind = HTTPStatus.OK, mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                body = file.read_bytes()
                break
        headers = Headers(
            {
                "Content-Type": f"{kind}; charset=utf-8",
                "Content-Length": str(len(body)),
                "Content-Security-Policy": self.policy,
                "X-Content-Type-Options": "nosniff",
                "Connection": "close",
            }
        )
        return Response(status, status.phrase, headers, body)

    async def _converse(self, connection: ServerConnection) -> None:
        conversation, text = Conversation(self._limits, PlainTokens(self.token)), ""
        session = Session(self.library)
        with self._changed:
            self.sessions += 1
            self.addresses.append(connection.request.path if connection.request else "")
            if connection.subprotocol != SUBPROTOCOL:
                self.violations.append(f"subprotocol {connection.subprotocol!r}")
            self._changed.notify_all()
        try:
            async for frame in connection:
                try:
                    if isinstance(frame, bytes):
                        message = conversation.receive_binary()
                        continue
                    rest, ours = session.take(frame)
                    message = conversation.receive(rest)
                    seq = None if isinstance(message, Hello) else message.seq
                    session.agree(ours, seq, submit=isinstance(message, Submit))
                    if ours:
                        with self._changed:
                            self.asked.append(ours)
                            self._changed.notify_all()
                    if isinstance(message, Hello):
                        session.k = message.k
                        with self._changed:
                            self.hellos.append(message)
                            self._changed.notify_all()
                        hello = write_hello(
                            message,
                            self._limits,
                            encoder="scripted",
                            dim=1,
                            documents=self.documents,
                            examples=self.examples,
                            events=self.events,
                        )
                        await connection.send(hello.decode())
                        continue
                    if isinstance(message, Text | Edit):
                        text = self._change(text, message)
                except ProtocolError as error:
                    await connection.send(write_error(error).decode())
                    if (code := close_code(error)) is not None:
                        await connection.close(code, error.code)
                        return
                    if error.code not in {"bad_filter", "unknown_field"}:
                        with self._changed:
                            self.violations.append(f"{error.code}: {error}")
                    continue
                kind = type(message).__name__.lower()
                answer = {"seq": message.seq, "timing_us": {"total": 400}}
                answer |= session.reply(text, self.find(text))
                if self.weak:
                    answer["weak"] = True
                if self.stale:
                    answer["stale"] = True
                if self.partial:
                    answer["partial"] = True
                if kind == "submit":
                    answer |= {"submit": True, "ready": self.ready}
                await self._answer(connection, Key(message.seq, kind, text), json.dumps(answer))
        except ConnectionClosed:
            pass

    async def _answer(self, connection: ServerConnection, key: Key, answer: str) -> None:
        assert isinstance(connection, _Connection)
        with self._changed:
            if self.hold:
                self._held[key.seq] = (connection, answer)
            self.keys.append(key)
            self._changed.notify_all()
        if key.seq not in self._held:
            await connection.send(answer)

    def _change(self, text: str, message: Text | Edit) -> str:
        if isinstance(message, Edit):
            at, delete = message.at, message.delete
            if not (at >= 0 and delete >= 0 and at + delete <= len(text)):
                raise ProtocolError("bad_edit", f"{message} outside {text!r}", seq=message.seq)
            text = text[:at] + message.insert + text[at + delete :]
        else:
            text = message.text
        if len(text) > self._limits.max_chars:
            raise ProtocolError("text_too_long", f"{len(text)} code points", seq=message.seq)
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ProtocolError("bad_text", str(error), seq=message.seq) from None
        return text
