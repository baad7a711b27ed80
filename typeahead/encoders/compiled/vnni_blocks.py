"""Products of int8 vectors with a uint8 matrix that has one scale per block of inputs, using AVX-512 VNNI.

The sibling :mod:`~typeahead.encoders.compiled.vnni` has one scale per column and returns integers. Here each block of
inputs has its own scale on both sides, as in ONNX Runtime's ``MatMulNBits``, so the product returns float32. The matrix
is the unsigned side here: its numbers are those in the file, and the zero point of 128 costs one number per block. The
order of summation does not depend on how many vectors are multiplied together, so neither does the result.

With four bits per weight, two weights share a byte and the zero point is 8. They are unpacked in registers, which costs
less than reading twice as many bytes from the third-level cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from typeahead.encoders.compiled.vnni import BYTES, COLUMNS, LANES, VECTORS, load_as, multiplier, number, spread

_ABREAST = COLUMNS // LANES


def pack_blocks(
    matrix: NDArray[np.uint8], scale: NDArray[np.float32], bits: int = 8
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Reorder a matrix for the product: uint8 (out, blocks, bytes) and float32 (out, blocks), both returned flat.

    A byte holds one weight, or two weights of four ``bits`` with the earlier one in its lower half. ``out`` must be a
    multiple of :data:`~typeahead.encoders.compiled.vnni.COLUMNS`, and ``bytes`` a multiple of 4; otherwise raises
    ``ValueError``.
    """
    columns, blocks, size = matrix.shape
    if columns % COLUMNS or size % BYTES:
        raise ValueError(f"cannot pack a matrix of {columns} columns in blocks of {size * 8 // bits}")
    if bits == 4:
        # One instruction multiplies the lower halves of four bytes by four consecutive inputs.
        apart = np.stack([matrix & 15, matrix >> 4], axis=-1).reshape(columns, blocks, size // BYTES, 2, BYTES)
        matrix = apart[:, :, :, 0] | apart[:, :, :, 1] << 4
    lanes = matrix.reshape(columns // COLUMNS, _ABREAST, LANES, blocks, size // BYTES, BYTES)
    scales = scale.reshape(columns // COLUMNS, COLUMNS, blocks).transpose(0, 2, 1)
    return lanes.transpose(0, 3, 4, 1, 2, 5).reshape(-1), np.ascontiguousarray(scales).reshape(-1)


def _product(count: int, bits: int) -> Any:
    """Make the product of ``count`` vectors with ``columns`` of weights of 8 or 4 ``bits``.

    All arguments are addresses and sizes.

    ``vectors`` int8 (blocks x block,) are ``vector_step`` bytes apart. ``vector_scale`` float32 (blocks,) and ``begin``
    int32 (blocks,), which is -128 (or -8) times the sum of each block, are ``block_step`` bytes apart. ``weights`` and
    ``weight_scale`` come from :func:`pack_blocks`. ``result`` float32 (columns,) is ``bias`` plus the product; results
    are ``result_step`` bytes apart.
    """

    @intrinsic
    def product(
        _context: Any,
        vectors: Any,
        vector_step: Any,
        vector_scale: Any,
        begin: Any,
        block_step: Any,
        weights: Any,
        weight_scale: Any,
        bias: Any,
        result: Any,
        result_step: Any,
        blocks: Any,
        block: Any,
        columns: Any,
    ) -> Any:
        inputs = (vectors, vector_step, vector_scale, begin, block_step)
        signature = types.void(*inputs, weights, weight_scale, bias, result, result_step, blocks, block, columns)
        return signature, lambda context, builder, _, arguments: _write(context, builder, arguments, count, bits)

    return product


def _write(context: Any, builder: Any, arguments: Any, count: int, bits: int) -> Any:
    byte, int32, float32 = ir.IntType(8), ir.IntType(32), ir.FloatType()
    integers, floats = ir.VectorType(int32, LANES), ir.VectorType(float32, LANES)
    multiply = multiplier(builder)
    vectors, vector_scale, begin, weights, weight_scale, bias, result = (
        builder.inttoptr(arguments[place], byte.as_pointer()) for place in (0, 2, 3, 5, 6, 7, 8)
    )
    vector_step, block_step, result_step, blocks, block, columns = (arguments[place] for place in (1, 4, 9, 10, 11, 12))
    totals, sums = (
        [[cgutils.alloca_once(builder, kind) for _ in range(_ABREAST)] for _ in range(count)]
        for kind in (floats, integers)
    )
    # Weights per byte, and bytes per block.
    parts = 8 // bits
    size = builder.udiv(block, number(parts))
    lower, four_bits = (ir.Constant(integers, [value] * LANES) for value in (0x0F0F0F0F, 4))
    with cgutils.for_range_slice(builder, number(0), columns, number(COLUMNS), inc=True) as (column, _):
        first = builder.mul(column, number(4))
        matrix = builder.gep(weights, [builder.mul(column, builder.mul(blocks, size))])
        scales = builder.gep(weight_scale, [builder.mul(first, blocks)])
        for abreast in range(_ABREAST):
            start = load_as(builder, bias, builder.add(first, number(64 * abreast)), floats, 4)
            for vector in range(count):
                builder.store(start, totals[vector][abreast])
        with cgutils.for_range(builder, blocks) as outer:
            place = builder.mul(outer.index, number(4))
            own_places = [builder.add(place, builder.mul(block_step, number(vector))) for vector in range(count)]
            for vector, own_place in enumerate(own_places):
                start = spread(builder, load_as(builder, begin, own_place, int32, 4))
                for one in sums[vector]:
                    builder.store(start, one)
            inputs = builder.mul(outer.index, block)
            first_row = builder.mul(outer.index, size)
            with cgutils.for_range(builder, builder.udiv(size, number(BYTES))) as inner:
                row = builder.mul(builder.add(first_row, builder.mul(inner.index, number(BYTES))), number(COLUMNS))
                read = [
                    load_as(builder, matrix, builder.add(row, number(64 * abreast)), integers, 64)
                    for abreast in range(_ABREAST)
                ]
                quad = builder.add(inputs, builder.mul(inner.index, number(BYTES * parts)))
                for part in range(parts):
                    matching = read
                    if bits == 4:
                        moved = [builder.lshr(one, four_bits) for one in read] if part else read
                        matching = [builder.and_(one, lower) for one in moved]
                    own_quad = builder.add(quad, number(BYTES * part))
                    for vector in range(count):
                        at = builder.add(own_quad, builder.mul(vector_step, number(vector)))
                        four = spread(builder, load_as(builder, vectors, at, int32, 1))
                        for weight, one in zip(matching, sums[vector], strict=True):
                            builder.store(builder.call(multiply, [builder.load(one), weight, four]), one)
            theirs = builder.mul(place, number(COLUMNS))
            for abreast in range(_ABREAST):
                scale = load_as(builder, scales, builder.add(theirs, number(64 * abreast)), floats, 4)
                for vector, own_place in enumerate(own_places):
                    own = spread(builder, load_as(builder, vector_scale, own_place, float32, 4))
                    product = builder.sitofp(builder.load(sums[vector][abreast]), floats)
                    scaled = builder.fmul(product, builder.fmul(scale, own))
                    total = totals[vector][abreast]
                    builder.store(builder.fadd(builder.load(total), scaled), total)
        for vector in range(count):
            row = builder.add(first, builder.mul(result_step, number(vector)))
            for abreast, total in enumerate(totals[vector]):
                place = builder.gep(result, [builder.add(row, number(64 * abreast))])
                target = builder.bitcast(place, floats.as_pointer())
                builder.store(builder.load(total), target).align = 4
    return context.get_dummy_value()


blocks_of_one = _product(1, 8)
blocks_of_two = _product(2, 8)
blocks_of_three = _product(3, 8)
blocks_of_four = _product(VECTORS, 8)
half_bytes_of_one = _product(1, 4)
half_bytes_of_two = _product(2, 4)
half_bytes_of_three = _product(3, 4)
half_bytes_of_four = _product(VECTORS, 4)
