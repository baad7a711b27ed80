"""Flips single bits in indexes and a model: which flips ``typeahead verify`` finds, and what they do without it.

    python -m benchmarks.flips [--trials 200] [--documents 2000] [--seed 0] [--kinds KIND …] [--json PATH]

The flips are shared out among an exact index, an HNSW graph, an adopted FAISS index (inverted lists) and a copy of a
shipped model. Half of the bits are drawn evenly over all bytes, half evenly over all files, so that small files come
up, too. After each flip the folder is verified; then it is opened and asked again: an index for the best 10 of 64
queries with their texts, and for the matches of 8 words; a model for the embeddings of the queries. An answer is as
before if scores and embeddings differ by less than 0.001 and nothing else differs. Each step runs in a process of its
own, because a damaged file can crash it. Exit status 1 if verify misses a flip.
"""

from __future__ import annotations

import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

import typeahead
from benchmarks import options

# Imported here, or every child process would load ONNX Runtime again.
from typeahead.encoders import onnx, static  # noqa: F401
from typeahead.errors import TypeaheadError
from typeahead.index import Document, Teacher, adopt_index, build_index, open_index
from typeahead.models.folder import find
from typeahead.progress import OnProgress, ProgressBar
from typeahead.search.terms import Term
from typeahead.tables import report
from typeahead.verify import verify_folder

_KINDS = ("exact", "hnsw", "faiss", "model")
_MODEL = "minilm-static"
_QUERIES, _WORDS, _DEPTH = 64, 8, 10
#: Seconds after which a child process counts as hanging.
_PATIENCE = 120
_CRASHED = "crashed"
#: Scores and embeddings that differ by less count as equal.
_TOLERANCE = 1e-3

#: A question to a folder. It runs in a child process.
Question = Callable[[], Any]


def ask(question: Question) -> Any:
    """The answer of a child process, the :class:`TypeaheadError` that it raised, or "crashed"."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(_PATIENCE)
        answer: Any = _CRASHED
        try:
            answer = question()
        except TypeaheadError as error:
            answer = TypeaheadError(str(error))
        finally:
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(answer, pipe)
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        raw = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(raw) if raw else _CRASHED


def _texts(count: int, seed: int) -> list[str]:
    """Texts whose words follow Zipf's law."""
    draw = np.random.default_rng(seed)
    return [" ".join(f"w{word}" for word in draw.zipf(1.3, 60) % 5000) for _ in range(count)]


def _search(folder: Path, vectors: Any) -> tuple[Any, Any]:
    """What an index finds, and the scores."""
    with open_index(folder) as index:
        hits = [hit for hits in index.search(vectors, _DEPTH) for hit in hits]
        matches = [index.lexical.candidates([Term({f"w{word}": 1.0})], _DEPTH) for word in range(10, 10 + _WORDS)]
    found = [(hit.id, hit.title, hit.text, hit.url) for hit in hits], [rows.tolist() for rows, _ in matches]
    return found, np.concatenate([[hit.score for hit in hits], *(scores for _, scores in matches)])


def _encode(folder: Path) -> tuple[Any, Any]:
    return None, typeahead.load(folder).encode(_texts(_QUERIES, 1))


def _same(before: tuple[Any, Any], after: tuple[Any, Any]) -> bool:
    return bool(before[0] == after[0] and np.allclose(before[1], after[1], rtol=0, atol=_TOLERANCE))


def _build(kind: str, out: Path, count: int) -> None:
    encoder = typeahead.load(_MODEL)
    documents = [Document(f"d{row}", f"title {row}", text) for row, text in enumerate(_texts(count, 0))]
    if kind in ("exact", "hnsw"):
        build_index(documents, out, encoder, backend=kind)
        return
    vectors = encoder.encode([document.passage for document in documents])
    adopted: Any = faiss.index_factory(encoder.dim, "IVF16,Flat", faiss.METRIC_INNER_PRODUCT)
    adopted.train(vectors)
    adopted.add(vectors)
    adopted.nprobe = 4
    source = out.with_suffix(".faiss")
    faiss.write_index(adopted, str(source))
    teacher = Teacher(encoder.config.teacher.name, encoder.config.teacher.revision)
    # The query encoder cannot check passages, but here its own vectors stand for them.
    adopt_index(source, documents, out, teacher=teacher, unverified=True, warn=lambda _: None)


