"""Recognises the encoding of a source, and turns any encoding into UTF-8 while the source is read.

Sources should be UTF-8, and everything else here reads UTF-8. Three things point to another encoding: a byte order
mark, NUL bytes in every other place (UTF-16), and bytes that UTF-8 does not have. A file that is UTF-8 except for a few
damaged bytes stays UTF-8: its bad lines are errors, never letters of another encoding.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

UTF8 = "utf-8"

#: Longer marks first: UTF-32's begins like UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OTHER_FILES = (
    # Whoever reads files of records has unpacked them already.
    (b"\x1f\x8b", "is compressed by gzip, perhaps twice: unpack it"),
    (b"\x28\xb5\x2f\xfd", "is compressed by Zstandard, perhaps twice: unpack it"),
    (b"BZh", "is compressed by bzip2, perhaps twice: unpack it"),
    (b"\xfd7zXZ", "is compressed by xz, perhaps twice: unpack it"),
    (b"PK\x03\x04", "is a zip archive or an Excel workbook: unpack it, or save it as CSV"),
    (b"PAR1", "is a Parquet file: read it with --format parquet"),
    (b"ARROW1", "is an Arrow file: read it with --format arrow"),
    (b"SQLite format 3", "is an SQLite database: index sqlite:///FILE with --query"),
)
#: Encodings of programs that do not write Unicode. If several fit equally well, the first is taken.
_LEGACY = (
    "cp1252",
    "cp1251",
    "gb18030",
    "cp932",
    "cp949",
    "big5",
    "euc_jp",
    "cp1250",
    "cp1254",
    "cp1253",
    "cp1255",
    "cp1256",
    "koi8_r",
    "mac_roman",
)
#: Fewer bytes than this that are no UTF-8 are damage, not another encoding.
_FEWEST = 3
#: Enough characters above ASCII to tell the encoding, and the bytes of a sample of lines with such characters.
_ENOUGH, _SAMPLE = 10_000, 1 << 16
_UNREADABLE = "\udc80"


@dataclass(frozen=True, slots=True)
class Encoding:
    """The ``name`` of a codec, the length of the byte order ``mark`` to leave out, and a ``reason`` if not UTF-8."""

    name: str
    mark: int = 0
    reason: str = ""


class UnreadableError(ValueError):
    """Bytes that the encoding cannot decode."""


def named(name: str) -> str:
    """Return Python's name of an encoding of texts; ``LookupError`` for any other name."""
    "".encode(name)
    return codecs.lookup(name).name.removesuffix("-sig")


def recognise(chunks: Iterable[bytes]) -> Encoding:
    """Recognise the encoding of ``chunks``; the first chunk should be long.

    All chunks are read if they are UTF-8, fewer if they are not. If the file is no text, ``ValueError`` says what it
    is.
    """
    chunks = iter(chunks)
    head = next(chunks, b"")
    for magic, what in _OTHER_FILES:
        if head.startswith(magic):
            raise ValueError(what)
    if (unicode := _unicode(head)) is not None:
        return unicode
    return Encoding(UTF8) if b"\0" in head else _utf8_or_legacy(head, chunks)


def confirm(name: str, head: bytes) -> Encoding:
    """Complete the encoding ``name``, which the user gave, by a byte order mark or the byte order of UTF-16."""
    unicode = _unicode(head)
    return unicode if unicode is not None and unicode.name.startswith(name) else Encoding(name)


def _unicode(head: bytes) -> Encoding | None:
    """The Unicode encoding that a byte order mark or zero bytes show."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Encoding(name, len(mark), "" if name == UTF8 else "as its byte order mark says")
    utf16 = _utf16(head) if b"\0" in head else None
    return Encoding(utf16, 0, "as every other byte is zero: set --encoding if that is wrong") if utf16 else None


def _utf16(head: bytes) -> str | None:
    """The UTF-16 of a ``head`` without a mark: all zero bytes of ASCII characters are at odd or at even places."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    # ASCII letters in UTF-16 are valid UTF-8, and so is a text with a stray NUL. Other scripts in UTF-16 have few zeros
    # and are no valid UTF-8.
    few = 4 * (even + odd) < len(head)
    if few and _is(UTF8, head):
        return None
    name = "utf-16-le" if odd > 20 * even else "utf-16-be" if even > 20 * odd else None
    return None if name is None or (few and not _is(name, head)) else name


