"""Vectors of all passages of a collection: encoded once, kept on disk in shards, read a shard at a time.

Eight million passages do not fit in memory, and encoding them can take days, so a finished shard survives whatever
kills the process. ``vector_cache`` knows which shards there are and where; ``shards`` knows what one contains.
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
from typeahead.evaluate.quantities import byte_count, duration
from typeahead.evaluate.text_encoder import TextEncoder
from typeahead.evaluate.vectors.shards import AnyVectors, PassageCacheError, Shard
from typeahead.evaluate.vectors.vector_cache import VectorCache
from typeahead.progress import OnProgress
from typeahead.text.ids import PassageIds

__all__ = ["PassageCacheError", "PassageVectors", "encode_passages"]

#: Passages in a shard: 25 MB of 384 float32. At 53 passages a second, a kill can cost five minutes of work.
SHARD_SIZE = 16_384
DTYPES = ("float32", "float16")
#: Passages for the encoder at once.
_BATCH = 512
#: Batches before the time is estimated. The first is not timed, since it includes loading and compiling.
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
        """Yield first row and vectors, float32 or float16 (n, dim), of each shard, in the order of rows.

        A shard is read when its turn comes, and not kept. Raises :class:`PassageCacheError` if it cannot be read or has
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
    """Give the vectors of a dataset's passages, from ``cache`` or encoded now.

    Each shard is on disk before the next one begins, so a killed process loses at most one. All existing shards are
    read once; those that are damaged or belong to other passages are encoded again.

    Args:
        encoder: encodes passages; not used if all vectors exist.
        encoder_key: identifies the encoder and changes with it, like the hashes of its files.
        dataset: the dataset with the passages.
        cache: folder for the vectors of all collections; may be missing.
        shard_size: passages in a shard. Shards of another size cannot be used.
        dtype: "float32", or "float16" for half of the disk and three significant digits.
        progress: called with "passages of NAME", the number of encoded passages, and the number of all.
        announce: gets a line of text about existing vectors, about each shard that is encoded again and why, and,
            after some batches, about the time and disk space for the rest.

    Raises:
        PassageCacheError: the disk is too full, the folder cannot be written, another process is encoding the same
            passages, or a shard comes from another encoder or a later format.
        ModelError: the encoder gave vectors of a wrong shape, or not finite; the passage is named.
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
            # Another process may have finished some since then.
            stored.look()
            _Encoding(encoder, dataset, stored, np.dtype(dtype), progress, say).run()
    shards = stored.shards()
    return PassageVectors(collection.name, collection.ids, shards[0].dim, shards)


class _Encoding:
    """Makes the missing shards of ``stored``, in order."""

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
        """After the first batch, check the disk space; after some more, announce how long it will take."""
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
    """Passages a second over all batches except the first, if there are others."""

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
