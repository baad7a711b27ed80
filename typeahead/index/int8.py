"""A product of unsigned 7-bit queries with signed 8-bit rows; ``exact`` builds a search on it.

39,000 rows x 384, one query, one core of an AMD EPYC with AVX-512, best and median of 300 in ms: this, with everything
that ``exact`` adds, 0.33 and 0.47, and 0.54 and 0.89 without compiled code; FAISS scalar quantizer with 8 bits uniform
0.83 and 0.94, fp16 0.94 and 1.11, 8 bits per dimension 1.10 and 1.30; FAISS float32 1.84 and 2.04; NumPy float32 2.74
and 3.17 (``python -m benchmarks.search``).

With AVX-512 VNNI, :mod:`typeahead.encoders.compiled.byte_rows` multiplies. Anywhere else ONNX Runtime does. That stores
a matrix in its kernels' layout only if it is a constant of the graph, so the graph is built here, in memory. It has
three nodes, and the `onnx` package would be a large dependency for that, so this module encodes the protocol buffer by
hand, following https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.encoders.compiled.importing import import_compiled

#: The query's zero point; its values' largest magnitude is one less.
ZERO = 64
LARGEST = 63

#: Bytes of one graph's matrix. A protocol buffer must stay below 2 GiB, and during loading it exists three times.
_BLOCK_BYTES = 32 << 20
_INT, _FLOAT, _UINT8, _INT8 = 2, 1, 2, 3


class Int8Rows:
    """Rows of int8 to multiply queries with; safe to use from several threads.

    ``rows`` int8 (n, dim), n > 0. Queries are integers from -63 to 63, passed as unsigned bytes from 1 to 127 with zero
    point 64. One bit is unused on purpose: without VNNI, the kernels add pairs of products in 16 bits, which can hold
    at most 2 x 127 x 128, so this product is exact on every processor. The lost bit costs a few more candidates (14
    instead of 12 of 39,000 on average).
    """

    def __init__(self, rows: NDArray[np.int8]) -> None:
        compiled: Any = import_compiled("byte_rows", "searching vectors")
        self._rows = compiled.ByteRows(rows, ZERO) if compiled is not None and compiled.supported() else None
        if self._rows is None:
            self._sessions = self._open(rows)

    def _open(self, rows: NDArray[np.int8]) -> list[Any]:
        from typeahead.encoders.onnx import open_session

        count, dim = rows.shape
        step = max(1, _BLOCK_BYTES // dim)
        return [open_session(_graph(rows[start : start + step])) for start in range(0, count, step)]

    def dot(self, queries: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return inner products, exact integers up to 2^24: ``queries`` uint8 (m, dim) gives float32 (m, n)."""
        products: NDArray[np.float32]
        if self._rows is not None:
            products = self._rows.dot(queries)
            return products
        parts = [session.run(None, {"query": queries})[0] for session in self._sessions]
        products = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        return products


def _graph(rows: NDArray[np.int8]) -> bytes:
    """Build the ONNX model ``Cast(MatMulInteger(query, rows.T, 64))`` to float32."""
    count, dim = rows.shape
    matrix = np.ascontiguousarray(rows.T).tobytes()
    graph = (
        _node("MatMulInteger", ["query", "rows", "zero"], "integers")
        + _node("Cast", ["integers"], "products", _field(5, _string(1, "to") + _varint(3, _FLOAT) + _varint(20, _INT)))
        + _string(2, "int8 rows")
        + _field(5, _varint(1, dim) + _varint(1, count) + _varint(2, _INT8) + _string(8, "rows") + _field(9, matrix))
        + _field(5, _varint(2, _UINT8) + _string(8, "zero") + _field(9, bytes([ZERO])))
        + _field(11, _value("query", _UINT8, dim))
        + _field(12, _value("products", _FLOAT, count))
    )
    # IR version 8 and operator set 17 are the oldest that every supported ONNX Runtime reads natively.
    return _varint(1, 8) + _field(8, _string(1, "") + _varint(2, 17)) + _field(7, graph)


def _node(operator: str, inputs: list[str], output: str, attributes: bytes = b"") -> bytes:
    names = b"".join(_string(1, name) for name in inputs)
    return _field(1, names + _string(2, output) + _string(4, operator) + attributes)


def _value(name: str, kind: int, columns: int) -> bytes:
    """Declare a float or byte matrix with any number of rows."""
    shape = _field(1, _string(2, "queries")) + _field(1, _varint(1, columns))
    return _string(1, name) + _field(2, _field(1, _varint(1, kind) + _field(2, shape)))


def _varint(number: int, value: int) -> bytes:
    return _base128(number << 3) + _base128(value)


def _field(number: int, value: bytes) -> bytes:
    return _base128(number << 3 | 2) + _base128(len(value)) + value


def _string(number: int, value: str) -> bytes:
    return _field(number, value.encode())


def _base128(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])