def _is(name: str, head: bytes) -> bool:
    """Whether ``head`` is in that encoding; its last character may be cut."""
    try:
        codecs.getincrementaldecoder(name)().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _utf8_or_legacy(head: bytes, more: Iterator[bytes]) -> Encoding:
    decoder = codecs.getincrementaldecoder(UTF8)("replace")
    good = bad = 0
    sample = bytearray()
    chunk = head
    while True:
        following = next(more, b"")
        if not chunk.isascii() or decoder.getstate()[0]:
            text = decoder.decode(chunk, final=not following)
            wrong = max(0, text.count("\ufffd") - chunk.count("\ufffd".encode()))
            good += len(text) - len(text.encode("ascii", "ignore")) - wrong
            bad += wrong
            if len(sample) < _SAMPLE:
                sample += b"\n".join(line for line in chunk.splitlines() if not line.isascii())[:_SAMPLE] + b"\n"
            if bad and good + bad >= _ENOUGH:
                break
        if not following:
            break
        chunk = following
    if bad < _FEWEST or 4 * good > bad:
        return Encoding(UTF8)
    name, others = _guess(bytes(sample))
    # Letters can be valid UTF-8 by chance: often in encodings with two bytes a letter, hardly ever in the others.
    if name is None or (codecs.lookup(name).name.startswith(("cp125", "koi8", "mac")) and 50 * good > bad):
        return Encoding(UTF8)
    also = f"; {', '.join(others)} would fit as well" if others else ""
    return Encoding(name, 0, f"which is a guess{also}: set --encoding if letters come out wrong")


def _guess(sample: bytes) -> tuple[str | None, list[str]]:
    """The encoding that fits ``sample`` best, and those that fit equally well."""
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return None, []
    found = from_bytes(sample, cp_isolation=list(_LEGACY))
    best = found.best()
    if best is None:
        return None, []
    equal = [match for match in found if (match.chaos, match.coherence) == (best.chaos, best.coherence)]
    # Encodings that give the same text are one match.
    names = sorted({name for match in equal for name in match.could_be_from_charset} & set(_LEGACY), key=_LEGACY.index)
    if not names:
        return None, []
    text = sample.decode(names[0], "replace")
    return names[0], [name for name in names[1:] if sample.decode(name, "replace") != text]


def as_utf8(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Turn ``chunks`` of ``encoding`` into UTF-8.

    Bytes that it cannot decode become bytes that are no UTF-8 either, so the reader of the line finds them.
    """
    if encoding == UTF8:
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)(_keep_unreadable.__name__)
    for chunk in chunks:
        yield decoder.decode(chunk).encode(UTF8, "surrogatepass")
    yield decoder.decode(b"", final=True).encode(UTF8, "surrogatepass")


def decode_all(raw: bytes, encoding: str) -> str:
    """Decode a whole text; :class:`UnreadableError` names the first byte or character that cannot be decoded."""
    return decode(b"".join(as_utf8([raw], encoding)), encoding)


def decode(raw: bytes, encoding: str = UTF8) -> str:
    """Decode UTF-8 that :func:`as_utf8` made from ``encoding``; raises as :func:`decode_all`."""
    try:
        return raw.decode(UTF8)
    except UnicodeDecodeError as error:
        if encoding == UTF8:
            raise UnreadableError(f"not UTF-8: byte 0x{raw[error.start]:02x} at position {error.start}") from None
        at = len(raw[: error.start].decode(UTF8))
        raise UnreadableError(f"not {encoding}: unreadable bytes at character {at}") from None


def _keep_unreadable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _UNREADABLE, error.end


codecs.register_error(_keep_unreadable.__name__, _keep_unreadable)
