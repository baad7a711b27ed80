"""The step of the causal student as one compiled function, over the products of :mod:`typeahead.encoders.vnni_blocks`.

A step reads every weight of the layers once: what it takes is what it takes to read them, so that here, where a graph
of a hundred nodes adds to that what each node costs, six layers take about as long as two in ONNX Runtime
(``python -m benchmarks.causal_step``). Tokens of several texts, or of one that is there as a whole, are stepped
together, up to four for one reading, and each gets the bits that it would get alone. Activations are quantised as in
the graph, each block of entries with its own scale, so that only the last bits differ, and with them now and then how
an entry is rounded.

A token's keys and values are a row of a matrix, and a step is told the rows of all tokens before it, so that nothing is
gathered or copied for attention. :class:`CompiledStates` keeps the rows of a whole tree of prefixes in such a matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from typeahead.encoders.attention import add_shares, scores_of
from typeahead.encoders.base import Vectors
from typeahead.encoders.kernels import erf, exp, half, largest, square, to_half
from typeahead.encoders.vnni import BYTES, COLUMNS, LANES, VECTORS, aligned, supported
from typeahead.encoders.vnni_blocks import blocks_of_four, blocks_of_one, pack_blocks
from typeahead.encoders.weights import read_tensors
from typeahead.models import ModelConfig
from typeahead.states import check_vectors, matrix

# Numba compiles closures over globals as constants, and a Python float would make everything float64.
_F = np.float32
_ROOT_HALF = _F(0.5**0.5)
_PRODUCTS = ("qkv", "attention", "up", "down")
_NORMS = ("attention", "down")
#: Of the text as it is, and of where it is going.
READOUTS = ("readout", "ahead")


class CompiledStep:
    """Steps one token. May be called from several threads.

    ``rows`` float16 (vocabulary, width + dim + 1) hold what depends on a token alone. :meth:`of` makes it of a folder.
    """

    def __init__(self, config: ModelConfig, tensors: dict[str, NDArray[Any]], rows: NDArray[np.float16]) -> None:
        layers, heads, width = (config.shape[name] for name in ("layers", "heads", "width"))
        readouts = READOUTS[: config.shape.get("readouts", 1)]
        names = [f"{layer}.{name}" for layer in range(layers) for name in _PRODUCTS]
        packed = [pack_blocks(tensors[name], tensors[f"{name}.scale"]) for name in (*names, *readouts)]
        norms = ["words", *(f"{layer}.{name}" for layer in range(layers) for name in _NORMS)]
        numbers = (
            [scales for _, scales in packed],
            [*(tensors[f"{name}.bias"] for name in names), np.zeros(config.dim, np.float32)],
            [tensors[f"{name}.norm{part}"] for name in norms for part in ("", ".bias")],
            [tensors["positions"].reshape(-1)],
        )
        parts = [np.concatenate(one) for one in numbers]
        blocks = [tensors[name].shape[2] for name in ("0.qkv", "0.down", "readout")]
        #: Entries of a token's keys and values, of its sums, and of what is read of them.
        self.kept, self.sums, self.read = 2 * layers * width, config.dim + width + 1, config.dim * len(readouts)
        self.rows = rows.view(np.uint16)
        # Few arrays, as Numba takes its time for each argument.
        self.arrays = (
            aligned(np.concatenate([weights for weights, _ in packed])),
            np.concatenate(parts),
            np.array([layers, heads, width, len(tensors["0.up"]), *blocks, *(len(part) for part in parts[:3])]),
            _F(tensors["epsilon"][0]),
            config.teacher.normalized,
        )

    @classmethod
    def of(cls, config: ModelConfig, folder: Path, rows: NDArray[np.float16]) -> CompiledStep | None:
        """Compile the step of a model folder; None if its sizes or this processor are not of the kind."""
        if not supported():
            return None
        tensors = read_tensors(folder / "weights.safetensors")
        # A file of an earlier version, heads of odd sizes, or a product whose last block is filled up.
        if "epsilon" not in tensors or config.shape["width"] // config.shape["heads"] % LANES:
            return None
        for name, inputs in _inputs(config, len(tensors["0.up"])):
            columns, blocks, block = tensors[name].shape
            if columns % COLUMNS or block % BYTES or blocks * block != inputs:
                return None
        return cls(config, tensors, rows)

    def __call__(
        self, past: NDArray[np.uint16], path: NDArray[np.int64], token: int, sums: Vectors
    ) -> tuple[NDArray[np.uint16], Vectors, Vectors]:
        """Step by ``token`` behind the tokens whose keys and values are the rows ``path`` of ``past``.

        ``past`` uint16 (n, layers x 2 x width) are the bits of float16; ``sums`` float32 (dim + width + 1,). Returns
        the token's own keys and values, its sums, and float32 (read-outs x dim,).
        """
        kept, vectors = np.empty((2, self.kept), np.uint16), np.empty((2, self.read + self.sums), np.float32)
        vectors[0, self.read :] = sums
        tokens, lengths, (first, second) = np.array([token]), np.array([len(path)]), np.arange(2).reshape(2, 1)
        _steps(self.rows, past, path[None], lengths, kept, vectors, first, tokens, second, *self.arrays)
        return kept[1], vectors[1, self.read :], vectors[1, : self.read]

    def encode(self, start: NDArray[np.uint16], tokens: Sequence[int]) -> Vectors:
        """Step by all tokens of a text: what is read behind the last one, float32 (read-outs x dim,).

        ``start`` holds the rows of what stands before every text; there is at least one token.
        """
        # The first row is for the sums before any token.
        before, count = len(start) + 1, len(start) + 1 + len(tokens)
        kept, vectors = np.empty((count, self.kept), np.uint16), np.empty((count, self.read + self.sums), np.float32)
        kept[1:before], vectors[before - 1] = start, 0
        _step_text(self.rows, kept, vectors, before, np.array(tokens), *self.arrays)
        return vectors[-1, : self.read]

    def states(self, start: NDArray[np.uint16], slots: int) -> CompiledStates:
        """Make a place for a tree's states; ``start`` holds the rows of what stands before every text."""
        return CompiledStates(self, start, slots)


