"""Kills a process that writes and compacts an index, at random moments, and looks what is left.

    python -m benchmarks.killed [--kills 100] [--seed 1] [--json PATH]

A child process writes and deletes documents in small batches, prints each answer, and compacts the index now and then.
It is killed by SIGKILL after a random time, together with the compaction that it started, and another goes on. After
each kill the index is opened: every answered write must be there, and of the one that was under way, all or nothing. At
the end the index is compared with one that is built at once from the same documents and vectors: the same documents,
the same hits with the same scores, and the same number of documents for each word. Exit status 1 if anything is wrong.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from typeahead.index.changes.compacting import compact, create

from benchmarks import options
from typeahead.core.encoder import Vectors
from typeahead.errors import TypeaheadError
from typeahead.index import Teacher, open_index
from typeahead.search.port import Entry
from typeahead.tables import report
from typeahead.text.document import Document, Passage

DIM: Final = 32
#: Ids are drawn from so many, so most writes replace a document.
_IDS: Final = 400
_WORDS: Final = [f"{first}{second}{third}" for first in "bdfgk" for second in "aeiou" for third in "lmnrst"]
#: Batches between two compactions, on average.
_COMPACT: Final = 25
#: Seconds that a child may live.
_LIVES: Final = (0.6, 2.0)

State = dict[str, Entry]
Operation = dict[str, Any]


def operation(draw: random.Random) -> Operation:
    """Draw a batch that is written, or some ids that are deleted."""
    ids = [f"d{draw.randrange(_IDS)}" for _ in range(draw.randint(1, 12))]
    if draw.random() < 0.25:
        return {"delete": ids[:4]}
    return {"write": {one: draw.randrange(1 << 30) for one in ids}}


def entry(one: str, seed: int) -> Entry:
    """Make the document that a seed stands for: some have several passages."""
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(_WORDS, k=draw.randint(3, 30))) + " " for _ in range(draw.choice((1, 1, 1, 3)))]
    vectors = np.random.default_rng(seed).standard_normal((len(texts), DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    document = Document(one, " ".join(draw.choices(_WORDS, k=2)), "".join(texts), "", {"kind": draw.choice("abc")})
    return Entry(document, tuple(map(Passage, texts)), vectors)


def apply(state: State, done: Operation) -> State:
    """Return what a state is after an operation."""
    after = dict(state)
    for one in done.get("delete", ()):
        after.pop(one, None)
    for one, seed in done.get("write", {}).items():
        after[one] = entry(one, seed)
    return after


def child(folder: Path, seed: int) -> None:
    """Write until killed; prints each operation before it begins, and a line when it was answered."""
    draw = random.Random(seed)
    with open_index(folder) as index:
        while True:
            done = operation(draw)
            print(json.dumps(done), flush=True)
            if "delete" in done:
                index.delete(done["delete"])
            else:
                index.write([entry(one, one_seed) for one, one_seed in done["write"].items()])
            print("answered", flush=True)
            if draw.random() < 1 / _COMPACT:
                compact(folder)


def killed(folder: Path, seed: int, life: float) -> Iterator[tuple[Operation, bool]]:
    """Run a child for ``life`` seconds; yields its operations, and whether each was answered."""
    command = [sys.executable, "-m", "benchmarks.killed", "--child", str(folder), "--seed", str(seed)]
    # A session of its own, so that whatever it started dies with it.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(life)
        os.killpg(process.pid, signal.SIGKILL)
        lines = [first, *process.stdout]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        # The last line may be half written: then nothing of it had begun.
        if line.endswith("\n") and line != "answered\n":
            yield json.loads(line), following == "answered\n"


def check(folder: Path, states: Sequence[State]) -> State:
    """Return which of some states the index is in; raises :class:`~typeahead.errors.TypeaheadError` for none."""
    with open_index(folder) as index:
        held = {document.id: document for document in index.every()}
    for state in states:
        if held == {one: stored.document for one, stored in state.items()}:
            return state
    expected = states[0]
    differing = [
        one for one in held.keys() | expected.keys() if held.get(one) != getattr(expected.get(one), "document", None)
    ]
    raise TypeaheadError(f"{len(differing)} documents are not as they were answered, such as {differing[:3]}")


def same(folder: Path, other: Path, queries: Vectors) -> None:
    """Raise :class:`~typeahead.errors.TypeaheadError` unless two indexes answer alike."""
    with open_index(folder) as one, open_index(other) as two:
        for first, second in zip(one.search(queries, 10), two.search(queries, 10), strict=True):
            if [(hit.id, round(hit.score, 6)) for hit in first] != [(hit.id, round(hit.score, 6)) for hit in second]:
                raise TypeaheadError("a search finds something else than in an index that was built at once")
        if dict(one.words()) != dict(two.words()):
            raise TypeaheadError("words occur in other numbers of documents than in an index that was built at once")


def main(arguments: Sequence[str]) -> None:
    """Kill and check, or be the child."""
    parser = options.parser("killed", __doc__)
    parser.add_argument("--kills", type=options.whole, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", type=Path, help="be the process that is killed")
    chosen = parser.parse_args(arguments)
    if chosen.child is not None:
        child(chosen.child, chosen.seed)
    draw = random.Random(chosen.seed)
    state: State = {}
    answered = unanswered = kept = 0
    with tempfile.TemporaryDirectory(prefix="typeahead-killed-") as place:
        folder = Path(place) / "index"
        create(folder, Teacher("test", None), DIM)
        generations = set()
        for number in range(chosen.kills):
            states = [state]
            for done, was_answered in killed(folder, chosen.seed * 100_000 + number, draw.uniform(*_LIVES)):
                states = [apply(states[0], done)] if was_answered else [apply(states[0], done), states[0]]
                answered += was_answered
                unanswered += not was_answered
            state = check(folder, states)
            kept += len(states) == 2 and state is states[0]
            with open_index(folder) as index:
                generations.add(index.manifest.generation)
        compact(folder)
        check(folder, [state])
        other = Path(place) / "other"
        create(other, Teacher("test", None), DIM)
        with open_index(other) as index:
            index.write([state[document.id] for document in index_order(folder)])
        compact(other)
        queries = np.random.default_rng(chosen.seed).standard_normal((200, DIM)).astype(np.float32)
        same(folder, other, queries)
    report(
        "Killed while writing and compacting",
        [],
        json_path=chosen.json,
        kills=chosen.kills,
        writes_answered=answered,
        answered_writes_lost=0,
        writes_killed_before_their_answer=f"{unanswered}, of which {kept} are there as a whole",
        generations_seen=len(generations),
        documents_at_the_end=len(state),
        equal_to_an_index_built_at_once="yes",
    )


def index_order(folder: Path) -> list[Document]:
    """The documents of an index in their order."""
    with open_index(folder) as index:
        return list(index.every())


if __name__ == "__main__":
    options.run(main)
