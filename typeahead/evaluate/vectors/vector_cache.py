"""The folder with a collection's vectors by one encoder: the shards that it needs, and those that it has.

``passages`` fills it, and ``shards`` knows the files. The layout of the folder for all collections::

    COLLECTION-ENCODER/                  name of the collection; hash of the type of number and the encoder's key
        00000-PASSAGES.safetensors       number of the shard; hash of its passages
        lock                             held by a process while it encodes

So datasets with the same passages share their vectors, and two collections with one name do not disturb each other.
To delete vectors, delete their folder.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from typeahead.evaluate.data.collection import Collection
from typeahead.evaluate.filenames import safe_name
from typeahead.evaluate.quantities import byte_count
from typeahead.evaluate.vectors.shards import PARTIAL, AnyVectors, PassageCacheError, Shard, ShardDamaged, write_shard
from typeahead.progress import OnProgress

_LOCK = "lock"


class VectorCache:
    """The shards of ``collection``, with ``shard_size`` passages each, by the encoder that ``key`` identifies.

    ``announce`` gets a line of text for each existing shard that cannot be used.
    """

    def __init__(
        self,
        root: Path,
        collection: Collection,
        key: str,
        *,
        shard_size: int,
        dtype: str,
        announce: Callable[[str], None],
    ) -> None:
        encoder = hashlib.sha256(f"{dtype} {key}".encode()).hexdigest()[:12]
        self.folder = root / f"{safe_name(collection.name)}-{encoder}"
        self._collection = collection
        self._key = key
        self._dtype = dtype
        self._starts = range(0, len(collection), shard_size)
        self._announce = announce
        self._found: dict[int, Shard] = {}
        self._damaged: set[int] = set()

    @property
    def missing(self) -> list[int]:
        """Numbers of the shards that :meth:`look` did not find and :meth:`add` did not write."""
        return [number for number in range(len(self._starts)) if number not in self._found]

    @property
    def done(self) -> int:
        """Number of passages that have vectors."""
        return sum(shard.count for shard in self._found.values())

    def rows(self, number: int) -> range:
        """Rows of the passages of a shard."""
        return range(self._starts[number], min(self._starts[number] + self._starts.step, len(self._collection)))

    def shards(self) -> list[Shard]:
        """All shards in order, once none is missing."""
        return [self._found[number] for number in range(len(self._starts))]

    def look(self, progress: OnProgress | None = None) -> None:
        """Find missing shards that are on the disk by now, and read each in full to check that it is complete.

        Raises :class:`PassageCacheError` for a shard of another encoder, with another shape than the others, or in a
        later format: none of these is overwritten.
        """
        there = [number for number in self.missing if self._path(number).exists()]
        for at, number in enumerate(there):
            if progress:
                progress(f"checking vectors of {self._collection.name}", at, len(there))
            try:
                self._found[number] = self._open(number)
            except ShardDamaged as damage:
                if number not in self._damaged:
                    self._announce(f"{damage}; it is encoded again")
                self._damaged.add(number)
        if progress and there:
            progress(f"checking vectors of {self._collection.name}", len(there), len(there))

    def add(self, number: int, vectors: AnyVectors) -> None:
        """Write a shard. Raises :class:`PassageCacheError`."""
        path = self._path(number)
        self._refuse_other_shape(path, vectors.shape[1])
        self._found[number] = write_shard(path, vectors, encoder=self._key, passages=self._digest(number))

    def refuse_if_full(self, needed: int) -> None:
        """Raise :class:`PassageCacheError` if the disk has no room for ``needed`` bytes."""
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise PassageCacheError(
                f"the vectors need {byte_count(needed)} and the disk has {byte_count(free)} left: make room, "
                "give a folder on another disk, or take float16",
                path=self.folder,
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing here.

        Raises :class:`PassageCacheError` if another process does, or if the folder cannot be written.
        """
        # A transaction of SQLite locks on every system, and ends with its process, however the process dies.
        connection = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.folder / _LOCK, timeout=0, isolation_level=None)
            connection.execute("BEGIN EXCLUSIVE")
            for partial in self.folder.glob(f"*{PARTIAL}"):
                partial.unlink()
        except (OSError, sqlite3.Error) as error:
            if connection is not None:
                connection.close()
            # The low byte of an extended code is the code.
            if isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise PassageCacheError("another process is encoding these: wait for it", path=self.folder) from error
            reason = getattr(error, "strerror", None) or error
            raise PassageCacheError(f"vectors cannot be written there: {reason}", path=self.folder) from error
        try:
            yield
        finally:
            connection.close()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:05}-{self._digest(number)[:16]}.safetensors"

    def _digest(self, number: int) -> str:
        rows = self.rows(number)
        return self._collection.digest(rows.start, rows.stop)

    def _open(self, number: int) -> Shard:
        shard = Shard.open(self._path(number))
        if shard.encoder != self._key:
            raise PassageCacheError(
                f"holds vectors of the encoder {shard.encoder[:60]!r}, not of {self._key[:60]!r}: files were moved, "
                "so delete the folder",
                path=shard.path,
            )
        if shard.passages != self._digest(number) or shard.count != len(self.rows(number)):
            raise ShardDamaged("holds vectors of other passages", path=shard.path)
        if shard.dtype != self._dtype:
            raise ShardDamaged(f"holds {shard.dtype}, not {self._dtype}", path=shard.path)
        self._refuse_other_shape(shard.path, shard.dim)
        shard.read(verify=True)
        return shard

    def _refuse_other_shape(self, path: Path, dim: int) -> None:
        other = next(iter(self._found.values()), None)
        if other is not None and other.dim != dim:
            raise PassageCacheError(
                f"has vectors of length {dim}, {other.path.name} of {other.dim}, though both are said to be by one "
                "encoder: delete the folder",
                path=path,
            )
