"""Vectors of all passages of a collection: encoded once, kept on disk in shards, read a shard at a time.

Eight million passages do not fit in memory and can take days, so a shard that is finished stays whatever kills the
process. Which shards there are, and where, is for ``vector_cache``; what is in one is for ``shards``.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from typeahead.errors import ModelError
from typeahead.evaluate.data.collection import Passage
from typeahead.evaluate.data.datasets import Dataset
from typeahead.evaluate.data.ids import PassageIds
from typeahead.evaluate.quantities import byte_count, duration
from typeahead.evaluate.text_encoder import TextEncoder
from typeahead.evaluate.vectors.shards import AnyVectors, PassageCacheError, Shard
from typeahead.evaluate.vectors.vector_cache import VectorCache
from typeahead.progress import OnProgress

__all__ = ["PassageCacheError", "PassageVectors", "encode_passages"]

#: Passages in a shard: 25 MB of 384 float32, and at 53 passages a second five minutes that a kill can cost.
SHARD_SIZE = 16_384
DTYPES = ("float32", "float16")
#: Passages that the encoder is given at once.
_BATCH = 512
#: Batches after which time is estimated, the first of them not timed: it pays for what is loaded and compiled once.
_MEASURED = 3


class PassageVectors:
    """Vectors of a collection's passages, by row.

    Attributes:
        name: of the collection.
        ids: id by row.
        count: number of passages.
        dim: length of a vector.
    """

    def __init__(self, name: str, ids: PassageIds, dim: int, shards: Sequence[Shard] | AnyVectors) -> None:
        self.name = name
        self.ids = ids
        self.count = len(ids)
        self.dim = dim
        self._shards = shards

    def __len__(self) -> int:
        return self.count

    def shards(self) -> Iterator[tuple[int, AnyVectors]]:
        """First row, and vectors float32 or float16 (n, dim), of each shard, by row.

        A shard is read when it is asked for, and not kept. Raises :class:`PassageCacheError` if it cannot be, or has
        become shorter.
        """
        if isinstance(self._shards, np.ndarray):
            yield 0, self._shards
            return
        first = 0
        for shard in self._shards:
            yield first, shard.read()
            first += shard.count

    def id_of(self, row: int) -> str:
        """Id of the passage in ``row``; ``IndexError`` if there is none, as for -1."""
        return self.ids[row]

    def ids_of(self, rows: ArrayLike) -> list[str]:
        """Ids of the passages in ``rows``; ``IndexError`` if there is none, as for -1."""
        return self.ids.of(rows)

    def to_array(self) -> NDArray[np.float32]:
        """All vectors, float32 (count, dim), for a collection that fits in memory."""
        whole = np.empty((self.count, self.dim), np.float32)
        for first, vectors in self.shards():
            whole[first : first + len(vectors)] = vectors
        return whole

    @classmethod
    def from_arrays(cls, ids: Iterable[str], vectors: AnyVectors, name: str = "") -> PassageVectors:
        """Vectors in memory, float32 or float16 (n, dim). ``ValueError`` unless there is one for each id."""
        listed = PassageIds(ids)
        if vectors.ndim != 2 or len(vectors) != len(listed) or str(vectors.dtype) not in DTYPES:
            raise ValueError(f"{vectors.dtype} {vectors.shape} does not hold a vector for each of {len(listed)} ids")
        return cls(name, listed, vectors.shape[1], vectors)


def encode_passages(
    encoder: TextEncoder,
    encoder_key: str,
    dataset: Dataset,
    cache: Path,
    *,
    shard_size: int = SHARD_SIZE,
    dtype: str = "float32",
    progress: OnProgress | None = None,
    announce: Callable[[str], None] | None = None,
) -> PassageVectors:
    """Give the vectors of a dataset's passages: those in ``cache``, and those that have to be encoded first.

    A shard is on disk before the next is begun, so a process that is killed loses one at most. All shards that are
    there are read once, and those that are damaged or belong to other passages encoded again.

    Args:
        encoder: encodes passages; not asked if all vectors are there.
        encoder_key: stands for the encoder and changes with it, as the hashes of its files do.
        dataset: whose passages.
        cache: folder of the vectors of all collections; may be missing.
        shard_size: passages in a shard. Another number makes other shards.
        dtype: "float32", or "float16" for half of the disk and three significant digits.
        progress: called with "passages of NAME", the number that is done, and that of all.
        announce: told, a line each: what is there already, what is encoded again and why, and, after some batches and
            before the rest, what time and disk it will take.

    Raises:
        PassageCacheError: the disk lacks the room, the folder cannot be written, another process is encoding the same,
            or a shard is another encoder's or of a later format.
        ModelError: the encoder gave vectors of a wrong shape or that are not finite; the passage is named.
        SourceError: the passages cannot be read, or have changed since the dataset was opened.
        ValueError: ``shard_size`` is below 1, or there is no such ``dtype``.
    """
    if shard_size < 1:
        raise ValueError(f"shard_size is {shard_size}, it must be at least 1")
    if dtype not in DTYPES:
        raise ValueError(f"dtype {dtype!r} is none of {', '.join(DTYPES)}")
    say = announce or (lambda _: None)
    collection = dataset.collection
    stored = VectorCache(cache, collection, encoder_key, shard_size=shard_size, dtype=dtype, announce=say)
    stored.look(progress)
    if stored.missing:
        with stored.locked():
            # Another process may have finished some in the meantime.
            stored.look()
            _Encoding(encoder, dataset, stored, np.dtype(dtype), progress, say).run()
    shards = stored.shards()
    return PassageVectors(collection.name, collection.ids, shards[0].dim, shards)


class _Encoding:
    """Makes the shards that ``stored`` lacks, in order."""

    def __init__(
        self,
        encoder: TextEncoder,
        dataset: Dataset,
        stored: VectorCache,
        dtype: np.dtype[Any],
        progress: OnProgress | None,
        say: Callable[[str], None],
    ) -> None:
        self._encoder = encoder
        self._dataset = dataset
        self._stored = stored
        self._dtype = dtype
        self._progress = progress
        self._say = say
        self._name = dataset.collection.name
        self._total = dataset.passage_count
        self._at_first = self._done = stored.done
        self._estimate: _Estimate | None = _Estimate()

    def run(self) -> None:
        missing = self._stored.missing
        if self._done:
            self._say(f"{self._done:,} of {self._total:,} passages of {self._name} are encoded already")
        self._tell()
        stream: Iterator[Passage] = iter(())
        row = -1
        for number in missing:
            rows = self._stored.rows(number)
            if rows.start != row:
                stream = self._dataset.passages(rows.start)
            row = rows.stop
            self._stored.add(number, self._shard(itertools.islice(stream, len(rows)), len(rows)))

    def _shard(self, passages: Iterator[Passage], count: int) -> AnyVectors:
        shard: AnyVectors | None = None
        for first in range(0, count, _BATCH):
            started = time.perf_counter()
            batch = list(itertools.islice(passages, _BATCH))
            vectors = self._encode(batch)
            if shard is None:
                shard = np.empty((count, vectors.shape[1]), self._dtype)
            if vectors.shape[1] != shard.shape[1]:
                raise ModelError(
                    f"the passage encoder gave vectors of length {vectors.shape[1]} for passage {batch[0].id!r}, "
                    f"of {shard.shape[1]} before"
                )
            shard[first : first + len(batch)] = vectors
            self._done += len(batch)
            self._tell()
            self._measure(len(batch), time.perf_counter() - started, shard.shape[1])
        assert shard is not None
        return shard

    def _encode(self, batch: list[Passage]) -> AnyVectors:
        given = np.asarray(self._encoder.encode([passage.text for passage in batch]))
        if given.ndim != 2 or len(given) != len(batch) or not given.shape[1] or given.dtype.kind != "f":
            raise ModelError(f"the passage encoder gave {given.dtype} {given.shape} for {len(batch)} passages")
        with np.errstate(over="ignore"):
            vectors: AnyVectors = given.astype(self._dtype)
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            row = int(np.argmin(finite))
            hint = " in float16; try float32" if np.isfinite(given[row]).all() else ""
            raise ModelError(
                f"the passage encoder gave a vector that is not finite{hint}: that of passage {batch[row].id!r} of "
                f"{self._name}"
            )
        return vectors

    def _measure(self, count: int, seconds: float, dim: int) -> None:
        """After the first batch, see that the disk has room; after some, say how long it will take."""
        remaining = self._total - self._at_first
        needed = remaining * dim * self._dtype.itemsize
        estimate = self._estimate
        if estimate is None:
            return
        if not estimate.batches:
            self._stored.refuse_if_full(needed)
        estimate.add(count, seconds)
        if estimate.batches == _MEASURED or self._done == self._total:
            rate = estimate.rate
            self._say(
                f"{remaining:,} passages of {self._name} to encode: {byte_count(needed)} as {self._dtype} in "
                f"{self._stored.folder}, about {duration(remaining / rate)} at {rate:,.0f} a second"
            )
            self._estimate = None

    def _tell(self) -> None:
        if self._progress:
            self._progress(f"passages of {self._name}", self._done, self._total)


class _Estimate:
    """How many passages a second, by batches of which the first does not count if there are more."""

    def __init__(self) -> None:
        self.batches = 0
        self.rate = 0.0
        self._count = 0
        self._seconds = 0.0

    def add(self, count: int, seconds: float) -> None:
        self.batches += 1
        if self.batches == 2:
            self._count, self._seconds = 0, 0.0
        self._count += count
        self._seconds += seconds
        self.rate = self._count / max(self._seconds, 1e-9)
