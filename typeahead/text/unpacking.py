"""Opens files for reading and unpacks compressed ones: gzip, Zstandard, bzip2 and xz, told apart by their first bytes.

The name of a file does not matter, so a pipe may be compressed, too. Unpacking streams, and it says how far it got if
the data end too early or are damaged. A small file that unpacks to gigabytes is refused: it is either an attack or a
mistake.

Zstandard is read by :mod:`backports.zstd`, the backport of Python 3.14's :mod:`compression.zstd`. Its ``ZstdFile`` can
rewind and raises ``EOFError`` for truncated data, just like :class:`gzip.GzipFile`. The package ``zstandard`` can do
neither.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from typeahead.errors import MissingExtra, SourceError

#: Suffixes of compressed files; the suffix before them tells the format.
SUFFIXES = frozenset({".gz", ".zst", ".zstd", ".bz2", ".xz"})
#: Unpacked data of more than ``BEFORE`` bytes must not be more than this many times larger than the file. JSONL shrinks
#: to between a half and a thirtieth. gzip can shrink data to a thousandth, Zstandard and bzip2 to far less.
MOST_TIMES, BEFORE = 250, 64 << 20
#: What reading may raise. ``zlib.error`` and the others mean damage, ``EOFError`` a file that was cut short.
UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError)

_BUFFER = 1 << 16
_LONGEST_MAGIC = 6


def open_bytes(path: Path) -> BinaryIO:
    """Open a file or pipe to read its bytes, unpacked.

    The stream can seek if the file can. Reading raises ``OSError`` for data that cannot be unpacked.

    Raises:
        SourceError: the file cannot be opened.
        MissingExtra: it is compressed by Zstandard, and ``backports.zstd`` is not installed.
    """
    try:
        file: BinaryIO = path.open("rb")
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}", path=path) from error
    try:
        if file.seekable():
            head = file.read(_LONGEST_MAGIC)
            file.seek(0)
        else:
            head = file.read(_LONGEST_MAGIC)
            file = _Chained(head, file)
        for magic, (name, unpack) in _FORMATS.items():
            if head.startswith(magic):
                return cast("BinaryIO", io.BufferedReader(_Unpacking(name, unpack, file), _BUFFER))
    except OSError as error:
        file.close()
        raise SourceError(f"cannot be read: {error.strerror or error}", path=path) from error
    except BaseException:
        file.close()
        raise
    return file


def unpacked_name(path: Path) -> Path:
    """Return the path without the suffix of a compressed file."""
    return path.with_suffix("") if path.suffix.lower() in SUFFIXES else path


def _opened(file: object) -> BinaryIO:
    return cast("BinaryIO", file)


def _zstd(file: BinaryIO) -> BinaryIO:
    try:
        module = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    except ImportError as error:
        raise MissingExtra("backports.zstd", "zstd") from error
    return _opened(module.ZstdFile(file))


#: The first bytes of compressed data, what the format is called, and what unpacks it.
_FORMATS: dict[bytes, tuple[str, Callable[[BinaryIO], BinaryIO]]] = {
    b"\x1f\x8b": ("gzip", lambda file: _opened(gzip.GzipFile(fileobj=file))),
    b"\x28\xb5\x2f\xfd": ("Zstandard", _zstd),
    b"BZh": ("bzip2", lambda file: _opened(bz2.BZ2File(file))),
    b"\xfd7zXZ\x00": ("xz", lambda file: _opened(lzma.LZMAFile(file))),  # noqa: SIM115
}


class _Counted(io.RawIOBase):
    """A file that counts the bytes read from it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count: int = self._file.readinto(buffer)  # type: ignore[attr-defined]
        self.count += count
        return count

    def seekable(self) -> bool:
        return self._file.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        self.count = self._file.seek(offset, whence)
        return self.count

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


class _Unpacking(io.RawIOBase):
    """Unpacked data, with errors that say how far reading got."""

    def __init__(self, name: str, unpack: Callable[[BinaryIO], BinaryIO], file: BinaryIO) -> None:
        self._name = name
        self._packed = _Counted(file)
        self._inner = unpack(cast("BinaryIO", self._packed))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._packed.seekable()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            # One step at a time: readinto() would lose what comes before an error.
            piece: bytes = self._inner.read1(len(buffer))  # type: ignore[attr-defined]
        except EOFError:
            raise self._failed("are cut short") from None
        except Exception as error:
            # Each of the libraries raises errors of its own; ZstdError is a plain Exception.
            raise self._failed(f"are damaged ({error})") from error
        count = len(piece)
        buffer[:count] = piece
        self._at += count
        if self._at > max(BEFORE, MOST_TIMES * self._packed.count):
            raise self._failed(
                f"unpack to more than {MOST_TIMES} times their size: if that is no mistake, unpack the file yourself"
            )
        return count

    def _failed(self, what: str) -> OSError:
        return OSError(f"its {self._name} data {what}, after {self._at:,} unpacked bytes")

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = self._inner.seek(offset, whence)
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        self._inner.close()
        self._packed.close()
        super().close()


class Pieces(io.RawIOBase):
    """Pieces of bytes as one stream."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._left = memoryview(b"")

    def readable(self) -> bool:  # noqa: D102
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # noqa: D102
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


class _Chained(io.BufferedReader):
    """Bytes that were read already, followed by the rest of a pipe."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        super().__init__(Pieces(_rest(head, file)), _BUFFER)
        self._file = file

    def close(self) -> None:
        self._file.close()
        super().close()


def _rest(head: bytes, file: BinaryIO) -> Iterator[bytes]:
    yield head
    while piece := file.read1(_BUFFER):  # type: ignore[attr-defined]
        yield piece
