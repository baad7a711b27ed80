"""CPU instructions of a keystroke in process, counted by valgrind: they show regressions that timing noise would hide.

    python -m benchmarks.instructions [--keys 2000] [--sessions 1 32] [--json PATH]

Timings depend on what else the machine does; instruction counts hardly do. This counts typeahead's work around the
model: tokenizing, looking up, batching, remembering. The model itself is left out, and vectors of its sizes are added
instead: valgrind emulates a processor without AVX-512, on which the model's products take other paths, for
minutes. Counting starts after the first keys (``valgrind --tool=callgrind``). The typing is synthetic and the same
every time. Needs valgrind with its headers, and a C compiler.
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

import numpy as np
from numpy.typing import NDArray

from benchmarks import options
from benchmarks.keystroke import rounds_of, type_all
from benchmarks.native import compiled
from benchmarks.typed import synthetic_traces
from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.encoders.fold import FoldEncoder
from typeahead.errors import TypeaheadError
from typeahead.models.folder import find, read_config
from typeahead.tables import report

_TOTAL = re.compile(r"^totals: (\d+)", re.MULTILINE)


class Stand(FoldEncoder):
    """Stands in for a student: its tokenizer and sizes, with a step that adds two vectors."""

    def __init__(self, name: str) -> None:
        folder = find(name)
        super().__init__(read_config(folder, verify=False), folder)
        self._size = self.config.shape["state"]
        self._row = np.full(self._size, 0.01, np.float32)

    def start(self) -> Vectors:
        """Zeros, float32 (state,)."""
        return np.zeros(self._size, np.float32)

    def step(self, states: Sequence[Vectors], tokens: NDArray[np.int64]) -> tuple[Sequence[Vectors], Vectors]:
        """Extend each state by one token."""
        after, embeddings = self._advance(np.stack(states), tokens)
        return [state.copy() for state in after], embeddings

    def _begin(self, count: int) -> Vectors:
        return np.zeros((count, self._size), np.float32)

    def _advance(self, states: Vectors, tokens: NDArray[np.int64]) -> tuple[Vectors, Vectors]:
        after = states + self._row * tokens[:, None].astype(np.float32)
        return after, np.ascontiguousarray(after[:, : self.dim])


def type_keys(people: int, keys: int, encoder_name: str) -> int:
    """Type synthetic texts in process while callgrind counts. Returns the number of steps."""
    encoder: Any = Stand(encoder_name)
    traces = synthetic_traces(400, seed=0)
    callgrind = compiled(Path(__file__).with_name("callgrind.c"), tuned=False)
    # The first run allocates memory and pages in code.
    type_all(Engine(encoder), rounds_of(traces[200:], people, 10 * people))
    engine, typed = Engine(encoder), rounds_of(traces[:200], people, keys)
    callgrind.start_counting()
    steps = type_all(engine, typed).steps
    callgrind.stop_counting()
    return steps


def total_of(callgrind: str) -> int:
    """The total in a file of callgrind's. Raises :class:`~typeahead.errors.TypeaheadError` if there is none."""
    found = _TOTAL.search(callgrind)
    if found is None:
        raise TypeaheadError("callgrind wrote no total, so it was interrupted: run this again")
    return int(found[1])


def count(people: int, keys: int, encoder: str) -> tuple[int, int]:
    """Instructions and steps that ``keys`` keystrokes take."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise TypeaheadError(
            "counting instructions needs valgrind, which is not installed: apt-get install -y valgrind"
        )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        command = [valgrind, "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", "--quiet"]
        command += [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "benchmarks.instructions",
            "--child",
            str(people),
            str(keys),
            "--encoder",
            encoder,
        ]
        # String hashes decide the order in dictionaries, and so which instructions run.
        environment = os.environ | {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            raise TypeaheadError(f"the run under valgrind failed: {lines[-1] if lines else 'it printed nothing'}")
        written = sorted(Path(folder).glob("callgrind*"))
        return sum(total_of(path.read_text()) for path in written), int(done.stdout.strip().splitlines()[-1])


def main(arguments: Sequence[str]) -> None:
    """Count and print."""
    parser = options.parser("instructions", __doc__)
    parser.add_argument("--keys", type=options.whole, default=2000)
    parser.add_argument("--sessions", type=options.whole, nargs="+", default=[1, 32])
    parser.add_argument("--encoder", default="minilm-gru", help="model whose tokenizer and sizes are used")
    parser.add_argument("--child", type=options.whole, nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.child:
        people, keys = chosen.child
        print(type_keys(people, keys, chosen.encoder))
        return
    table = []
    for people in chosen.sessions:
        keys = max(chosen.keys // people, 1) * people
        instructions, steps = count(people, keys, chosen.encoder)
        table.append(
            {
                "sessions": people,
                "keystrokes": keys,
                "instructions a key": round(instructions / keys),
                "steps a key": steps / keys,
            }
        )
    report("Instructions", table, json_path=chosen.json, encoder=chosen.encoder, typing="synthetic")


if __name__ == "__main__":
    options.run(main)
