"""Attention of one token over rows of float16, written with explicit vectors of sixteen.

A head has few entries, and LLVM compiles sums over them into loops with more overhead than work. Written this way, they
take a fraction of the time. All arguments are addresses and sizes, as integers. The attention itself is in
:mod:`~typeahead.encoders.compiled.causal_layers`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from typeahead.encoders.compiled.vnni import LANES, load_as, number, spread

_FLOATS = ir.VectorType(ir.FloatType(), LANES)


def _halves(builder: Any, pointer: Any, offset: Any) -> Any:
    """Load sixteen float16 at ``offset`` bytes after a pointer, as float32."""
    bits = load_as(builder, pointer, offset, ir.VectorType(ir.IntType(16), LANES), 2)
    return builder.fpext(builder.bitcast(bits, ir.VectorType(ir.HalfType(), LANES)), _FLOATS)


def _total(builder: Any, vector: Any) -> Any:
    """Sum all lanes by repeatedly adding one half to the other, always in the same order."""
    nothing = ir.Constant(_FLOATS, ir.Undefined)
    for apart in (8, 4, 2, 1):
        order = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [(lane + apart) % LANES for lane in range(LANES)])
        vector = builder.fadd(vector, builder.shuffle_vector(vector, nothing, order))
    return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))


@intrinsic
def scores_of(_context: Any, query: Any, key: Any, scores: Any, heads: Any, chunks: Any) -> Any:
    """Dot product of each head's query float32 and key float16 of ``chunks`` x 16 entries: float32 (heads,)."""

    def write(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        query, key, scores = (builder.inttoptr(address, byte) for address in arguments[:3])
        heads, chunks = arguments[3:]
        with cgutils.for_range(builder, heads) as outer:
            total = cgutils.alloca_once(builder, _FLOATS)
            builder.store(ir.Constant(_FLOATS, [0.0] * LANES), total)
            first = builder.mul(outer.index, chunks)
            with cgutils.for_range(builder, chunks) as inner:
                place = builder.mul(builder.add(first, inner.index), number(LANES))
                one = load_as(builder, query, builder.mul(place, number(4)), _FLOATS, 4)
                product = builder.fmul(one, _halves(builder, key, builder.mul(place, number(2))))
                builder.store(builder.fadd(builder.load(total), product), total)
            target = builder.gep(scores, [builder.mul(outer.index, number(4))])
            score = _total(builder, builder.load(total))
            builder.store(score, builder.bitcast(target, ir.FloatType().as_pointer()))
        return context.get_dummy_value()

    return types.void(query, key, scores, heads, chunks), write


@intrinsic
def add_shares(_context: Any, shares: Any, value: Any, result: Any, heads: Any, chunks: Any) -> Any:
    """Add each head's float16 value, times its float32 share, to ``result`` float32 (heads x chunks x 16,)."""

    def write(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        shares, value, result = (builder.inttoptr(address, byte) for address in arguments[:3])
        heads, chunks = arguments[3:]
        with cgutils.for_range(builder, heads) as outer:
            share = spread(builder, load_as(builder, shares, builder.mul(outer.index, number(4)), ir.FloatType(), 4))
            first = builder.mul(outer.index, chunks)
            with cgutils.for_range(builder, chunks) as inner:
                place = builder.mul(builder.add(first, inner.index), number(LANES))
                product = builder.fmul(share, _halves(builder, value, builder.mul(place, number(2))))
                there = builder.mul(place, number(4))
                sum_ = builder.fadd(load_as(builder, result, there, _FLOATS, 4), product)
                target = builder.bitcast(builder.gep(result, [there]), _FLOATS.as_pointer())
                builder.store(sum_, target).align = 4
        return context.get_dummy_value()

    return types.void(shares, value, result, heads, chunks), write
