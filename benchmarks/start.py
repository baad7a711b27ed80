"""Time to import, time to load, and memory of a warm server without an index.

    python -m benchmarks.start

Each import and each load runs in a fresh interpreter, ten times. The server is ``typeahead serve``, after one request
for an embedding. Needs the extra ``server``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from typeahead.evaluate.measures.websocket import resident_megabytes, server_process
from typeahead.tables import report

REPETITIONS = 10


def seconds(code: str) -> list[float]:
    """Seconds that ``code`` takes in fresh interpreters, without the start of the interpreter."""
    script = f"import time; start = time.perf_counter(); {code}; print(time.perf_counter() - start)"
    command = [sys.executable, "-c", script]
    return [float(subprocess.check_output(command, text=True)) for _ in range(REPETITIONS)]


def row(what: str, values: list[float]) -> Mapping[str, object]:
    """One line of the table: best, median and worst, in milliseconds."""
    found = [min(values), statistics.median(values), max(values)]
    return {"what": what} | {
        name: round(1000 * value, 1) for name, value in zip(("best ms", "median ms", "worst ms"), found, strict=True)
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    rows = [
        row("import typeahead", seconds("import typeahead")),
        row(
            "import, load minilm-gru, first embedding",
            seconds("import typeahead; typeahead.load('minilm-gru').session().update('egg')"),
        ),
    ]
    with server_process(None, "minilm-gru") as (address, pid):
        body = json.dumps({"input": "how to boil an egg", "model": "minilm-gru"}).encode()
        request = urllib.request.Request(f"{address}/v1/embeddings", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as reply:
            json.load(reply)
        memory = resident_megabytes(pid)
    report("Start", rows, json_path=options.json, resident_memory_of_a_warm_server_without_an_index_MB=memory)


if __name__ == "__main__":
    main()
