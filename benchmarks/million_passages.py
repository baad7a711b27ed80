"""Encodes and searches a million passages in bounded memory, with a kill -9 half way.

    python -m benchmarks.million_passages [--passages 1000000] [--queries 6980] [--folder DIR]

Writes a synthetic collection in MS MARCO's format and encodes it in one process, which kills itself with SIGKILL half
way, in the middle of a shard. A second process resumes and searches. Prints the peak memory of both, how many shards
were encoded twice, and how many queries, each the whole text of a passage, find that passage first. The encoder
averages seeded random word vectors, so its own cost hardly counts. Needs the extra ``evaluate``, a POSIX system, and
1.7 GB of disk in DIR. Exit status 1 if memory exceeds 3 GB, a shard was encoded twice, or a query did not find its
passage.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.evaluate.data.datasets import open_dataset
from typeahead.evaluate.vectors.passages import SHARD_SIZE, encode_passages
from typeahead.evaluate.vectors.search import search
from typeahead.progress import ProgressBar
from typeahead.tables import report

DIM = 384
DEPTH = 1000
WORDS = 20_000
LENGTH = 16
BAR_GB = 3.0


class WordMeans:
    """Means of seeded word vectors, L2-normalised. Kills its process before it encodes passage number ``fatal``."""

    def __init__(self, fatal: int | None) -> None:
        self.encoded = 0
        self._fatal = fatal
        self._table = np.random.default_rng(0).standard_normal((WORDS, DIM), np.float32)

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Encode texts whose words are a "w" and a number."""
        if self._fatal is not None and self.encoded + len(texts) > self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        words = [[int(word[1:]) for word in text.split()] for text in texts]
        starts = np.cumsum([0, *map(len, words[:-1])])
        sums = np.add.reduceat(self._table[np.concatenate(words)], starts, axis=0)
        self.encoded += len(texts)
        vectors: NDArray[np.float32] = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return vectors


def write_collection(folder: Path, passages: int, queries: int) -> None:
    """Write a collection of random words. Each query is the text of a passage, which is the only relevant one."""
    rng = np.random.default_rng(1)
    asked = set(np.linspace(0, passages - 1, queries).astype(int).tolist())
    with (
        (folder / "collection.tsv").open("w") as collection,
        (folder / "queries.dev.small.tsv").open("w") as texts,
        (folder / "qrels.dev.small.tsv").open("w") as qrels,
    ):
        for first in range(0, passages, 10_000):
            rows = rng.integers(0, WORDS, (min(10_000, passages - first), LENGTH)).tolist()
            for key, words in enumerate(rows, first):
                text = " ".join(f"w{word}" for word in words)
                collection.write(f"{key}\t{text}\n")
                if key in asked:
                    texts.write(f"{key}\t{text}\n")
                    qrels.write(f"{key}\t0\t{key}\t1\n")


def child(folder: Path, fatal: int | None, threads: int) -> None:
    """Encode what is missing and search, or die on the way. Prints figures as JSON."""
    started = time.perf_counter()
    with ProgressBar() as progress:
        dataset = open_dataset(folder, split="dev.small", progress=progress)
        opened = time.perf_counter()
        encoder = WordMeans(fatal)
        vectors = encode_passages(
            encoder,
            "word means 1",
            dataset,
            folder / "vectors",
            progress=progress,
            announce=lambda line: print(line, file=sys.stderr),
        )
    encoded = time.perf_counter()
    asked = encoder.encode(list(dataset.queries.values()))
    rows, _ = search(asked, vectors, DEPTH, threads=threads)
    searched = time.perf_counter()
    first = vectors.ids_of(rows[:, 0])
    figures = {
        "encoded": encoder.encoded - len(asked),
        "found": sum(map(str.__eq__, first, dataset.queries)),
        "seconds": {"reading": opened - started, "encoding": encoded - opened, "searching": searched - encoded},
    }
    print(json.dumps(figures))


def run_child(folder: Path, fatal: int | None, threads: int) -> tuple[dict[str, Any], float, int]:
    """Run a child process. Returns its figures, its peak memory in GB and its exit status."""
    command = [sys.executable, __file__, "--folder", str(folder), "--child", "--threads", str(threads)]
    process = subprocess.Popen(command + ([] if fatal is None else ["--fatal", str(fatal)]), stdout=subprocess.PIPE)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return json.loads(output) if output else {}, usage.ru_maxrss * unit / 1e9, process.returncode


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=6980, help="number of queries; dev.small has 6980")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads for the search")
    parser.add_argument("--folder", type=Path, help="where to write files, which are deleted at the end")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--fatal", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.folder, options.fatal, options.threads)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name) / "million"
        folder.mkdir()
        write_collection(folder, options.passages, options.queries)
        _, killed_gb, status = run_child(folder, options.passages // 2 + SHARD_SIZE // 2, options.threads)
        if status != -signal.SIGKILL:
            sys.exit(f"the first process ended with {status} instead of by SIGKILL")
        finished = len(list(folder.rglob("*.safetensors")))
        figures, resumed_gb, status = run_child(folder, None, options.threads)
        if status:
            sys.exit(f"the second process ended with {status}")
    # The last shard may be smaller, but it is never in the first half.
    twice = figures["encoded"] + finished * SHARD_SIZE - options.passages
    shards = -(-options.passages // SHARD_SIZE)
    seconds = {f"{name}_seconds": round(value, 1) for name, value in figures["seconds"].items()}
    report(
        f"{options.passages:,} passages, {DIM} dimensions, {shards} shards; {options.queries:,} queries, top {DEPTH}",
        [
            {"process": "killed half way", "peak memory, GB": round(killed_gb, 2), "shards finished": finished},
            {
                "process": "goes on, searches",
                "peak memory, GB": round(resumed_gb, 2),
                "shards finished": shards - finished,
            },
        ],
        json_path=options.json,
        shards_encoded_again=twice / SHARD_SIZE,
        queries_that_find_their_passage=f"{figures['found']:,} of {options.queries:,}",
        **seconds,
    )
    if max(killed_gb, resumed_gb) > BAR_GB or twice or figures["found"] < options.queries:
        sys.exit(1)


if __name__ == "__main__":
    main()
