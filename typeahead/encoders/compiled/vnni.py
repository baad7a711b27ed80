"""Products of uint8 vectors with an int8 matrix, using AVX-512 VNNI through Numba.

LLVM does not compile any loop over bytes to VNNI's instruction, so the inner loop emits it explicitly: ``vpdpbusd``
multiplies four uint8 by four int8 and adds them to an int32, for sixteen sums at a time. Integers are exact, so a
result does not depend on how many vectors are multiplied together. The surrounding gates are in
:mod:`typeahead.encoders.compiled.recurrent`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

#: Sums per instruction, bytes of a vector per sum, and number of instructions side by side.
LANES, BYTES = 16, 4
_ABREAST = 4
#: Columns computed together; a matrix must have a multiple of this number.
COLUMNS = LANES * _ABREAST
_CACHE_LINE = 64
#: Vectors multiplied together: they share one reading of the weights.
VECTORS = 4


def supported() -> bool:
    """Whether this processor has the instruction."""
    features: Any = binding.get_host_cpu_features()
    return bool(features.get("avx512vnni") and features.get("avx512f"))


def pack(matrix: NDArray[np.int8]) -> NDArray[np.int8]:
    """Reorder int8 (rows, columns) for the products: int8 (rows x columns,), aligned to a cache line.

    Rows must be a multiple of 4 and columns a multiple of :data:`COLUMNS`; otherwise raises ``ValueError``.
    """
    rows, columns = matrix.shape
    if rows % BYTES or columns % COLUMNS:
        raise ValueError(f"cannot pack a matrix of {rows} x {columns}")
    blocks = matrix.reshape(rows // BYTES, BYTES, columns // COLUMNS, _ABREAST, LANES).transpose(2, 0, 3, 4, 1)
    return aligned(blocks.reshape(-1))


def aligned(values: NDArray[Any]) -> NDArray[Any]:
    """Copy bytes (n,) to memory aligned to a cache line."""
    memory = np.empty(values.size + _CACHE_LINE, values.dtype)
    start = -memory.ctypes.data % _CACHE_LINE
    copied = memory[start : start + values.size]
    copied[:] = values
    return copied


def offsets(matrix: NDArray[np.int8], zero_point: int) -> NDArray[np.int32]:
    """Initial values for the sums of int8 (rows, columns) that make ``zero_point`` count as zero: int32 (columns,)."""
    begin: NDArray[np.int32] = (-zero_point * matrix.astype(np.int64).sum(axis=0)).astype(np.int32)
    return begin


def _product(count: int) -> Any:
    """Make the product of ``count`` vectors; all arguments are addresses and sizes, as integers.

    ``vectors`` uint8 and ``sums`` int32 are ``vector_step`` and ``sum_step`` bytes apart; ``weights`` come from
    :func:`pack`, ``begin`` from :func:`offsets`.
    """

    @intrinsic
    def product(
        _context: Any,
        vectors: Any,
        vector_step: Any,
        weights: Any,
        begin: Any,
        sums: Any,
        sum_step: Any,
        rows: Any,
        columns: Any,
    ) -> Any:
        signature = types.void(vectors, vector_step, weights, begin, sums, sum_step, rows, columns)
        return signature, lambda context, builder, _, arguments: _write(context, builder, arguments, count)

    return product


def number(value: int) -> Any:
    """Make an LLVM integer constant."""
    return ir.Constant(ir.IntType(64), value)


def load_as(builder: Any, pointer: Any, offset: Any, kind: Any, align: int) -> Any:
    """Load a value of ``kind`` at ``offset`` bytes after a byte pointer."""
    value = builder.load(builder.bitcast(builder.gep(pointer, [offset]), kind.as_pointer()))
    value.align = align
    return value


def spread(builder: Any, value: Any) -> Any:
    """Fill all lanes of a vector with one value."""
    nothing = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def multiplier(builder: Any) -> Any:
    """Declare ``vpdpbusd``: it takes int32 sums, then four uint8 and four int8 for each sum."""
    lanes = ir.VectorType(ir.IntType(32), LANES)
    return cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(lanes, [lanes] * 3), "llvm.x86.avx512.vpdpbusd.512"
    )


def _write(context: Any, builder: Any, arguments: Any, count: int) -> Any:
    vectors, vector_step, weights, begin, sums, sum_step, rows, columns = arguments
    byte, int32 = ir.IntType(8), ir.IntType(32)
    lanes = ir.VectorType(int32, LANES)
    multiply = multiplier(builder)
    vectors, weights, begin, sums = (
        builder.inttoptr(address, byte.as_pointer()) for address in (vectors, weights, begin, sums)
    )
    totals = [[cgutils.alloca_once(builder, lanes) for _ in range(_ABREAST)] for _ in range(count)]
    with cgutils.for_range_slice(builder, number(0), columns, number(COLUMNS), inc=True) as (column, _):
        block = builder.gep(weights, [builder.mul(column, rows)])
        first = builder.mul(column, number(4))
        for abreast in range(_ABREAST):
            start = load_as(builder, begin, builder.add(first, number(64 * abreast)), lanes, 4)
            for vector in range(count):
                builder.store(start, totals[vector][abreast])
        with cgutils.for_range(builder, builder.udiv(rows, number(BYTES))) as loop:
            quad = builder.mul(loop.index, number(BYTES * COLUMNS))
            read = [
                load_as(builder, block, builder.add(quad, number(64 * abreast)), lanes, 64)
                for abreast in range(_ABREAST)
            ]
            for vector in range(count):
                place = builder.add(builder.mul(vector_step, number(vector)), builder.mul(loop.index, number(BYTES)))
                four = spread(builder, load_as(builder, vectors, place, int32, 1))
                for abreast in range(_ABREAST):
                    total = totals[vector][abreast]
                    builder.store(builder.call(multiply, [builder.load(total), four, read[abreast]]), total)
        for vector in range(count):
            row = builder.add(builder.mul(sum_step, number(vector)), first)
            for abreast in range(_ABREAST):
                place = builder.gep(sums, [builder.add(row, number(64 * abreast))])
                target = builder.bitcast(place, lanes.as_pointer())
                builder.store(builder.load(totals[vector][abreast]), target).align = 4
    return context.get_dummy_value()


product_of_one = _product(1)
product_of_four = _product(VECTORS)
