"""A server of several processes for the tests: ``python -m tests.server.serving_worker --workers N [broken | FOLDER]``.

Prints its address when all are ready. With "broken", every worker ends before it is ready; with the folder of an index,
they search that.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.server.fakes import BruteForceIndex, MeanEncoder
from typeahead.errors import TypeaheadError
from typeahead.search.addresses import open_backend
from typeahead.server import ServerConfig, serve
from typeahead.server.process.run import Worker
from typeahead.server.process.supervisor import Supervisor

PROGRAM = [sys.executable, "-m", "tests.server.serving_worker"]


async def brute_force() -> BruteForceIndex:
    return BruteForceIndex()


def main() -> None:
    if "--worker" in sys.argv:
        if "broken" in sys.argv:
            sys.exit(3)
        handles = [int(handle) for handle in sys.argv[sys.argv.index("--worker") + 1].split(",")]
        config = ServerConfig(web=Path("/nonexistent"), drain_seconds=2.0)
        folder = sys.argv[1]
        index = brute_force if folder == "--worker" else lambda: open_backend(folder)
        serve(config, MeanEncoder(), index, worker=Worker(handles))
        return
    count, *arguments = sys.argv[sys.argv.index("--workers") + 1 :]
    try:
        Supervisor(
            [*PROGRAM, *arguments],
            "127.0.0.1",
            0,
            count=int(count),
            drain_seconds=2.0,
            on_ready=lambda address: print(address, flush=True),
        ).run()
    except TypeaheadError as error:
        print(f"failed: {error}", flush=True)
        sys.exit(1)
    print("ended", flush=True)


if __name__ == "__main__":
    main()
