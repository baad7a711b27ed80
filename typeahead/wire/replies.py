"""What the server says by the contract ``typeahead.v1``: JSON text frames, and embeddings as binary ones.

The contract is in :mod:`typeahead.wire.protocol`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
import orjson

from typeahead.core.encoder import Vectors
from typeahead.errors import ProtocolError
from typeahead.text.document import Value
from typeahead.wire.protocol import SUBPROTOCOL, Dtype, Hello, Limits

#: Values of a field that a reply lists.
FACET_VALUES: Final = 100

_HEADER = struct.Struct("<IBHB")

#: A JSON text frame, and the parts of the binary frame that follows it, if there is one.
Reply: TypeAlias = tuple[bytes, tuple[bytes, memoryview] | None]


def write_hello(
    hello: Hello,
    limits: Limits,
    *,
    encoder: str,
    dim: int,
    documents: int | None,
    index: str | None = None,
    examples: Sequence[str] = (),
    events: str | None = None,
) -> bytes:
    """Write the answer to a hello: what was agreed, and with whom.

    ``index`` is what the address names, and ``documents`` the number of documents that the session can find there,
    both None without an index; ``examples`` are queries to offer. ``events`` is "numbers" or "texts" if the server
    wants to hear what people choose, and with their text or not; the field is missing if it does not.
    """
    agreed = {
        "protocol": SUBPROTOCOL,
        "encoder": encoder,
        "dim": dim,
        "index": index,
        "documents": documents,
        "k": hello.k,
        "max_k": limits.max_k,
        "max_chars": limits.max_chars,
        "embedding": None if hello.dtype is None else hello.dtype.name.lower(),
        "search": hello.search.value,
        "quality": hello.quality.value,
        "min_score": hello.min_score,
        "facets": list(hello.narrowing.facets),
        "offset": hello.narrowing.offset,
        "fallback": limits.fallback,
        "examples": list(examples),
    }
    if events is not None:
        agreed["events"] = events
    return orjson.dumps({"hello": agreed})


def write_reply(
    seq: int,
    hits: bytes | None,
    timing_us: tuple[int, int, int, int, int, int] | None,
    *,
    ready: bool | None = None,
    encoder: str = "",
    weak: bool = False,
    stale: bool = False,
    partial: bool = False,
    version: str = "",
    facets: bytes = b"",
) -> bytes:
    """Write the answer to a keystroke, or to a submit where ``ready`` is given. ``hits`` is a JSON array, if any.

    ``encoder`` names the model that encoded the text, empty where none did. ``weak`` says that even the best of the
    hits is a poor one. ``stale`` says that the documents may have changed meanwhile in a database that cannot be read.
    ``partial`` says that hits may be missing, because a part of the index was away or late. ``version`` names the state
    of the documents that were searched, empty where none were; ``facets`` are from :func:`write_facets`. ``timing_us``
    are the microseconds of queue, tokenize, step, search and serialize, and all of them together, None for clients that
    may not see them.
    """
    # Put together by hand: of all that a reply takes, building dictionaries for orjson was the largest part.
    return b"".join(
        (
            b'{"seq":%d' % seq,
            b"" if hits is None else b',"hits":' + hits,
            b',"weak":true' if weak else b"",
            b',"stale":true' if stale else b"",
            b',"partial":true' if partial else b"",
            facets,
            b"" if ready is None else _SUBMIT[ready],
            _encoder_field(encoder),
            _version_field(version),
            b"}" if timing_us is None else _TIMING % timing_us,
        )
    )


_TIMING = b',"timing_us":{"queue":%d,"tokenize":%d,"step":%d,"search":%d,"serialize":%d,"total":%d}}'
_SUBMIT = {True: b',"submit":true,"ready":true', False: b',"submit":true,"ready":false'}


@lru_cache(maxsize=16)
def _encoder_field(encoder: str) -> bytes:
    return b',"encoder":' + orjson.dumps(encoder) if encoder else b""


@lru_cache(maxsize=256)
def _version_field(version: str) -> bytes:
    return b',"version":' + orjson.dumps(version) if version else b""


def list_facets(facets: Mapping[str, Mapping[Value, int]]) -> dict[str, Any]:
    """Make the counts of each field's values into JSON: the commonest values, and whether there are others."""
    written: dict[str, Any] = {}
    for name, counts in facets.items():
        ordered = sorted(counts.items(), key=lambda one: (-one[1], str(one[0])))
        field: dict[str, Any] = {
            "values": [{"value": value, "count": count} for value, count in ordered[:FACET_VALUES]]
        }
        if len(ordered) > FACET_VALUES:
            field["more"] = True
        written[name] = field
    return written


def write_facets(facets: Mapping[str, Mapping[Value, int]], over: str) -> bytes:
    """Write facets as a part of a reply: see :func:`write_reply`. ``over`` is "filter" or "candidates"."""
    return b',"facets":' + orjson.dumps(list_facets(facets)) + b',"facets_over":"' + over.encode() + b'"'


def write_error(error: ProtocolError) -> bytes:
    """Write a refusal, with the ``seq`` of the refused message if it had a valid one."""
    reply: dict[str, Any] = {"error": {"code": error.code, "message": str(error)}}
    if error.seq is not None:
        reply["seq"] = error.seq
    return orjson.dumps(reply)


def write_overloaded(seq: int) -> bytes:
    """Write the error ``overloaded`` for a keystroke. It is ready made, because there may be many."""
    return _OVERLOADED % seq


_OVERLOADED = (
    b'{"error":{"code":"overloaded",'
    b'"message":"the server has too much to do: your text is kept, go on typing or press Enter"},"seq":%d}'
)


def write_embedding(seq: int, embedding: Vectors | None, dtype: Dtype) -> tuple[bytes, memoryview]:
    """Write an embedding, float32 (dim,) or None, as the header of a binary frame and its values.

    Values of float32 are not copied: they are the embedding's own memory.
    """
    if embedding is None:
        return _HEADER.pack(seq, dtype, 0, 0), memoryview(b"")
    if dtype is Dtype.FLOAT32:
        values = np.ascontiguousarray(embedding, "<f4")
    elif dtype is Dtype.FLOAT16:
        values = embedding.astype("<f2")
    else:
        peak = float(np.abs(embedding).max(initial=0.0))
        values = np.rint(embedding * (127.0 / peak if peak else 0.0)).astype(np.int8)
    return _HEADER.pack(seq, dtype, len(values), 0), values.data.cast("B")


def read_embedding(frame: bytes) -> tuple[int, Vectors | None]:
    """Read a binary frame: its ``seq``, and the values as float32 (dim,), None for a text without a token.

    An int8 frame's values come as they are, from -127 to 127. Raises :class:`ProtocolError` with code ``bad_frame``.
    """
    kinds = {Dtype.FLOAT32: "<f4", Dtype.FLOAT16: "<f2", Dtype.INT8: "i1"}
    if len(frame) < _HEADER.size:
        raise ProtocolError("bad_frame", f"an embedding frame of {len(frame)} bytes has no header")
    seq, code, dim, _ = _HEADER.unpack_from(frame)
    kind = np.dtype(kinds[Dtype(code)]) if code in list(Dtype) else None
    if kind is None or len(frame) != _HEADER.size + dim * kind.itemsize:
        raise ProtocolError("bad_frame", f"an embedding frame of dtype {code} and dim {dim} in {len(frame)} bytes")
    return seq, np.frombuffer(frame, kind, offset=_HEADER.size).astype(np.float32) if dim else None
