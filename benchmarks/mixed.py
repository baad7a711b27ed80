"""Makes an index of any size from a real one: its vectors and texts, mixed and perturbed by a seeded generator.

    python -m benchmarks.mixed INDEX --out DIR [--passages 1000000] [--folder DIR]

The first n rows are the n real passages. Each further row is a random real passage, mixed with another one and
perturbed: rows that share a passage are near each other without being copies. Its text has words of both. This models
many more texts than a benchmark can encode; ``benchmarks.filters`` uses it. As a command it makes an index folder of
them, whose vectors, graph and words stay in ``--folder`` for the next time. A million passages take 4 GB of disk.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import options
from typeahead.index import open_index
from typeahead.index.approximate import build_graph
from typeahead.index.columns import FIELDS, StoredColumns
from typeahead.index.document_writer import DocumentWriter, undivided
from typeahead.index.guard import Guard
from typeahead.index.lexical.writer import FORMS, LexicalWriter
from typeahead.index.staging import DOCUMENTS, Staging
from typeahead.index.vectors import GRAPH, VECTORS, VectorWriter, choose_backend, map_vectors
from typeahead.progress import ProgressBar
from typeahead.text.document import Document

Matrix = NDArray[np.float32]

#: The share of the other passage, at least and at most, and the length of the noise beside a vector of length 1.
LEAST_MIXED, MOST_MIXED, NOISE = 0.2, 0.5, 0.5
_CHUNK = 10_000
_SEED = 20


def unit(rows: Matrix) -> Matrix:
    """Scale rows to length 1."""
    scaled: Matrix = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return scaled


class Mixed:
    """``count`` passages made of those in the index folder ``source``, with vectors of length 1."""

    def __init__(self, source: Path, count: int) -> None:
        with open_index(source) as index:
            #: The real vectors: float32 (n, dim).
            self.real = unit(np.asarray(map_vectors(index.generation / VECTORS), np.float32))
            self.documents = index.documents(range(len(index)))
        rng = np.random.default_rng(_SEED)
        self.count = count
        #: By row, the real passages that it is made of, and the share of the second: (count,).
        self.first, self.second = rng.integers(0, len(self.real), (2, count))
        self.share = rng.uniform(LEAST_MIXED, MOST_MIXED, count)
        real = min(count, len(self.real))
        self.first[:real], self.share[:real] = np.arange(real), 0

    def chunks(self) -> Iterator[Matrix]:
        """The vectors, in chunks of rows."""
        for start in range(0, self.count, _CHUNK):
            rows = slice(start, min(start + _CHUNK, self.count))
            rng = np.random.default_rng([_SEED, start])
            share = self.share[rows, None].astype(np.float32)
            noise = rng.standard_normal((len(share), self.real.shape[1]), np.float32)
            noise *= np.float32(NOISE / np.sqrt(self.real.shape[1])) * (share > 0)
            yield unit((1 - share) * self.real[self.first[rows]] + share * self.real[self.second[rows]] + noise)

    def texts(self) -> Iterator[Document]:
        """The documents, with words of both passages of each."""
        columns = (self.first.tolist(), self.second.tolist(), self.share.tolist())
        for row, (first, second, share) in enumerate(zip(*columns, strict=True)):
            one, other = self.documents[first], self.documents[second].text.split()
            kept = one.text.split()
            kept = kept[: round(len(kept) * (1 - share))]
            yield Document(str(row), one.title, " ".join(kept + other[len(other) - round(len(other) * share) :]))

    def queries(self, number: int) -> Matrix:
        """Vectors near random real passages: float32 (number, dim)."""
        rng = np.random.default_rng([_SEED, 1])
        near = self.real[rng.integers(0, len(self.real), number)]
        noise = rng.standard_normal(near.shape, np.float32) * np.float32(NOISE / np.sqrt(near.shape[1]))
        return unit(near + noise)

    def typed(self, number: int) -> list[str]:
        """Two to four words of random real passages, every second time with the last one cut."""
        rng = np.random.default_rng([_SEED, 2])
        found: list[str] = []
        while len(found) < number:
            words = self.documents[int(rng.integers(0, len(self.documents)))].text.split()
            if len(words) < 8:
                continue
            chosen = [words[place] for place in rng.choice(len(words), int(rng.integers(2, 5)), replace=False)]
            last = chosen[-1]
            cut = last[: max(1, len(last) * 2 // 3)] if len(found) % 2 else f"{last} "
            found.append(" ".join([*chosen[:-1], cut]))
        return found


def build(mixed: Mixed, folder: Path, *, graph: bool) -> None:
    """Write vectors, words and, if asked for, the graph into ``folder``, unless they are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProgressBar() as tell:
        if not (folder / VECTORS).exists():
            partial = folder / f"{VECTORS}.partial"
            partial.unlink(missing_ok=True)
            writer = VectorWriter(partial, mixed.real.shape[1])
            for chunk in mixed.chunks():
                writer.write(chunk)
                tell("copy", writer.rows, mixed.count)
            writer.finish()
            partial.replace(folder / VECTORS)
        if graph and not (folder / GRAPH).exists():
            partial = folder / f"{GRAPH}.partial"
            build_graph(map_vectors(folder / VECTORS), partial, lambda rows: tell("graph", rows, mixed.count))
            partial.replace(folder / GRAPH)
        if not (folder / FORMS).exists():
            with LexicalWriter(folder) as words:
                for document in islice(mixed.texts(), mixed.count):
                    words.add(document)
                    if words.count % _CHUNK == 0:
                        tell("words", words.count, mixed.count)
                words.finish()


def make_index(mixed: Mixed, source: Path, folder: Path, out: Path) -> None:
    """Make an index folder of what :func:`build` wrote into ``folder``; its files are linked."""
    with open_index(source) as index:
        old = index.manifest
    with (
        Staging(out, {"kind": "mixed"}, resume=False, guard=Guard(allow_empty=True, max_shrink=1)) as staging,
        ProgressBar() as tell,
    ):
        for path in folder.iterdir():
            _link(path, staging.folder / path.name)
        with closing(DocumentWriter(staging.folder / DOCUMENTS)) as store:
            texts, done = mixed.texts(), 0
            while part := list(islice(texts, _CHUNK)):
                store.append((document, undivided(document)) for document in part)
                done += len(part)
                tell("documents", done, mixed.count)
            store.finish()
        StoredColumns(mixed.count, {}).write(staging.folder / FIELDS)
        staging.commit(
            teacher=old.teacher,
            dim=old.dim,
            similarity=old.similarity,
            count=mixed.count,
            passages=mixed.count,
            backend=choose_backend("auto", mixed.count),
            source=f"{mixed.count} mixed from {source.name}",
            encoder=old.encoder,
        )


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def main(arguments: Sequence[str]) -> None:
    """Make an index."""
    parser = options.parser("mixed", __doc__)
    parser.add_argument("index", type=Path, metavar="INDEX", help="folder of a real index with vectors of its own")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--passages", type=options.whole, default=1_000_000)
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where vectors, graph and words are kept")
    chosen = parser.parse_args(arguments)
    mixed = Mixed(chosen.index, chosen.passages)
    folder = chosen.folder or chosen.out.with_name(f"{chosen.out.name}.parts")
    build(mixed, folder, graph=choose_backend("auto", chosen.passages) == "hnsw")
    make_index(mixed, chosen.index, folder, chosen.out)


if __name__ == "__main__":
    options.run(main)
