"""The causal student's step as compiled functions: one token, tokens in a tree's slots, or a whole text.

:mod:`~typeahead.encoders.compiled.causal_layers` has the parts of a layer. The arrays that describe a student, from its
weights to its sizes, are made by :class:`~typeahead.encoders.compiled.causal.CompiledStep`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from typeahead.encoders.compiled.caching import compiled
from typeahead.encoders.compiled.causal_layers import (
    activate,
    add,
    add_and_norm,
    attend,
    dense,
    finish,
    gate,
    layer_norm,
    sum_up,
    turn,
)
from typeahead.encoders.compiled.kernels import half, to_half
from typeahead.encoders.compiled.vnni import VECTORS

#: Where the sizes of each layer start: its window, and the number of its table of rotary positions or -1.
LAYER_SIZES = 20


@compiled(nogil=True, error_model="numpy")
def steps(
    rows: Any,
    past: Any,
    paths: Any,
    lengths: Any,
    kept: Any,
    vectors: Any,
    parents: Any,
    tokens: Any,
    children: Any,
    weights: Any,
    numbers: Any,
    sizes: Any,
    epsilon: np.float32,
    normalize: bool,
) -> None:
    """Step up to four tokens from the rows ``parents`` of ``vectors`` to its rows ``children``, and those of ``kept``.

    Each token attends to the first ``lengths`` entries of its row of ``paths``; these are row numbers of ``past``. If
    ``past`` is ``kept``, a token may follow an earlier token of the same call.
    """
    count, longest = tokens.shape[0], lengths.max()
    layers, heads, width, inner, units = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    attention_bits, bits, activation, pre_norm, first_norm = sizes[5], sizes[6], sizes[7], sizes[8], sizes[9]
    narrow, up_block, down_block, read_block = sizes[10], sizes[11], sizes[12], sizes[13]
    own = vectors.shape[1] - rows.shape[1]
    dim = rows.shape[1] - width - 1
    scales, bias = numbers, numbers[sizes[14] :]
    norm = bias[sizes[15] :]
    positions = norm[sizes[16] :]
    relative = positions[sizes[17] :]
    # Cosines and sines of a position, for half a head.
    tables, turns = relative[sizes[18] :], width // heads
    relative = relative[: sizes[18]]
    embedded, table_size = sizes[17], sizes[19]
    word, hidden = np.empty((count, width), np.float32), np.empty((count, width), np.float32)
    mixed, packed = np.empty((count, width), np.float32), np.empty((count, 3 * width), np.float32)
    up, fed = np.empty((count, units), np.float32), np.empty((count, inner), np.float32)
    read = np.empty((count, 2 * width), np.float32)
    embedding = np.empty((count, dim), np.float32)
    most = max(inner, 2 * width)
    room = (
        np.empty((count, most), np.int8),
        np.empty((count, most // 4), np.float32),
        np.empty((count, most // 4), np.int32),
    )
    scores = np.empty((longest + 3, heads), np.float32)
    for row in range(count):
        looked_up = rows[tokens[row]]
        for place in range(width):
            word[row, place] = half(looked_up[place])
        if embedded:
            add_and_norm(word[row], positions[lengths[row] * width :], norm, epsilon, hidden[row])
        else:
            layer_norm(word[row], norm, epsilon, hidden[row])
    norm = norm[2 * width :]
    for layer in range(layers):
        window, table = sizes[LAYER_SIZES + 2 * layer], sizes[LAYER_SIZES + 2 * layer + 1]
        source = hidden
        if pre_norm and (layer > 0 or first_norm):
            source = mixed
            for row in range(count):
                layer_norm(hidden[row], norm, epsilon, mixed[row])
        dense(source, count, narrow, attention_bits, weights, scales, bias, packed, room)
        weights, scales = weights[3 * width * width * attention_bits // 8 :], scales[3 * width * width // narrow :]
        bias = bias[3 * width :]
        first = 2 * layer * width
        for row in range(count):
            if table >= 0:
                turn(packed[row], tables[table * table_size + lengths[row] * turns :], 2 * heads, turns // 2)
            new = kept[children[row]]
            for place in range(2 * width):
                new[first + place] = to_half(packed[row, width + place])
            begin = max(lengths[row] - window, 0) if window > 0 else 0
            path = paths[row, begin : lengths[row]]
            attend(packed[row], past, path, new, first, heads, relative, scores, mixed[row])
        dense(mixed, count, narrow, attention_bits, weights, scales, bias, word, room)
        weights, scales = weights[width * width * attention_bits // 8 :], scales[width * width // narrow :]
        bias = bias[width:]
        if pre_norm:
            # There is room for the first layer's norm even if it has none.
            norm = norm[2 * width :]
        for row in range(count):
            if pre_norm:
                add(word[row], hidden[row])
                layer_norm(hidden[row], norm, epsilon, mixed[row])
            else:
                add_and_norm(word[row], hidden[row], norm, epsilon, mixed[row])
        norm = norm[2 * width :]
        dense(mixed, count, up_block, bits, weights, scales, bias, up, room)
        weights, scales = weights[width * units * bits // 8 :], scales[width * units // up_block :]
        bias = bias[units:]
        source = up
        for row in range(count):
            activate(up[row, :inner], activation)
        if units > inner:
            source = fed
            for row in range(count):
                gate(up[row], fed[row])
        dense(source, count, down_block, bits, weights, scales, bias, word, room)
        weights, scales = weights[width * inner * bits // 8 :], scales[width * inner // down_block :]
        bias = bias[width:]
        for row in range(count):
            if pre_norm:
                add(word[row], hidden[row])
            else:
                add_and_norm(word[row], mixed[row], norm, epsilon, hidden[row])
        if not pre_norm:
            norm = norm[2 * width :]
    for row in range(count):
        if pre_norm:
            layer_norm(hidden[row], norm, epsilon, mixed[row])
            hidden[row] = mixed[row]
        sums, following = vectors[parents[row], own:], vectors[children[row], own:]
        sum_up(rows[tokens[row]], sums, hidden[row], following, read[row])
    for first in range(0, own, dim):
        dense(read, count, read_block, 8, weights, scales, bias, embedding, room)
        weights, scales = weights[2 * width * dim :], scales[2 * width * dim // read_block :]
        for row in range(count):
            found = vectors[children[row], first : first + dim]
            for place in range(dim):
                found[place] = embedding[row, place]
            finish(vectors[children[row], own:], normalize, found)


@compiled(nogil=True, error_model="numpy")
def step_slots(
    rows: Any,
    kept: Any,
    vectors: Any,
    tree: Any,
    before: Any,
    parents: Any,
    tokens: Any,
    children: Any,
    weights: Any,
    numbers: Any,
    sizes: Any,
    epsilon: np.float32,
    normalize: bool,
) -> None:
    """Step from slots of a tree to other slots, four at a time."""
    start = before.shape[0]
    for first in range(0, parents.shape[0], VECTORS):
        last = min(first + VECTORS, parents.shape[0])
        lengths = np.empty(last - first, np.int64)
        for row in range(last - first):
            child, parent = children[first + row], parents[first + row]
            tree[child, 0], tree[child, 1] = parent, tree[parent, 1] + 1
            lengths[row] = start + tree[parent, 1]
        paths = np.empty((last - first, lengths.max()), np.int64)
        for row in range(last - first):
            slot = parents[first + row]
            for place in range(lengths[row] - 1, start - 1, -1):
                paths[row, place] = slot
                slot = tree[slot, 0]
            for place in range(start):
                paths[row, place] = before[place]
        steps(
            rows, kept, paths, lengths, kept, vectors, parents[first:last], tokens[first:last], children[first:last],
            weights, numbers, sizes, epsilon, normalize,
        )  # fmt: skip


@compiled(nogil=True, error_model="numpy")
def step_text(
    rows: Any,
    kept: Any,
    vectors: Any,
    before: int,
    tokens: Any,
    weights: Any,
    numbers: Any,
    sizes: Any,
    epsilon: np.float32,
    normalize: bool,
) -> None:
    """Step from row to row, four tokens at a time, after the rows 1 to ``before`` of ``kept``."""
    for first in range(0, tokens.shape[0], VECTORS):
        some = tokens[first : first + VECTORS]
        children = np.arange(before + first, before + first + some.shape[0])
        paths = np.empty((some.shape[0], children[-1]), np.int64)
        for row in range(some.shape[0]):
            paths[row] = np.arange(1, children[-1] + 1)
        parents = children - 1
        steps(
            rows, kept, paths, parents, kept, vectors, parents, some, children,
            weights, numbers, sizes, epsilon, normalize,
        )  # fmt: skip
