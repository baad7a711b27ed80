"""Products of one int8 vector with a uint8 matrix whose inputs have a scale for each block, by AVX-512 VNNI.

The sibling :mod:`~typeahead.encoders.vnni` has one scale for a whole column and gives integers; here each block of
inputs has its own, on both sides, as in ONNX Runtime's ``MatMulNBits``, so the product gives float32. Here it is the
matrix that is unsigned: its bytes are those of the file, and what 128 stands for costs one number a block.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from typeahead.encoders.vnni import BYTES, COLUMNS, LANES, load_as, multiplier, number, spread

_ABREAST = COLUMNS // LANES


def pack_blocks(matrix: NDArray[np.uint8], scale: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Order a matrix as the product reads it: uint8 (out, blocks, block) and float32 (out, blocks), both made flat.

    ``out`` must be a multiple of :data:`~typeahead.encoders.vnni.COLUMNS`, ``block`` of 4; ``ValueError`` otherwise.
    """
    columns, blocks, block = matrix.shape
    if columns % COLUMNS or block % BYTES:
        raise ValueError(f"a matrix of {columns} columns in blocks of {block} cannot be packed")
    lanes = matrix.reshape(columns // COLUMNS, _ABREAST, LANES, blocks, block // BYTES, BYTES)
    scales = scale.reshape(columns // COLUMNS, COLUMNS, blocks).transpose(0, 2, 1)
    return lanes.transpose(0, 3, 4, 1, 2, 5).reshape(-1), np.ascontiguousarray(scales).reshape(-1)


@intrinsic
def product_of_blocks(
    _context: Any,
    vector: Any,
    vector_scale: Any,
    begin: Any,
    weights: Any,
    weight_scale: Any,
    bias: Any,
    result: Any,
    blocks: Any,
    block: Any,
    columns: Any,
) -> Any:
    """Multiply a vector by a matrix of ``columns``; all arguments are addresses and sizes, as integers.

    ``vector`` int8 (blocks x block,) has ``vector_scale`` float32 (blocks,); ``begin`` int32 (blocks,) is -128 times
    the sum of each block. ``weights`` and ``weight_scale`` come from :func:`pack_blocks`. ``result`` float32
    (columns,) is ``bias`` plus the product.
    """
    arguments = (vector, vector_scale, begin, weights, weight_scale, bias, result, blocks, block, columns)
    return types.void(*arguments), lambda context, builder, _, values: _write(context, builder, values)


def _write(context: Any, builder: Any, arguments: Any) -> Any:
    addresses, (blocks, block, columns) = arguments[:7], arguments[7:]
    byte, int32, float32 = ir.IntType(8), ir.IntType(32), ir.FloatType()
    integers, floats = ir.VectorType(int32, LANES), ir.VectorType(float32, LANES)
    multiply = multiplier(builder)
    vector, vector_scale, begin, weights, weight_scale, bias, result = (
        builder.inttoptr(address, byte.as_pointer()) for address in addresses
    )
    totals = [cgutils.alloca_once(builder, floats) for _ in range(_ABREAST)]
    sums = [cgutils.alloca_once(builder, integers) for _ in range(_ABREAST)]
    quads = builder.udiv(block, number(BYTES))
    with cgutils.for_range_slice(builder, number(0), columns, number(COLUMNS), inc=True) as (column, _):
        first = builder.mul(column, number(4))
        matrix = builder.gep(weights, [builder.mul(column, builder.mul(blocks, block))])
        scales = builder.gep(weight_scale, [builder.mul(first, blocks)])
        for abreast, total in enumerate(totals):
            builder.store(load_as(builder, bias, builder.add(first, number(64 * abreast)), floats, 4), total)
        with cgutils.for_range(builder, blocks) as outer:
            place = builder.mul(outer.index, number(4))
            start = spread(builder, load_as(builder, begin, place, int32, 4))
            for one in sums:
                builder.store(start, one)
            inputs = builder.mul(outer.index, block)
            with cgutils.for_range(builder, quads) as inner:
                quad = builder.add(inputs, builder.mul(inner.index, number(BYTES)))
                four = spread(builder, load_as(builder, vector, quad, int32, 1))
                row = builder.mul(quad, number(COLUMNS))
                for abreast, one in enumerate(sums):
                    read = load_as(builder, matrix, builder.add(row, number(64 * abreast)), integers, 64)
                    builder.store(builder.call(multiply, [builder.load(one), read, four]), one)
            own = spread(builder, load_as(builder, vector_scale, place, float32, 4))
            theirs = builder.mul(place, number(COLUMNS))
            for abreast, (one, total) in enumerate(zip(sums, totals, strict=True)):
                scale = load_as(builder, scales, builder.add(theirs, number(64 * abreast)), floats, 4)
                product = builder.sitofp(builder.load(one), floats)
                scaled = builder.fmul(product, builder.fmul(scale, own))
                builder.store(builder.fadd(builder.load(total), scaled), total)
        for abreast, total in enumerate(totals):
            place = builder.add(first, number(64 * abreast))
            target = builder.bitcast(builder.gep(result, [place]), floats.as_pointer())
            builder.store(builder.load(total), target).align = 4
    return context.get_dummy_value()
