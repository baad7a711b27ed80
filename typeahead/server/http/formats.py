"""The formats of ``POST /v1/embed``: which a request names, how vectors are written, and lines as they come.

=============================  ========================================================================================
request, by ``Content-Type``   body
=============================  ========================================================================================
``application/json``           ``{"texts": ["…", …]}``; beside it ``"model"`` and ``"dtype"`` if wanted
``application/x-ndjson``       one text a line, as a JSON string; ``model`` as a parameter of the URL
=============================  ========================================================================================

=============================  ========================================================================================
answer, by ``Accept``          body
=============================  ========================================================================================
``application/json``           ``{"model": "…", "dim": 384, "embeddings": [[…], …]}``, in the order of the texts
``application/octet-stream``   the values row by row and nothing else: IEEE 754, little-endian, float32 or float16 by
                               ``"dtype"``. The headers ``typeahead-model``, ``typeahead-dim``, ``typeahead-count`` and
                               ``typeahead-dtype`` say what they are
``application/x-ndjson``       ``{"index": 0, "embedding": […]}`` a line, or ``{"index": 0, "error": {…}}``
=============================  ========================================================================================

Lines are answered by lines, the first of them before the last text has come. Without ``Accept`` the answer has the
request's format. :mod:`typeahead.server.http.accept` says how the header's weights count.

A line is parsed by orjson: a parser that knows the type it wants, such as msgspec's, would take ``[1,`` for a wrong
type, though it is not JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.server.http.accept import preferred
from typeahead.server.http.api import ApiError

#: Bytes of an escaped code point in JSON.
ESCAPED = 6

DTYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}


class Format(StrEnum):
    """A format, by its media type (RFC 6838)."""

    JSON = "application/json"
    BINARY = "application/octet-stream"
    LINES = "application/x-ndjson"


#: Other names that clients have for a format.
_ALIASES = {"application/jsonl": Format.LINES, "application/ndjson": Format.LINES}


@lru_cache(maxsize=64)
def format_sent(content_type: bytes) -> Format:
    """Return the format of a request's body. Raises :class:`ApiError` for an unknown one."""
    name = content_type.decode("latin-1").partition(";")[0].strip().lower()
    found = _ALIASES.get(name, name or Format.JSON)
    if found not in (Format.JSON, Format.LINES):
        raise ApiError(415, f'"content-type" has to be {Format.JSON} or {Format.LINES}', code="unknown_format")
    return Format(found)


@lru_cache(maxsize=64)
def format_wanted(accept: bytes, sent: Format) -> Format:
    """Return the format that an ``Accept`` header prefers. Raises :class:`ApiError` if it accepts none that there is.

    Several lines of the header are joined by commas; without any, ``accept`` is empty.
    """
    # The request's own format first: it answers whoever accepts anything.
    offers = [sent] if sent is Format.LINES else list(Format)
    if (found := preferred(accept.decode("latin-1"), offers, _ALIASES)) is not None:
        return Format(found)
    raise ApiError(406, f'"accept" has to allow {" or ".join(offers)}', code="unknown_format")


def write_binary(vectors: Vectors, dtype: str) -> memoryview:
    """Write vectors as raw values. On a little-endian machine float32 is not copied."""
    values: NDArray[Any] = np.ascontiguousarray(vectors, DTYPES[dtype])
    return values.data.cast("B")


def write_json(model: str, vectors: Vectors) -> bytes:
    """Write all vectors, float32 (n, dim), as one JSON object."""
    values = {"model": model, "dim": vectors.shape[1], "embeddings": np.ascontiguousarray(vectors)}
    return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)


def write_line(index: int, vector: Vectors) -> bytes:
    """Write one vector as a line."""
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps({"index": index, "embedding": vector}, option=options)


def write_failed_line(index: int, error: ApiError) -> bytes:
    """Write an error as the line of a vector."""
    return orjson.dumps({"index": index, "error": error.fields}, option=orjson.OPT_APPEND_NEWLINE)


class Lines:
    """Cuts incoming data into lines, and holds no more than one unfinished line of ``limit`` bytes.

    A longer line is skipped to its end, and comes out as None.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """Yield the lines that end in ``data``, without blank ones."""
        *whole, rest = (self._rest + data).split(b"\n")
        for line in whole:
            skipped, self._skipping = self._skipping, False
            if skipped or len(line) > self._limit:
                yield None
            elif line.strip():
                yield line
        self._rest = rest
        if self._skipping or len(rest) > self._limit:
            self._rest, self._skipping = b"", True

    def end(self) -> Iterator[bytes | None]:
        """Yield the last line, if it had no end of line."""
        yield from self.feed(b"\n")


def read_line(line: bytes | None, *, max_chars: int) -> str:
    """Return the text of a line. Raises :class:`ApiError` for anything else, and for a text that is too long."""
    if line is None:
        raise ApiError(
            413, f"a line of more than {ESCAPED * max_chars} bytes: send shorter texts", code="text_too_long"
        )
    try:
        text = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"not JSON: {error.msg} at character {error.pos}", code="bad_json") from None
    if type(text) is not str:
        raise ApiError(400, "a line has to be a JSON string", code="bad_message")
    if len(text) > max_chars:
        message = f"a text of {len(text)} code points, the limit is {max_chars}: send shorter texts"
        raise ApiError(413, message, code="text_too_long")
    return text
