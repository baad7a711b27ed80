"""A crowd that types into boxes at the pace of recorded typing, and a check that everybody saw the right results."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from benchmarks.boxes import Box, Record
from benchmarks.typed import Trace

#: Seconds that people wait for an answer before they go on without it.
_PATIENCE: Final = 10.0
#: Nobody pauses within a query for longer than this many milliseconds, so that a short run has enough keys.
_LONGEST_GAP: Final = 2000.0


class Crowd:
    """People with a box each, who type recorded queries at their own pace, press Enter, read, and go on.

    They read for ``reading`` seconds on average. ``apart`` gives each an address of their own in 127.0.0.0/8.
    """

    def __init__(
        self, url: str, traces: Sequence[Trace], people: int, *, reading: float = 5.0, apart: bool = True, seed: int = 0
    ) -> None:
        self.record = Record()
        sources = [f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}" for number in range(people)]
        self.boxes = [
            Box(url, self.record, seed=seed + number, source=source if apart else None)
            for number, source in enumerate(sources)
        ]
        self._traces, self._seed, self._reading = traces, seed, reading
        self._typing: list[asyncio.Task[None]] = []
        self._stopped = asyncio.Event()

    async def start(self, seconds: float = 2.0) -> None:
        """Have people come one after the other within some seconds, and begin to type."""
        for number, box in enumerate(self.boxes):
            box.start()
            self._typing.append(asyncio.create_task(self._person(number, box)))
            await asyncio.sleep(seconds / len(self.boxes))

    async def stop(self, patience: float = _PATIENCE) -> int:
        """Let people finish their queries, and return how many have lost their session or wait for an answer."""
        self._stopped.set()
        await asyncio.gather(*self._typing)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and not all(box.is_open and box.is_settled for box in self.boxes):
            await asyncio.sleep(0.05)
        lost = sum(not (box.is_open and box.is_settled) for box in self.boxes)
        await asyncio.gather(*(box.close() for box in self.boxes))
        return lost

    async def _person(self, number: int, box: Box) -> None:
        chance = random.Random(f"{self._seed} {number}")
        while not self._stopped.is_set():
            trace = chance.choice(self._traces)
            last, due = trace[0].at, time.monotonic()
            for key in trace:
                due += min(max(key.at - last, 0.0), _LONGEST_GAP) / 1000
                last = key.at
                await asyncio.sleep(max(due - time.monotonic(), 0.0))
                await box.type(key.text)
                if self._stopped.is_set():
                    break
            await box.enter()
            await asyncio.sleep(self._reading * chance.uniform(0.2, 1.8))
            deadline = time.monotonic() + _PATIENCE
            while not box.is_settled and time.monotonic() < deadline:
                await asyncio.sleep(0.02)
            if not self._stopped.is_set():
                await box.type("")


async def differences(url: str, seen: Mapping[str, set[tuple[str, ...]]]) -> list[str]:
    """Return the texts for which somebody saw other results than ``url`` gives now to somebody who types them."""
    wrong = []
    async with connect(url, subprotocols=[Subprotocol("typeahead.v1")], compression=None, proxy=None) as socket:
        await socket.send('{"hello": {"k": 8}}')
        for seq, (text, shown) in enumerate(seen.items(), 1):
            await socket.send(json.dumps({"seq": seq, "text": text}))
            reply: dict[str, Any] = {}
            while reply.get("seq") != seq:
                reply = json.loads(await socket.recv())
            if shown != {tuple(hit["id"] for hit in reply["hits"])}:
                wrong.append(text)
    return wrong
