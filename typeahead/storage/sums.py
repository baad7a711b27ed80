"""How to recognize a file: by its size, a checksum of its ends for a quick check, and a checksum of all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: Bytes that a quick check reads at each end.
_END = 1 << 16
#: Bytes per read; at least as many as at an end.
_CHUNK = 1 << 18

#: A progress callback; it receives the number of bytes read since the last call.
Tell = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """Size and checksums of a file."""

    bytes: int
    #: SHA-256 of the first and last 65,536 bytes, or of the whole file if it is shorter than both together.
    ends_sha256: str
    #: SHA-256 of the whole file; ``None`` if the writer of this entry did not record it.
    sha256: str | None = None

    @classmethod
    def of(cls, path: Path, tell: Tell | None = None) -> FileEntry:
        """Describe a file's current content, reading it once."""
        whole = hashlib.sha256()
        with path.open("rb") as file:
            first = last = b""
            while chunk := file.read(_CHUNK):
                whole.update(chunk)
                if not first:
                    first, last = chunk[:_END], chunk[_END:][-_END:]
                else:
                    last = (last + chunk)[-_END:]
                if tell is not None:
                    tell(len(chunk))
            size = file.tell()
        return cls(size, hashlib.sha256(first + last).hexdigest(), whole.hexdigest())


def ends_sha256(path: Path, size: int) -> str:
    """Checksum of both ends of a file of ``size`` bytes, in hexadecimal."""
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(_END))
        if size > _END:
            file.seek(max(_END, size - _END))
            digest.update(file.read(_END))
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
