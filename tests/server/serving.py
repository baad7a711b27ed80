"""A server process for the tests of signals: ``python -m tests.server.serving [gate]``.

Prints its address when it is ready. With "gate", each search waits until a line comes on standard input.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tests.server.fakes import BruteForceIndex, MeanEncoder
from typeahead.core.encoder import Vectors
from typeahead.server import ServerConfig, serve

ready = threading.Event()


class GatedIndex(BruteForceIndex):
    """Once the server is ready, a search tells that it began and waits for a line."""

    def rank(self, queries: Vectors, k: int) -> list[list[tuple[int, float]]]:
        if ready.is_set():
            print("searching", flush=True)
            sys.stdin.readline()
        return super().rank(queries, k)


async def open_index() -> BruteForceIndex:
    return GatedIndex() if "gate" in sys.argv else BruteForceIndex()


def announce(address: str) -> None:
    ready.set()
    print(address, flush=True)


def main() -> None:
    config = ServerConfig(port=0, web=Path("/nonexistent"), drain_seconds=2.0)
    serve(config, MeanEncoder(), open_index, on_ready=announce)
    print("ended", flush=True)


if __name__ == "__main__":
    main()