def _prepare(kind: str, folder: Path, count: int) -> Question:
    """Make a folder. Returns the question to ask it."""
    if kind == "model":
        shutil.copytree(find(_MODEL), folder)
        return lambda: _encode(folder)
    if (failed := ask(lambda: _build(kind, folder, count))) is not None:
        raise TypeaheadError(f"the {kind} index could not be built: {failed}")
    vectors = ask(lambda: typeahead.load(_MODEL).encode(_texts(_QUERIES, 1)))
    return lambda: _search(folder, vectors)


def _places(folder: Path, count: int, draw: random.Random) -> list[tuple[Path, int, int]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    sizes = [path.stat().st_size for path in files]
    chosen = draw.choices(files, sizes, k=count // 2) + draw.choices(files, k=count - count // 2)
    return [(path, draw.randrange(path.stat().st_size), draw.randrange(8)) for path in chosen]


def _turn(path: Path, byte: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(byte)
        value = file.read(1)[0]
        file.seek(byte)
        file.write(bytes([value ^ 1 << bit]))


def _found(folder: Path) -> bool:
    answer = ask(lambda: bool(verify_folder(folder).wrong))
    return isinstance(answer, TypeaheadError) or answer is True


def trials(kind: str, count: int, documents: int, draw: random.Random, progress: OnProgress) -> dict[str, Any]:
    """One line of the table: the flips in one kind of folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / kind
        question = _prepare(kind, folder, documents)
        before = ask(question)
        if not isinstance(before, tuple) or _found(folder):
            raise TypeaheadError(f"the undamaged {kind} folder does not answer or verify: {before}")
        ends: Counter[str] = Counter()
        found = 0
        for done, place in enumerate(_places(folder, count, draw), 1):
            _turn(*place)
            found += _found(folder)
            after = ask(question)
            if isinstance(after, TypeaheadError):
                ends["refused"] += 1
            elif isinstance(after, str):
                ends[_CRASHED] += 1
            else:
                ends["as before" if _same(before, after) else "otherwise"] += 1
            _turn(*place)
            progress(kind, done, count)
    return {
        "folder": kind,
        "flips": count,
        "found by verify": found,
        "refused when opened or asked": ends["refused"],
        "crashed": ends[_CRASHED],
        "answered as before": ends["as before"],
        "answered otherwise, in silence": ends["otherwise"],
    }


def main(arguments: Sequence[str]) -> None:
    """Flip, ask and print."""
    parser = options.parser("flips", __doc__)
    parser.add_argument("--trials", type=options.whole, default=200, help="total number of flips")
    parser.add_argument("--documents", type=options.whole, default=2000, help="documents in each index")
    parser.add_argument("--seed", type=int, default=0, help="seed for drawing the bits")
    parser.add_argument("--kinds", nargs="+", choices=_KINDS, default=_KINDS, help="kinds of folders to damage")
    chosen = parser.parse_args(arguments)
    draw = random.Random(chosen.seed)
    with ProgressBar() as progress:
        rows = [
            trials(kind, max(1, chosen.trials // len(chosen.kinds)), chosen.documents, draw, progress)
            for kind in chosen.kinds
        ]
    flips, found = (sum(row[name] for row in rows) for name in ("flips", "found by verify"))
    share = f"{100 * found / flips:.1f}%"
    report("Flipped bits", rows, json_path=chosen.json, seed=chosen.seed, documents=chosen.documents, found=share)
    if found < flips:
        sys.exit(1)


if __name__ == "__main__":
    options.run(main)
