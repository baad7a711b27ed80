"""A server process for the tests of signals: ``python -m tests.server.serving [gate]``.

Prints its address when it is ready. With "gate", each search waits until a line comes on standard input.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.server.fakes import BruteForceIndex, MeanEncoder
from typeahead.core.encoder import Vectors
from typeahead.server import ServerConfig, serve


class GatedIndex(BruteForceIndex):
    """After warming up, a search tells that it began and waits for a line."""

    def rank(self, queries: Vectors, k: int) -> list[list[tuple[int, float]]]:
        if self.batches:
            print("searching", flush=True)
            sys.stdin.readline()
        return super().rank(queries, k)


async def open_index() -> BruteForceIndex:
    return GatedIndex() if "gate" in sys.argv else BruteForceIndex()


def main() -> None:
    config = ServerConfig(port=0, web=Path("/nonexistent"), drain_seconds=2.0)
    serve(config, MeanEncoder(), open_index, on_ready=lambda address: print(address, flush=True))
    print("ended", flush=True)


if __name__ == "__main__":
    main()