def _inputs(config: ModelConfig, inner: int) -> list[tuple[str, int]]:
    """Every product and how many inputs it has."""
    width = config.shape["width"]
    layers = [
        (f"{layer}.{name}", inner if name == "down" else width)
        for layer in range(config.shape["layers"])
        for name in _PRODUCTS
    ]
    return [*layers, *((name, 2 * width) for name in READOUTS[: config.shape.get("readouts", 1)])]


class CompiledStates:
    """A tree's states in matrices that the step reads and writes; see :class:`~typeahead.states.States`.

    ``start`` uint16 (n, …) are the keys and values of what stands before every text.
    """

    chains = True

    def __init__(self, step: CompiledStep, start: NDArray[np.uint16], slots: int) -> None:
        self._compiled = step
        self._kept = matrix(slots + len(start), step.kept, np.uint16)
        self._kept[slots:] = start
        self._before = np.arange(slots, slots + len(start))
        #: What is read of a slot's state, and its sums.
        self._vectors = matrix(slots, step.read + step.sums)
        #: Each slot's parent, and how many tokens lead to it.
        self._tree = matrix(slots, 2, np.int32)
        self.slot_bytes = 2 * step.kept + 4 * (step.read + step.sums) + 8

    def step(self, parents: Sequence[int], tokens: Sequence[int], children: Sequence[int]) -> None:
        """See :meth:`~typeahead.states.States.step`."""
        compiled, vectors = self._compiled, self._vectors
        slots = np.array(parents), np.array(tokens), np.array(children)
        _step_slots(compiled.rows, self._kept, vectors, self._tree, self._before, *slots, *compiled.arrays)
        check_vectors(vectors.take(slots[2], axis=0)[:, : compiled.read])

    def embeddings(self, slots: Sequence[int]) -> Vectors:
        """See :meth:`~typeahead.states.States.embeddings`."""
        return self._vectors[:, : self._compiled.read].take(slots, axis=0)

    def forget(self, slot: int) -> None:
        """Nothing: the slot's memory is written over when it is used again."""


