"""Instructions of a keystroke in process, counted by valgrind: they show a regression that seconds would hide.

    python -m benchmarks.instructions [--keys 2000] [--sessions 1 32] [--json PATH]

Seconds depend on what else the machine does, instructions hardly at all. For each number of sessions the same program
runs twice under ``valgrind --tool=callgrind``, once typing --keys keystrokes and once twice as many; the difference is
theirs alone, without the start of Python and the loading of the model. The typing is synthetic and the same each time.
valgrind runs a processor without AVX-512, so the products take other paths than they do otherwise, and with them the
model may be the float32 one: compare these figures with each other, not with seconds. Takes some minutes. Needs
valgrind.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import options
from typeahead.errors import TypeaheadError
from typeahead.tables import report

_TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


def type_keys(people: int, keys: int, encoder_name: str) -> int:
    """What is counted: synthetic typing in process. Gives the steps that it took."""
    import typeahead
    from benchmarks.keystroke import rounds_of, type_all
    from benchmarks.typed import synthetic_traces
    from typeahead.engine import Engine

    encoder: Any = typeahead.load(encoder_name)
    # The same people whatever the number of keys: twice as many go on where the half ended.
    return type_all(Engine(encoder), rounds_of(synthetic_traces(200, seed=0), people, keys)).steps


def total_of(callgrind: str) -> int:
    """Instructions that a file of callgrind's adds up to; :class:`~typeahead.errors.TypeaheadError` if it has none."""
    found = _TOTAL.search(callgrind)
    if found is None:
        raise TypeaheadError("callgrind wrote no total: it was interrupted")
    return int(found[1])


def count(people: int, keys: int, encoder: str) -> tuple[int, int]:
    """Instructions and steps of a whole process that types."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise TypeaheadError("valgrind is not installed: instructions cannot be counted")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        command = [valgrind, "--tool=callgrind", f"--callgrind-out-file={out}", "--quiet", sys.executable, "-m"]
        command += ["benchmarks.instructions", "--child", str(people), str(keys), "--encoder", encoder]
        # Hashes of strings decide the order in dictionaries, and so which instructions run.
        environment = os.environ | {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            raise TypeaheadError(f"under valgrind it failed: {lines[-1] if lines else 'it said nothing'}")
        return total_of(out.read_text()), int(done.stdout.strip().splitlines()[-1])


def main(arguments: Sequence[str]) -> None:
    """Count and print."""
    parser = options.parser("instructions", __doc__)
    parser.add_argument("--keys", type=options.whole, default=2000)
    parser.add_argument("--sessions", type=options.whole, nargs="+", default=[1, 32])
    parser.add_argument("--encoder", default="minilm-gru", help="a model's name or folder")
    parser.add_argument("--child", type=options.whole, nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.child:
        people, keys = chosen.child
        print(type_keys(people, keys, chosen.encoder))
        return
    table = []
    for people in chosen.sessions:
        keys = max(chosen.keys // people, 1) * people
        (once, steps), (twice, more_steps) = (count(people, times * keys, chosen.encoder) for times in (1, 2))
        table.append(
            {
                "sessions": people,
                "keystrokes": keys,
                "instructions a key": round((twice - once) / keys),
                "steps a key": (more_steps - steps) / keys,
                "of the start (millions)": round((2 * once - twice) / 1e6),
            }
        )
    report("Instructions", table, json_path=chosen.json, encoder=chosen.encoder, typing="synthetic")


if __name__ == "__main__":
    options.run(main)
