"""Opens a file in any encoding as a stream of UTF-8 whose lines end in LF."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from typeahead.errors import SourceError
from typeahead.text.bad_lines import Notice
from typeahead.text.encodings import UTF8, Encoding, as_utf8, confirm, recognise
from typeahead.text.unpacking import Pieces

_CHUNK = 1 << 20


class Transcoded(NamedTuple):
    """The encoding that a file has, and its content as UTF-8 whose lines end in LF."""

    encoding: str
    stream: BinaryIO


def transcoded(path: Path, file: BinaryIO, encoding: str | None, notice: Notice) -> Transcoded:
    """Read ``file``, which was opened from ``path``, in ``encoding`` or in the one that it seems to have.

    ``notice`` is told of an encoding other than UTF-8 that was recognised. Raises
    :class:`~typeahead.errors.SourceError` for a file that is no text.
    """
    head = file.read(_CHUNK)
    if encoding is not None:
        found = confirm(encoding, head)
    else:
        try:
            found = recognise(_with_rest(head, file) if file.seekable() else [head])
        except ValueError as error:
            raise SourceError(str(error), path=path) from None
        if found.reason:
            notice(f"{path}: read as {found.name}, {found.reason}")
    old_breaks = _has_old_breaks(head, found)
    if file.seekable():
        file.seek(found.mark)
        if found.name == UTF8 and not old_breaks:
            return Transcoded(UTF8, file)
        chunks = _chunks(file)
    else:
        chunks = _with_rest(head[found.mark :], file)
    chunks = as_utf8(chunks, found.name)
    if old_breaks:
        chunks = (chunk.replace(b"\r", b"\n") for chunk in chunks)
    return Transcoded(found.name, io.BufferedReader(Pieces(chunks), 1 << 16))


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _with_rest(head: bytes, file: BinaryIO) -> Iterator[bytes]:
    yield head
    yield from _chunks(file)


def _has_old_breaks(head: bytes, found: Encoding) -> bool:
    """Whether lines end in CR, as on old Macintoshes."""
    text = b"".join(as_utf8([head[found.mark :]], found.name))
    return b"\r" in text[:-1] and b"\n" not in text
