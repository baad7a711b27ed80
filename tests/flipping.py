"""Small folders of every kind, and flips of single bits in them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import faiss
import numpy as np

from tests.index.hashing import HashingEncoder, documents
from typeahead.index import Teacher, adopt_index, build_index

KINDS = ("exact", "hnsw", "faiss")


def write_index(kind: str, out: Path, *, count: int = 400) -> Path:
    """An index whose vectors are those of :class:`HashingEncoder`."""
    encoder = HashingEncoder()
    if kind != "faiss":
        build_index(documents(count), out, encoder, backend=kind)
        return out
    vectors = encoder.encode([document.passage for document in documents(count)])
    index = faiss.IndexIDMap2(faiss.IndexHNSWFlat(16, 8, faiss.METRIC_INNER_PRODUCT))
    index.add_with_ids(vectors, np.arange(count)[::-1] + 7)
    source = out.with_suffix(".index")
    faiss.write_index(index, str(source))
    ids = out.with_suffix(".ids")
    ids.write_text("".join(f"{document.id}\n" for document in documents(count)))
    adopt_index(source, documents(count), out, teacher=Teacher("hash-teacher", "r1"), ids=ids, encoder=encoder)
    return out


@contextmanager
def flipped(path: Path, byte: int, bit: int) -> Iterator[None]:
    """The file with one bit turned, for as long as the context lasts."""
    with path.open("r+b", buffering=0) as file:
        file.seek(byte)
        value = file.read(1)[0]
        for turned in (value ^ 1 << bit, value):
            file.seek(byte)
            file.write(bytes([turned]))
            if turned != value:
                yield


def places(folder: Path, count: int, seed: int) -> list[tuple[Path, int, int]]:
    """File, byte and bit of ``count`` flips: half by size, half with each file as likely as any other."""
    draw = random.Random(seed)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    sizes = [path.stat().st_size for path in files]
    chosen = draw.choices(files, sizes, k=count // 2) + draw.choices(files, k=count - count // 2)
    return [(path, draw.randrange(path.stat().st_size), draw.randrange(8)) for path in chosen]
