"""How long an index takes to open while many changes wait to be merged.

    python -m benchmarks.opening --index DIR [--changes 10000] [--json PATH]

Writes ``--changes`` documents into the journal of a copy (whose files are links), half of them in place of documents
that are there, and opens it in fresh processes: once with the changes and once without.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import options
from benchmarks.changes import Documents
from typeahead.index import open_index
from typeahead.index.changes.journal import Journal
from typeahead.search.port import Entry
from typeahead.tables import report
from typeahead.text.document import Passage

_BATCH = 500
_OPEN = """
import sys, time
from pathlib import Path
from typeahead.index.living import LivingIndex
started = time.perf_counter()
index = LivingIndex(Path(sys.argv[1]))
print(time.perf_counter() - started, index.contents.count, index.contents.passage_count)
"""


def seconds(folder: Path) -> tuple[float, int]:
    """Open an index in a process of its own; returns the seconds, imports left out, and its passages."""
    made = subprocess.run([sys.executable, "-c", _OPEN, str(folder)], capture_output=True, text=True, check=True)
    took, _, passages = made.stdout.split()
    return float(took), int(passages)


def _linked(source: str, target: str) -> None:
    """Link what never changes, the files of a generation, and copy the rest."""
    make = os.link if Path(source).parent.name.startswith("generation-") else shutil.copy2
    make(source, target)


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("opening", __doc__)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR")
    parser.add_argument("--changes", type=options.whole, default=10_000)
    parser.add_argument("--rounds", type=options.whole, default=3)
    chosen = parser.parse_args(arguments)
    documents = Documents(chosen.index, seed=1)
    with tempfile.TemporaryDirectory(prefix="typeahead-opening-", dir=chosen.index.parent) as place:
        copy = Path(place) / "index"
        shutil.copytree(chosen.index, copy, copy_function=_linked)
        with open_index(copy) as index:
            ids = index.ids()
            replaced = [ids[row] for row in np.random.default_rng(1).permutation(len(index))[: chosen.changes // 2]]
            without = [seconds(copy) for _ in range(chosen.rounds)]
            with Journal.of(copy, index.manifest, index.part.columns.kinds) as journal:
                for start in range(0, chosen.changes, _BATCH):
                    count = min(_BATCH, chosen.changes - start)
                    vectors = np.array(documents.vectors(count), np.float32)
                    entries = []
                    for number, (document, vector) in enumerate(
                        zip(documents.take(count), vectors, strict=True), start
                    ):
                        if number < len(replaced):
                            document = replace(document, id=replaced[number])
                        entries.append(Entry(document, (Passage(document.text),), vector[None]))
                    journal.append(entries)
                size = journal.size
        changed = [seconds(copy) for _ in range(chosen.rounds)]
    report(
        "Opening an index",
        [],
        json_path=chosen.json,
        passages=without[0][1],
        changes=chosen.changes,
        journal_MB=round(size / 1e6, 1),
        seconds_without_changes=", ".join(f"{took:.2f}" for took, _ in without),
        seconds_with_changes=", ".join(f"{took:.2f}" for took, _ in changed),
    )


if __name__ == "__main__":
    options.run(main)
