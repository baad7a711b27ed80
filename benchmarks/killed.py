"""Kills a process that writes and compacts an index, at random moments, and looks what is left.

    python -m benchmarks.killed [--kills 100] [--seed 1] [--json PATH]

A child process writes and deletes documents in small batches and prints each answer, while a thread of it compacts the
index now and then. It is killed by SIGKILL after a random time, and another goes on. After each kill the index is
opened: every answered write must be there, and of the one that was under way, all or nothing. At the end the index is
compared with one that is built at once from the same documents and vectors: the same documents in the same order, the
same hits with the same scores, and the same words in each document. Exit status 1 if anything is wrong.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import options
from typeahead.core.encoder import Vectors
from typeahead.errors import TypeaheadError
from typeahead.index import Manifest, Teacher
from typeahead.index.changes.compacting import compact, create
from typeahead.index.engine import vocabulary
from typeahead.index.living import LivingIndex
from typeahead.search.port import Entry
from typeahead.search.terms import Term
from typeahead.tables import report
from typeahead.text.document import Document, Passage

DIM: Final = 32
#: Ids are drawn from so many, so most writes replace a document.
_IDS: Final = 400
_WORDS: Final = [f"{first}{second}{third}" for first in "bdfgk" for second in "aeiou" for third in "lmnrst"]
#: Batches between two compactions, on average.
_COMPACT: Final = 25
_ANSWERED: Final = "answered"
#: Seconds that a child may live once it has begun.
LIVES: Final = (0.6, 2.0)

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
    """Write until killed; prints each operation before it begins, and a line with the version when it was answered."""
    draw = random.Random(seed)
    compaction: threading.Thread | None = None
    with LivingIndex(folder) as index:
        while True:
            done = operation(draw)
            print(json.dumps(done), flush=True)
            if "delete" in done:
                _, version = index.delete(done["delete"])
            else:
                version = index.write([entry(one, one_seed) for one, one_seed in done["write"].items()])
            print(f"{_ANSWERED} {version}", flush=True)
            if draw.random() < 1 / _COMPACT and (compaction is None or not compaction.is_alive()):
                compaction = threading.Thread(target=_compact, args=(folder,), daemon=True)
                compaction.start()


def _compact(folder: Path) -> None:
    try:
        compact(folder)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def killed(folder: Path, seed: int, life: float) -> Iterator[tuple[Operation, int | None]]:
    """Run a child for ``life`` seconds; yields its operations, and the version that answered each, None if none did.

    Raises :class:`~typeahead.errors.TypeaheadError` if it ended by itself.
    """
    command = [sys.executable, "-m", "benchmarks.killed", "--child", str(folder), "--seed", str(seed)]
    # A session of its own, so that whatever it started dies with it.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(life)
        os.killpg(process.pid, signal.SIGKILL)
        lines = [first, *process.stdout]
    if process.returncode != -signal.SIGKILL:
        raise TypeaheadError(f"a child ended by itself, with status {process.returncode}: see above")
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        # The last line may be half written: then nothing of it had begun.
        if line.endswith("\n") and not line.startswith(_ANSWERED):
            answer = following.startswith(_ANSWERED) and following.endswith("\n")
            yield json.loads(line), int(following.split()[1]) if answer else None


def check(folder: Path, states: Sequence[State], version: int) -> State:
    """Return which of some states the index is in, at a version or a later one.

    Raises :class:`~typeahead.errors.TypeaheadError` for none.
    """
    with LivingIndex(folder) as index:
        held = {document.id: document for document in every(index)}
        if int(index.version) < version:
            raise TypeaheadError(f"the index has version {index.version}, and {version} was answered")
    for state in states:
        if held == {one: stored.document for one, stored in state.items()}:
            return state
    expected = states[0]
    differing = [
        one for one in held.keys() | expected.keys() if held.get(one) != getattr(expected.get(one), "document", None)
    ]
    raise TypeaheadError(f"{len(differing)} documents are not as they were answered, such as {differing[:3]}")


def every(index: LivingIndex) -> list[Document]:
    """The documents of an index, in their order."""
    contents = index.contents
    return contents.documents(contents.live_rows(contents.masks(None)).tolist())


def same(folder: Path, other: Path, queries: Vectors) -> None:
    """Raise :class:`~typeahead.errors.TypeaheadError` unless two indexes answer alike."""
    with LivingIndex(folder) as one, LivingIndex(other) as two:
        if every(one) != every(two):
            raise TypeaheadError("the documents are others than in an index that was built at once")
        found = [index.contents.nearest(queries, 10, index.contents.masks(None)) for index in (one, two)]
        for first, second in zip(*found, strict=True):
            if not np.array_equal(first.rows, second.rows) or not np.allclose(first.scores, second.scores, atol=1e-6):
                raise TypeaheadError("a search finds something else than in an index that was built at once")
        words = [vocabulary(index.contents) for index in (one, two)]
        if dict(words[0]) != dict(words[1]):
            raise TypeaheadError("words occur in other numbers of documents than in an index that was built at once")
        terms = [Term({word: 1.0}) for word in _WORDS]
        rows = np.arange(one.contents.rows)
        evidence = [index.contents.evidence(rows, index.contents.look_up(terms)) for index in (one, two)]
        if not all(np.array_equal(mine, theirs) for mine, theirs in zip(*evidence, strict=True)):
            raise TypeaheadError("words occur otherwise than in an index that was built at once")


def main(arguments: Sequence[str]) -> None:
    """Kill and check, or be the child."""
    parser = options.parser("killed", __doc__)
    parser.add_argument("--kills", type=options.whole, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", type=Path, help="be the process that is killed")
    chosen = parser.parse_args(arguments)
    if chosen.child is not None:
        child(chosen.child, chosen.seed)
    found = kill(chosen.kills, chosen.seed)
    report("Killed while writing and compacting", [], json_path=chosen.json, **found)


def kill(kills: int, seed: int, lives: tuple[float, float] = LIVES) -> dict[str, Any]:
    """Kill so many children, each after seconds between ``lives``, and return what was seen.

    Raises :class:`~typeahead.errors.TypeaheadError` for anything that was lost or differs.
    """
    draw = random.Random(seed)
    state: State = {}
    answered = unanswered = kept = version = 0
    with tempfile.TemporaryDirectory(prefix="typeahead-killed-") as place:
        folder = Path(place) / "index"
        create(folder, Teacher("test", None), DIM)
        generations = set()
        for number in range(kills):
            states = [state]
            for done, answer in killed(folder, seed * 100_000 + number, draw.uniform(*lives)):
                states = [apply(states[0], done), states[0]]
                if answer is None:
                    unanswered += 1
                else:
                    del states[1]
                    answered += 1
                    version = answer
            state = check(folder, states, version)
            kept += len(states) == 2 and state is states[0]
            generations.add(Manifest.read(folder).generation)
        compact(folder)
        check(folder, [state], version)
        other = Path(place) / "other"
        create(other, Teacher("test", None), DIM)
        with LivingIndex(folder) as index, LivingIndex(other) as alone:
            alone.write([state[document.id] for document in every(index)])
        compact(other)
        same(folder, other, np.random.default_rng(seed).standard_normal((200, DIM)).astype(np.float32))
    return {
        "kills": kills,
        "writes_answered": answered,
        "answered_writes_lost": 0,
        "writes_killed_before_their_answer": f"{unanswered}, of which {kept} are there as a whole",
        "generations_seen_after_kills": len(generations),
        "documents_at_the_end": len(state),
        "equal_to_an_index_built_at_once": "yes",
    }


if __name__ == "__main__":
    options.run(main)
