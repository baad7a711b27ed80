"""A server of several processes for the tests: ``python -m tests.server.serving_worker --workers N [WHAT]``.

Prints its address when all are ready. WHAT is "broken": every worker ends before it is ready; or "failing": every
worker says why it cannot serve; or a path that ends in ".sock", where they listen; or the folder of an index to search.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.server.fakes import BruteForceIndex, MeanEncoder
from typeahead.errors import TypeaheadError
from typeahead.search.addresses import open_backend
from typeahead.server import ServerConfig, serve
from typeahead.server.process.run import Worker
from typeahead.server.process.siblings import telling_failure
from typeahead.server.process.supervisor import Supervisor

PROGRAM = [sys.executable, "-m", "tests.server.serving_worker"]


async def brute_force() -> BruteForceIndex:
    return BruteForceIndex()


def main() -> None:
    if "--worker" in sys.argv:
        if "broken" in sys.argv:
            sys.exit(3)
        handles = [int(handle) for handle in sys.argv[sys.argv.index("--worker") + 1].split(",")]
        place = sys.argv[1]
        path = Path(place) if place.endswith(".sock") else None
        config = ServerConfig(web=Path("/nonexistent"), drain_seconds=2.0, socket=path)
        index = brute_force if path or place == "--worker" else lambda: open_backend(place)
        with telling_failure(handles[0]):
            if "failing" in sys.argv:
                raise TypeaheadError("the index is upside down: turn it")
            serve(config, MeanEncoder(), index, worker=Worker(handles))
        return
    count, *arguments = sys.argv[sys.argv.index("--workers") + 1 :]
    try:
        Supervisor(
            [*PROGRAM, *arguments],
            "127.0.0.1",
            0,
            count=int(count),
            ending_seconds=2.0,
            on_ready=lambda address: print(address, flush=True),
            unix=next(((Path(argument), 0o600) for argument in arguments if argument.endswith(".sock")), None),
        ).run()
    except TypeaheadError as error:
        print(f"failed: {error}", flush=True)
        sys.exit(1)
    print("ended", flush=True)


if __name__ == "__main__":
    main()
