"""Two checkouts in turns: the time from a key to its results over the websocket, before and after a change.

    python -m benchmarks.turns OLD NEW --index INDEX [--rounds 10] [--keys 400] [--serve ARGUMENTS] [--json PATH]

OLD and NEW are folders of checkouts. --serve holds arguments for both of their ``typeahead serve``, such as
``--serve="--hybrid linear"``. Both servers run on one core, and one client types into them by turns: --rounds times,
--keys keys each, the next key as soon as the results of the last one are there. A busy machine slows both alike. The
table has the median of each turn; the ratio is that of the medians of all turns.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from websockets.sync.client import ClientConnection, connect

from benchmarks import options
from benchmarks.servers import Running, started
from benchmarks.typed import load_queries
from typeahead.tables import report

_PATIENCE = 30.0


@contextmanager
def serving(name: str, checkout: Path, index: str, arguments: Sequence[str]) -> Iterator[Running]:
    """Run the ``typeahead serve`` of a checkout."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(checkout.resolve())
    try:
        command = [sys.executable, "-m", "typeahead", "serve", "--index", index, "--port", "0", *arguments]
        with started(name, command, cores={0}) as running:
            yield running
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


class Typist:
    """Types queries, one key after the other."""

    def __init__(self, connection: ClientConnection, texts: Sequence[str]) -> None:
        self._connection = connection
        self._texts = texts
        self._at = 0
        self._seq = 0

    def type(self, keys: int) -> float:
        """Type some keys; returns the median of their times in seconds."""
        times = []
        for _ in range(keys):
            text = self._texts[self._at % len(self._texts)]
            self._at += 1
            self._seq += 1
            began = time.perf_counter()
            self._connection.send(json.dumps({"seq": self._seq, "text": text}))
            while json.loads(self._connection.recv(timeout=_PATIENCE)).get("seq") != self._seq:
                pass
            times.append(time.perf_counter() - began)
        return statistics.median(times)


def main(arguments: Sequence[str] | None = None) -> None:
    """Start both, and let them take turns."""
    parser = options.parser("turns", __doc__)
    parser.add_argument("old", type=Path, metavar="OLD", help="folder of the checkout before")
    parser.add_argument("new", type=Path, metavar="NEW", help="folder of the checkout after")
    parser.add_argument("--index", required=True, help="index that both search")
    parser.add_argument("--queries", type=Path, metavar="FILE", help="one query, or source<TAB>query, a line")
    parser.add_argument("--rounds", type=options.whole, default=10, help="turns of each")
    parser.add_argument("--keys", type=options.whole, default=400, help="keys in each turn")
    parser.add_argument("--serve", default="", metavar="ARGUMENTS", help="arguments of both servers, as one word")
    chosen = parser.parse_args(arguments)
    queries, described = load_queries(chosen.queries, chosen.keys)
    texts = [query[:end] for query in queries for end in range(1, len(query) + 1)]
    with ExitStack() as stack:
        typists = {}
        for name in ("old", "new"):
            folder = getattr(chosen, name)
            server = stack.enter_context(serving(name, folder, chosen.index, shlex.split(chosen.serve)))
            url = server.address.replace("http", "ws", 1) + "/v1/type"
            connection = stack.enter_context(connect(url, subprotocols=["typeahead.v1"]))  # type: ignore[list-item]
            typists[name] = Typist(connection, texts)
            # The first keys load what later keys find loaded.
            typists[name].type(chosen.keys)
        turns: dict[str, list[float]] = {"old": [], "new": []}
        for _ in range(chosen.rounds):
            for name, typist in typists.items():
                turns[name].append(typist.type(chosen.keys) * 1e6)
    table = [
        {"turn": number, "old µs": round(old), "new µs": round(new)}
        for number, (old, new) in enumerate(zip(turns["old"], turns["new"], strict=True), 1)
    ]
    old, new = (statistics.median(times) for times in turns.values())
    facts = {"old_median_µs": round(old), "new_median_µs": round(new), "new_of_old_%": round(100 * new / old, 1)}
    report("Key to results, in turns", table, json_path=chosen.json, typing=described, keys=chosen.keys, **facts)


if __name__ == "__main__":
    options.run(main)
