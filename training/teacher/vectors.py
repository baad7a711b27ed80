"""The disk cache of a teacher's vectors.

The teacher's vector of a text never changes, and students are trained on it many times. So it is computed once.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file
from tqdm import tqdm

from typeahead.progress import OnProgress

if TYPE_CHECKING:
    from training.teacher.torch_teacher import TorchTeacher


#: Seconds after which an unfinished shard is taken to be left by a killed process. Writing one takes less than one.
_ABANDONED = 3600


def digest_of(text: str) -> bytes:
    """BLAKE2b of the teacher's input: prompt and text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class VectorCache:
    """A teacher's vectors on disk: float16 shards, keyed by teacher, pooling, prompt and text.

    ``<folder>/<teacher key>/00000.safetensors`` holds ``digest`` uint8 (n, 16), BLAKE2b of prompt and text, and
    ``vectors`` float16 (n, dim). A shard is written under another name and gets its own when it is whole. So a killed
    run loses at most one shard, and several processes can write at once. Vectors are read from their shard when they
    are asked for, and no shard stays open: millions of texts need neither memory for their vectors nor a file each.

    Args:
        folder: of the vectors of all teachers.
        teacher: encodes what is missing.
        shard_size: texts in a new shard.
        on_progress: called after each shard; without it, a bar is drawn on a terminal.
        process, processes: which of several processes this is. Each encodes a share of what :meth:`fill` is given, so
            all of them must call it with the same texts.
        wait: waits for all processes.
    """

    def __init__(
        self,
        folder: Path,
        teacher: TorchTeacher,
        *,
        shard_size: int = 8192,
        on_progress: OnProgress | None = None,
        process: int = 0,
        processes: int = 1,
        wait: Callable[[], None] | None = None,
    ) -> None:
        self.teacher = teacher
        self._process, self._processes, self._wait = process, processes, wait
        self.folder = folder / teacher.key()
        self.shard_size = shard_size
        self._on_progress = on_progress
        self.folder.mkdir(parents=True, exist_ok=True)
        for partial in self.folder.glob("*.partial"):
            if partial.stat().st_mtime < time.time() - _ABANDONED:
                partial.unlink(missing_ok=True)
        self._shards: list[_Stored] = []
        self._known: set[str] = set()
        self._where: dict[bytes, tuple[int, int]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Pick up shards that other processes have written."""
        for path in sorted(self.folder.glob("*.safetensors")):
            if path.name not in self._known:
                self._add(path)

    def _add(self, path: Path) -> None:
        stored = _stored_tensors(path)
        raw = stored["digest"].read().tobytes()
        number = len(self._shards)
        self._known.add(path.name)
        self._shards.append(stored["vectors"])
        for row in range(len(raw) // 16):
            self._where[raw[16 * row : 16 * row + 16]] = (number, row)

    def fill(self, texts: Sequence[str], *, prompt: str = "", label: str = "teacher vectors") -> None:
        """Encode and store the texts, after ``prompt``, that are not there yet.

        Raises:
            ValueError: the teacher gave a vector that is not finite.
        """
        missing = [text for text in dict.fromkeys(texts) if self._to_encode(digest_of(prompt + text))]
        hidden = True if self._on_progress else None
        with tqdm(total=len(missing), desc=label, unit="text", disable=hidden, mininterval=5) as progress:
            for start in range(0, len(missing), self.shard_size):
                part = missing[start : start + self.shard_size]
                vectors = self.teacher.encode(part, prompt=prompt).astype(np.float16)
                if not np.isfinite(vectors).all():
                    raise ValueError(f"teacher {self.teacher.name} gave a vector that is not finite: try dtype float32")
                digests = np.frombuffer(b"".join(digest_of(prompt + text) for text in part), np.uint8).reshape(-1, 16)
                partial = self.folder / f"{os.getpid()}.partial"
                save_file({"digest": digests, "vectors": vectors}, partial)
                self._add(self._place(partial))
                progress.update(len(part))
                if self._on_progress:
                    self._on_progress(label, start + len(part), len(missing))
        if self._wait is not None:
            self._wait()
            self.refresh()

    def _to_encode(self, digest: bytes) -> bool:
        """Whether a text is missing and belongs to this process. The text alone decides to which it belongs."""
        return digest not in self._where and int.from_bytes(digest[:8], "little") % self._processes == self._process

    def _place(self, partial: Path) -> Path:
        """Give a whole shard the next free number. A link is used because, unlike a rename, it replaces nothing."""
        number = len(self._shards)
        while True:
            path = self.folder / f"{number:05d}.safetensors"
            try:
                path.hardlink_to(partial)
            except FileExistsError:
                number += 1
                continue
            partial.unlink()
            return path

    def get(self, texts: Sequence[str], *, prompt: str = "") -> np.ndarray:
        """The vectors of texts that :meth:`fill` was given: float16 (n, dim).

        Raises:
            KeyError: one of the texts is not in the cache.
        """
        vectors = np.empty((len(texts), self.teacher.dim), np.float16)
        places = np.array([self._where[digest_of(prompt + text)] for text in texts], np.int64).reshape(-1, 2)
        order = np.lexsort((places[:, 1], places[:, 0]))
        for rows in np.split(order, np.flatnonzero(np.diff(places[order, 0])) + 1):
            if len(rows):
                vectors[rows] = self._shards[places[rows[0], 0]].read()[places[rows, 1]]
        return vectors


class _Stored(NamedTuple):
    """Where an array lies in a file."""

    path: Path
    dtype: type[np.generic]
    offset: int
    shape: tuple[int, ...]

    def read(self) -> np.ndarray:
        """The array, mapped and read-only. The file is closed when the array is no longer used."""
        return np.memmap(self.path, self.dtype, "r", self.offset, self.shape)


def _stored_tensors(path: Path) -> dict[str, _Stored]:
    """The arrays of a safetensors file."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    types: dict[str, type[np.generic]] = {"U8": np.uint8, "F16": np.float16}
    return {
        name: _Stored(path, types[entry["dtype"]], 8 + length + entry["data_offsets"][0], tuple(entry["shape"]))
        for name, entry in header.items()
    }
