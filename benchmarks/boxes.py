"""People who type into boxes: clients that lose connections, dial again and send their text again, as the box does.

A :class:`Box` follows ``web/client.js`` and ``web/backoff.js``: after a close with 1012 it dials within 100 ms, after
any other within 250 ms, and then ever later. It sends the whole text first on each connection, and edits afterwards
where they are shorter. A text that the server is too busy for is sent again. It does not fall back to HTTP, so it waits
for the websocket where the box would not.

:class:`Record` keeps what people noticed, by the event during which a key was pressed or a connection was lost.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

#: The box's own times, in seconds: see ``web/backoff.js``, ``web/socket.js`` and ``web/conversation.js``.
_FIRST_RETRY, _LAST_RETRY, _RESTART = 0.25, 8.0, 0.1
_SILENCE, _DIAL, _OVERLOADED, _LAST_OVERLOADED = 5.0, 10.0, 0.25, 2.0
#: The close code of a server that restarts, and what stands for a connection that was cut.
RESTART, CUT = 1012, 1006


@dataclass
class Noticed:
    """What people noticed during one event; times in seconds."""

    keys: int = 0
    #: From each key to the results of its text or of a later one.
    waits: list[float] = field(default_factory=list)
    #: From Enter to its answer.
    enters: list[float] = field(default_factory=list)
    #: From a connection's loss to the next one.
    reconnects: list[float] = field(default_factory=list)
    #: Close codes of the connections that were lost.
    codes: list[int] = field(default_factory=list)
    #: Answers that told of documents that nobody could look into for a while.
    stale: int = 0
    #: Keys and Enters that never got an answer.
    unanswered: int = 0
    #: Errors that the server told, by their codes.
    errors: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class Record:
    """What all people noticed, and every list of results that they saw."""

    def __init__(self, event: str = "undisturbed") -> None:
        self.event = event
        self.by_event: dict[str, Noticed] = defaultdict(Noticed)
        #: The ids that were shown for each text.
        self.seen: dict[str, set[tuple[str, ...]]] = defaultdict(set)

    @property
    def now(self) -> Noticed:
        """What is noticed during the present event."""
        return self.by_event[self.event]


@dataclass(frozen=True)
class _Key:
    number: int
    at: float
    during: Noticed


class Box:
    """One person's box at ``url``, which dials from the address ``source`` if there is one."""

    def __init__(self, url: str, record: Record, *, seed: int = 0, source: str | None = None) -> None:
        self._url, self._record, self._random = url, record, random.Random(seed)
        self._source: dict[str, Any] = {} if source is None else {"local_addr": (source, 0)}
        self._socket: ClientConnection | None = None
        self._text = ""
        #: What the server has; None if only the whole text will do.
        self._sent: str | None = None
        self._seq = self._typed = self._failures = self._turned_away = 0
        #: Keys without results, and how many had been typed when each message was sent.
        self._keys: deque[_Key] = deque()
        self._asked: dict[int, tuple[str, int]] = {}
        self._enter: _Key | None = None
        self._enter_sent = False
        self._silence: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None
        self._connecting: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._socket is not None

    @property
    def is_settled(self) -> bool:
        """Whether every key and Enter has been answered."""
        return not self._keys and self._enter is None

    def start(self) -> None:
        """Connect, and stay connected."""
        self._connecting = asyncio.create_task(self._connect())

    async def close(self) -> None:
        """Hang up. Keys and an Enter without an answer count as unanswered."""
        for timer in (self._silence, self._again):
            if timer is not None:
                timer.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
            with suppress(asyncio.CancelledError):
                await self._connecting
        for key in (*self._keys, *([] if self._enter is None else [self._enter])):
            key.during.unanswered += 1

    async def type(self, text: str) -> None:
        """Change the text."""
        self._typed += 1
        self._text = text
        self._record.now.keys += 1
        self._keys.append(_Key(self._typed, time.monotonic(), self._record.now))
        if self._enter is not None:
            self._enter.during.unanswered += 1
            self._enter = None
        await self._flush()

    async def enter(self) -> None:
        """Press Enter."""
        self._enter, self._enter_sent = _Key(self._typed, time.monotonic(), self._record.now), False
        await self._flush()

    async def _flush(self) -> None:
        if self._socket is None:
            return
        if self._sent != self._text:
            await self._say(self._change())
            self._sent = self._text
        if self._enter is not None and not self._enter_sent:
            self._enter_sent = True
            await self._say({"submit": True})

    def _change(self) -> dict[str, Any]:
        if self._sent is not None:
            at = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self._sent, self._text, strict=False)))
            if len(self._text) - at + 16 < len(self._text):
                return {"edit": {"at": at, "del": len(self._sent) - at, "ins": self._text[at:]}}
        return {"text": self._text}

    async def _say(self, message: dict[str, Any]) -> None:
        self._seq += 1
        self._asked[self._seq] = (self._text, self._typed)
        if self._silence is None:
            self._silence = asyncio.get_running_loop().call_later(_SILENCE, self._give_up)
        with suppress(WebSocketException):
            if self._socket is not None:
                await self._socket.send(orjson.dumps({"seq": self._seq, **message}).decode())

    def _give_up(self) -> None:
        if self._socket is not None:
            self._socket.transport.abort()

    async def _connect(self) -> None:
        lost: float | None = None
        during = self._record.now
        while True:
            code = CUT
            with suppress(OSError, WebSocketException, TimeoutError):
                async with connect(
                    self._url,
                    subprotocols=[Subprotocol("typeahead.v1")],
                    compression=None,
                    open_timeout=_DIAL,
                    close_timeout=1,
                    ping_interval=None,
                    proxy=None,
                    **self._source,
                ) as socket:
                    if lost is not None:
                        during.reconnects.append(time.monotonic() - lost)
                    lost, during = None, self._record.now
                    self._socket, self._sent = socket, None
                    await socket.send('{"hello": {"k": 8}}')
                    if self._text or self._keys or self._enter:
                        await self._flush()
                    with suppress(WebSocketException):
                        async for message in socket:
                            self._hear(orjson.loads(message))
                    code = socket.close_code or CUT
            if lost is None:
                lost, during = time.monotonic(), self._record.now
                during.codes.append(code)
            self._lost()
            await asyncio.sleep(self._wait(code))

    def _lost(self) -> None:
        self._socket = self._sent = None
        self._asked.clear()
        self._enter_sent = False
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _wait(self, code: int) -> float:
        first = code == RESTART and self._failures == 0
        longest = min(_LAST_RETRY, _FIRST_RETRY * 2**self._failures)
        self._failures += 1
        return _RESTART * self._random.random() if first else longest * (0.5 + 0.5 * self._random.random())

    def _hear(self, message: dict[str, Any]) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        seq, now = message.get("seq"), time.monotonic()
        if "error" in message:
            self._refused(message)
        elif seq in self._asked:
            text, typed = self._asked[seq]
            self._asked = {later: asked for later, asked in self._asked.items() if later > seq}
            self._failures = self._turned_away = 0
            while self._keys and self._keys[0].number <= typed:
                key = self._keys.popleft()
                key.during.waits.append(now - key.at)
            if message.get("submit") and self._enter is not None and typed == self._enter.number:
                self._enter.during.enters.append(now - self._enter.at)
                self._enter = None
            self._record.now.stale += bool(message.get("stale"))
            if text and "hits" in message:
                self._record.seen[text].add(tuple(hit["id"] for hit in message["hits"]))
        if self._asked and self._silence is None:
            self._silence = asyncio.get_running_loop().call_later(_SILENCE, self._give_up)

    def _refused(self, message: dict[str, Any]) -> None:
        code = message["error"]["code"]
        self._record.now.errors[code] += 1
        self._asked.pop(message.get("seq", 0), None)
        wait = 0.0
        if code == "overloaded":
            wait = min(_LAST_OVERLOADED, _OVERLOADED * 2**self._turned_away) * (0.5 + self._random.random())
            self._turned_away += 1
        if self._again is not None:
            self._again.cancel()
        self._again = asyncio.get_running_loop().call_later(wait, self._ask_again)

    def _ask_again(self) -> None:
        if not self._asked and not self.is_settled:
            self._sent = None
            self._flushing = asyncio.ensure_future(self._flush())