@njit(inline="never", error_model="numpy", fastmath={"contract"}, cache=True)
def _quantize(values: Any, block: int, quantized: Any, scales: Any, begins: Any) -> None:
    """Round float32 (n,) to int8, each block by its largest entry; ``begins`` make up for weights round 128."""
    for number in range(values.shape[0] // block):
        part, found = values[number * block : (number + 1) * block], quantized[number * block : (number + 1) * block]
        bound = largest(part)
        share = _F(127) / bound
        for place in range(block):
            # Halves to even: a float32 beyond 2²³ has no room for fractions.
            rounded = (part[place] * share + _F(12_582_912.0)) - _F(12_582_912.0)
            found[place] = np.int8(np.int32(rounded))
        total = np.int32(0)
        for place in range(block):
            total += np.int32(found[place])
        scales[number] = bound / _F(127)
        begins[number] = np.int32(-128) * total


@njit(inline="never", error_model="numpy", fastmath={"reassoc", "contract"}, cache=True)
def _add_and_norm(values: Any, other: Any, norm: Any, epsilon: np.float32, result: Any) -> None:
    """LayerNorm of a sum of two float32 (n,); ``norm`` (2n,) holds weight and bias."""
    count = result.shape[0]
    total = _F(0)
    for place in range(count):
        result[place] = values[place] + other[place]
        total += result[place]
    mean = total / _F(count)
    for place in range(count):
        result[place] -= mean
    scale = _F(1) / np.sqrt(square(result) / _F(count) + epsilon)
    for place in range(count):
        result[place] = result[place] * scale * norm[place] + norm[count + place]


@njit(inline="never", error_model="numpy", fastmath={"contract"}, cache=True)
def _gelu(values: Any) -> None:
    for place in range(values.shape[0]):
        value = values[place]
        values[place] = _F(0.5) * value * (_F(1) + erf(value * _ROOT_HALF))


@njit(inline="never", error_model="numpy", fastmath={"contract"}, cache=True)
def _attend(packed: Any, past: Any, path: Any, kept: Any, first: int, heads: int, room: Any, result: Any) -> None:
    """Attention of one token over the rows ``path`` of ``past``, and over itself, whose row is ``kept``.

    Keys begin at ``first`` of each row, values follow; ``packed`` begins with the token's query. ``room``
    (n + 3, heads) is for the scores of each, their greatest and their sum.
    """
    width, before = result.shape[0], path.shape[0]
    chunks = np.int64(width // heads // LANES)
    query, key, value = packed.ctypes.data, np.int64(2 * first), np.int64(2 * (first + width))
    shares, greatest, total = room[: before + 1], room[before + 1], room[before + 2]
    for row in range(before):
        scores_of(query, past[path[row]].ctypes.data + key, shares[row].ctypes.data, heads, chunks)
    scores_of(query, kept.ctypes.data + key, shares[before].ctypes.data, heads, chunks)
    for head in range(heads):
        greatest[head] = shares[before, head]
        total[head] = _F(0)
    for row in range(before):
        for head in range(heads):
            greatest[head] = max(greatest[head], shares[row, head])
    root = _F(1) / np.sqrt(_F(width // heads))
    for row in range(before + 1):
        for head in range(heads):
            shares[row, head] = (shares[row, head] - greatest[head]) * root
    flat = shares.reshape(-1)
    for place in range(flat.shape[0]):
        flat[place] = exp(flat[place])
    for row in range(before + 1):
        for head in range(heads):
            total[head] += shares[row, head]
    for place in range(width):
        result[place] = _F(0)
    for row in range(before):
        add_shares(shares[row].ctypes.data, past[path[row]].ctypes.data + value, result.ctypes.data, heads, chunks)
    add_shares(shares[before].ctypes.data, kept.ctypes.data + value, result.ctypes.data, heads, chunks)
    for head in range(heads):
        share = _F(1) / total[head]
        for place in range(head * (width // heads), (head + 1) * (width // heads)):
            result[place] *= share


@njit(inline="never", error_model="numpy", cache=True)
def _dense(values: Any, count: int, block: int, weights: Any, scales: Any, bias: Any, result: Any, room: Any) -> None:
    """Multiply ``count`` rows of float32 (1 or 4, n) by the matrix that ``weights`` and ``scales`` begin with."""
    quantized, own, begins = room
    for row in range(count):
        _quantize(values[row], block, quantized[row], own[row], begins[row])
    vectors, step = quantized.ctypes.data, np.int64(quantized.strides[0])
    blocks, columns = np.int64(values.shape[1] // block), np.int64(result.shape[1])
    matrix, theirs, start, found = weights.ctypes.data, scales.ctypes.data, bias.ctypes.data, result.ctypes.data
    scale, begin, apart = own.ctypes.data, begins.ctypes.data, np.int64(own.strides[0])
    if values.shape[0] == 1:
        blocks_of_one(
            vectors,
            step,
            scale,
            begin,
            apart,
            matrix,
            theirs,
            start,
            found,
            4 * columns,
            blocks,
            np.int64(block),
            columns,
        )
    else:
        blocks_of_four(
            vectors,
            step,
            scale,
            begin,
            apart,
            matrix,
            theirs,
            start,
            found,
            4 * columns,
            blocks,
            np.int64(block),
            columns,
        )


@njit(inline="never", error_model="numpy", fastmath={"contract"}, cache=True)
def _sum_up(row: Any, sums: Any, hidden: Any, following: Any, read: Any) -> None:
    """Add a token's vector, output and weight to the sums; ``read`` is what the read-out reads."""
    width = hidden.shape[0]
    dim = following.shape[0] - width - 1
    weight = half(row[width + dim])
    for place in range(dim):
        following[place] = sums[place] + half(row[width + place])
    for place in range(width):
        following[dim + place] = sums[dim + place] + hidden[place] * weight
    total = sums[dim + width] + weight
    following[dim + width] = total
    # Where only the direction counts, sums do as well as means.
    for place in range(width):
        read[place] = hidden[place] * total
        read[width + place] = following[dim + place]


@njit(inline="never", error_model="numpy", fastmath={"contract"}, cache=True)
def _finish(following: Any, normalize: bool, embedding: Any) -> None:
    dim = embedding.shape[0]
    for place in range(dim):
        embedding[place] += following[place]
    share = _F(1) / (np.sqrt(square(embedding)) if normalize else following[following.shape[0] - 1])
    for place in range(dim):
        embedding[place] *= share


@njit(nogil=True, error_model="numpy", cache=True)
def _steps(
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
    """Step up to four tokens, from the rows ``parents`` of ``vectors`` to its rows ``children`` and those of ``kept``.

    Before each token stand the first of ``lengths`` entries of its row of ``paths``, which are rows of ``past``. Where
    that is ``kept``, a token may stand behind one that comes before it here.
    """
    count, longest = tokens.shape[0], lengths.max()
    layers, heads, width, inner = sizes[0], sizes[1], sizes[2], sizes[3]
    narrow, wide, read_block = sizes[4], sizes[5], sizes[6]
    own = vectors.shape[1] - rows.shape[1]
    dim = rows.shape[1] - width - 1
    scales, bias = numbers, numbers[sizes[7] :]
    norm = bias[sizes[8] :]
    positions = norm[sizes[9] :]
    # What one has to multiply, or four: rows without a token are multiplied along, and stay as they are here.
    abreast = 1 if count == 1 else VECTORS
    word, hidden = np.empty((abreast, width), np.float32), np.empty((abreast, width), np.float32)
    mixed, packed = np.empty((abreast, width), np.float32), np.empty((abreast, 3 * width), np.float32)
    up, read = np.empty((abreast, inner), np.float32), np.empty((abreast, 2 * width), np.float32)
    embedding = np.empty((abreast, dim), np.float32)
    most = max(inner, 2 * width)
    room = (
        np.zeros((abreast, most), np.int8),
        np.zeros((abreast, most // 4), np.float32),
        np.zeros((abreast, most // 4), np.int32),
    )
    scores = np.empty((longest + 3, heads), np.float32)
    for row in range(count):
        looked_up = rows[tokens[row]]
        for place in range(width):
            word[row, place] = half(looked_up[place])
        _add_and_norm(word[row], positions[lengths[row] * width :], norm, epsilon, hidden[row])
    norm = norm[2 * width :]
    for layer in range(layers):
        _dense(hidden, count, narrow, weights, scales, bias, packed, room)
        weights, scales = weights[3 * width * width :], scales[3 * width * width // narrow :]
        bias = bias[3 * width :]
        first = 2 * layer * width
        for row in range(count):
            new = kept[children[row]]
            for place in range(2 * width):
                new[first + place] = to_half(packed[row, width + place])
            _attend(packed[row], past, paths[row, : lengths[row]], new, first, heads, scores, mixed[row])
        _dense(mixed, count, narrow, weights, scales, bias, word, room)
        weights, scales = weights[width * width :], scales[width * width // narrow :]
        bias = bias[width:]
        for row in range(count):
            _add_and_norm(word[row], hidden[row], norm, epsilon, mixed[row])
        norm = norm[2 * width :]
        _dense(mixed, count, narrow, weights, scales, bias, up, room)
        weights, scales = weights[width * inner :], scales[width * inner // narrow :]
        bias = bias[inner:]
        for row in range(count):
            _gelu(up[row])
        _dense(up, count, wide, weights, scales, bias, word, room)
        weights, scales = weights[width * inner :], scales[width * inner // wide :]
        bias = bias[width:]
        for row in range(count):
            _add_and_norm(word[row], mixed[row], norm, epsilon, hidden[row])
        norm = norm[2 * width :]
    for row in range(count):
        sums, following = vectors[parents[row], own:], vectors[children[row], own:]
        _sum_up(rows[tokens[row]], sums, hidden[row], following, read[row])
    for first in range(0, own, dim):
        _dense(read, count, read_block, weights, scales, bias, embedding, room)
        weights, scales = weights[2 * width * dim :], scales[2 * width * dim // read_block :]
        for row in range(count):
            found = vectors[children[row], first : first + dim]
            for place in range(dim):
                found[place] = embedding[row, place]
            _finish(vectors[children[row], own:], normalize, found)


@njit(nogil=True, error_model="numpy", cache=True)
def _step_slots(
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
    """Step from slots of a tree to others, four at a time."""
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
        _steps(
            rows, kept, paths, lengths, kept, vectors, parents[first:last], tokens[first:last], children[first:last],
            weights, numbers, sizes, epsilon, normalize,
        )  # fmt: skip


@njit(nogil=True, error_model="numpy", cache=True)
def _step_text(
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
    """Step from row to row, four tokens at a time, behind the rows 1 to ``before`` of ``kept``."""
    for first in range(0, tokens.shape[0], VECTORS):
        some = tokens[first : first + VECTORS]
        children = np.arange(before + first, before + first + some.shape[0])
        paths = np.empty((some.shape[0], children[-1]), np.int64)
        for row in range(some.shape[0]):
            paths[row] = np.arange(1, children[-1] + 1)
        parents = children - 1
        _steps(
            rows, kept, paths, parents, kept, vectors, parents, some, children,
            weights, numbers, sizes, epsilon, normalize,
        )  # fmt: skip
