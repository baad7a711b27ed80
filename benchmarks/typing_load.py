"""People who type in a process of their own, and a headless Chromium, for measurements of pages.

:class:`TypingLoad` keeps human pace and measures nothing: it is there while something else watches a page.
``python -m benchmarks.typing_load URL PEOPLE`` runs it until it is killed.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from typeahead.errors import MissingExtra

_WORDS = (
    "how do i read a file line by line parse json string most frequent value of list is it directory join two paths "
    "mean and median split an extension what boil egg tie"
).split()


async def _person(url: str, number: int) -> None:
    """Type one query after another, at 6 or 7 keys a second, with pauses."""
    from websockets.asyncio.client import connect
    from websockets.typing import Subprotocol

    chance = random.Random(number)
    address = url.replace("http", "ws", 1).rstrip("/") + "/v1/type"
    async with connect(address, subprotocols=[Subprotocol("typeahead.v1")], compression=None) as socket:

        async def listen() -> None:
            async for _ in socket:
                pass

        listening = asyncio.create_task(listen())
        seq = 0
        while not listening.done():
            query = " ".join(chance.choices(_WORDS, k=chance.randint(2, 7)))
            for end in range(1, len(query) + 1):
                seq += 1
                await socket.send(json.dumps({"seq": seq, "text": query[:end]}))
                await asyncio.sleep(chance.lognormvariate(-2.0, 0.5))
            seq += 1
            await socket.send(json.dumps({"seq": seq, "submit": True}))
            await asyncio.sleep(chance.uniform(0.3, 2.5))


async def _people(url: str, count: int) -> None:
    await asyncio.gather(*(_person(url, number) for number in range(count)))


class TypingLoad:
    """Lets ``people`` type at a server, in another process, until the block ends."""

    def __init__(self, url: str, *, people: int) -> None:
        self._command = [sys.executable, "-m", "benchmarks.typing_load", url, str(people)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def start_browser(profile: Path, *, width: int = 1280, height: int = 1000) -> Any:
    """Start a headless Chromium with its profile in ``profile``. Returns its driver.

    Raises :class:`SystemExit` if Chromium, its driver or selenium is not installed.
    """
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        raise SystemExit("Chromium is not installed: apt-get install -y chromium chromium-driver")
    try:
        from selenium import webdriver
    except ImportError:
        raise SystemExit(str(MissingExtra("selenium", "test"))) from None
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "enable-precise-memory-info",
        f"window-size={width},{height}",
        f"user-data-dir={profile}",
    ):
        options.add_argument(f"--{flag}")
    return webdriver.Chrome(options, webdriver.ChromeService(chromedriver))


if __name__ == "__main__":
    asyncio.run(_people(sys.argv[1], int(sys.argv[2])))
