"""The causal student's step as one compiled function, built from the layers in ``causal_layers``.

A step reads every weight of the layers once, and its cost is the time to read them. A graph of a hundred nodes adds the
cost of each node; without it, six layers take about as long as two in ONNX Runtime (``python -m
benchmarks.causal_step``). Up to four tokens are stepped together per reading of the weights, from several texts or from
one whole text, and each gets the same bits as it would alone. Activations are quantised as in the graph, with one scale
per block of entries, so results differ only in the last bits, and occasionally in how an entry is rounded.

A token's keys and values are a row of a matrix. A step receives the row numbers of all previous tokens, so attention
gathers and copies nothing. :class:`CompiledStates` keeps the rows of a whole tree of prefixes in such a matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.core.states import check_vectors, matrix
from typeahead.encoders.compiled.caching import compiled
from typeahead.encoders.compiled.causal_layers import activate, add_and_norm, attend, dense, finish, sum_up
from typeahead.encoders.compiled.kernels import half, to_half
from typeahead.encoders.compiled.vnni import BYTES, COLUMNS, LANES, VECTORS, aligned, supported
from typeahead.encoders.compiled.vnni_blocks import pack_blocks
from typeahead.encoders.weights import read_tensors
from typeahead.models.config import ModelConfig

_PRODUCTS = ("qkv", "attention", "up", "down")
_FEED_FORWARD = ("up", "down")
_NORMS = ("attention", "down")
#: Readouts for the text as it is, and for where it is going.
READOUTS = ("readout", "ahead")


class CompiledStep:
    """Steps one token. May be called from several threads.

    ``rows`` float16 (vocabulary, width + dim + 1) hold what depends only on the token. :meth:`of` makes a step from a
    folder.
    """

    def __init__(self, config: ModelConfig, tensors: dict[str, NDArray[Any]], rows: NDArray[np.float16]) -> None:
        layers, heads, width = (config.shape[name] for name in ("layers", "heads", "width"))
        readouts = READOUTS[: config.shape.get("readouts", 1)]
        names = [f"{layer}.{name}" for layer in range(layers) for name in _PRODUCTS]
        packed = [
            pack_blocks(tensors[name], tensors[f"{name}.scale"], _bits(config, name)) for name in (*names, *readouts)
        ]
        norms = ["words", *(f"{layer}.{name}" for layer in range(layers) for name in _NORMS)]
        # By distance, nearest first, and then by head.
        relative = tensors["relative"][0, :, 0, ::-1].T if "relative" in tensors else np.empty(0, np.float32)
        numbers = (
            [scales for _, scales in packed],
            [*(tensors[f"{name}.bias"] for name in names), np.zeros(config.dim, np.float32)],
            [tensors[f"{name}.norm{part}"] for name in norms for part in ("", ".bias")],
            [tensors["positions"].reshape(-1)],
            # Attention scales the sum of scores and biases.
            [relative.reshape(-1) * np.sqrt(np.float32(width // heads))],
        )
        parts = [np.concatenate(one) for one in numbers]
        forms = _bits(config, "0.qkv"), _bits(config, "0.up"), config.shape.get("activation", 1)
        blocks = [tensors[name].shape[2] * 8 // _bits(config, name) for name in ("0.qkv", "0.up", "0.down", "readout")]
        #: Number of entries in a token's keys and values, in its sums, and in its readouts.
        self.kept, self.sums, self.read = 2 * layers * width, config.dim + width + 1, config.dim * len(readouts)
        self.rows = rows.view(np.uint16)
        # Few arrays, because Numba has an overhead for each argument.
        self.arrays = (
            aligned(np.concatenate([weights for weights, _ in packed])),
            np.concatenate(parts),
            np.array([layers, heads, width, len(tensors["0.up"]), *forms, *blocks, *(len(part) for part in parts[:4])]),
            np.float32(tensors["epsilon"][0]),
            config.unit,
        )

    @classmethod
    def of(cls, config: ModelConfig, folder: Path, rows: NDArray[np.float16]) -> CompiledStep | None:
        """Compile the step of a model folder; None if its sizes or this processor are not supported."""
        if not supported():
            return None
        tensors = read_tensors(folder / "weights.safetensors")
        # Not supported: files of an earlier version, odd head sizes, other bit widths, and products with a padded last
        # block.
        if "epsilon" not in tensors or config.shape["width"] // config.shape["heads"] % LANES:
            return None
        if not {_bits(config, "0.up"), _bits(config, "0.qkv")} <= {4, 8}:
            return None
        for name, inputs in _inputs(config, len(tensors["0.up"])):
            columns, blocks, size = tensors[name].shape
            if columns % COLUMNS or size % BYTES or blocks * size * 8 // _bits(config, name) != inputs:
                return None
        return cls(config, tensors, rows)

    def __call__(
        self, past: NDArray[np.uint16], path: NDArray[np.int64], token: int, sums: Vectors
    ) -> tuple[NDArray[np.uint16], Vectors, Vectors]:
        """Step by ``token`` after the tokens whose keys and values are the rows ``path`` of ``past``.

        ``past`` uint16 (n, layers x 2 x width) holds the bits of float16; ``sums`` is float32 (dim + width + 1,).
        Returns the token's own keys and values, its sums, and float32 (readouts x dim,).
        """
        kept, vectors = np.empty((2, self.kept), np.uint16), np.empty((2, self.read + self.sums), np.float32)
        vectors[0, self.read :] = sums
        tokens, lengths, (first, second) = np.array([token]), np.array([len(path)]), np.arange(2).reshape(2, 1)
        _steps(self.rows, past, path[None], lengths, kept, vectors, first, tokens, second, *self.arrays)
        return kept[1], vectors[1, self.read :], vectors[1, : self.read]

    def encode(self, start: NDArray[np.uint16], tokens: Sequence[int]) -> Vectors:
        """Step through all tokens of a text, and return the last one's readouts: float32 (readouts x dim,).

        ``start`` holds the rows of the tokens before every text. ``tokens`` must not be empty.
        """
        # The first row holds the sums before any token.
        before, count = len(start) + 1, len(start) + 1 + len(tokens)
        kept, vectors = np.empty((count, self.kept), np.uint16), np.empty((count, self.read + self.sums), np.float32)
        kept[1:before], vectors[before - 1] = start, 0
        _step_text(self.rows, kept, vectors, before, np.array(tokens), *self.arrays)
        return vectors[-1, : self.read]

    def states(self, start: NDArray[np.uint16], slots: int) -> CompiledStates:
        """Make storage for a tree's states; ``start`` holds the rows of the tokens before every text."""
        return CompiledStates(self, start, slots)


def _bits(config: ModelConfig, name: str) -> int:
    """Return the number of bits of a product's weights."""
    product = name.split(".")[-1]
    if product in READOUTS:
        return 8
    return config.shape.get("feed_forward_bits" if product in _FEED_FORWARD else "attention_bits", 8)


def _inputs(config: ModelConfig, inner: int) -> list[tuple[str, int]]:
    """Return the name and number of inputs of every product."""
    width = config.shape["width"]
    layers = [
        (f"{layer}.{name}", inner if name == "down" else width)
        for layer in range(config.shape["layers"])
        for name in _PRODUCTS
    ]
    return [*layers, *((name, 2 * width) for name in READOUTS[: config.shape.get("readouts", 1)])]


class CompiledStates:
    """A tree's states in matrices that the step reads and writes; see :class:`~typeahead.core.states.States`.

    ``start`` uint16 (n, …) holds the keys and values of the tokens before every text.
    """

    chains = True

    def __init__(self, step: CompiledStep, start: NDArray[np.uint16], slots: int) -> None:
        self._compiled = step
        self._kept = matrix(slots + len(start), step.kept, np.uint16)
        self._kept[slots:] = start
        self._before = np.arange(slots, slots + len(start))
        #: The readouts of a slot's state, followed by its sums.
        self._vectors = matrix(slots, step.read + step.sums)
        #: Each slot's parent, and the number of tokens up to it.
        self._tree = matrix(slots, 2, np.int32)
        self.slot_bytes = 2 * step.kept + 4 * (step.read + step.sums) + 8

    def step(self, parents: Sequence[int], tokens: Sequence[int], children: Sequence[int]) -> None:
        """See :meth:`~typeahead.core.states.States.step`."""
        compiled, vectors = self._compiled, self._vectors
        slots = np.array(parents), np.array(tokens), np.array(children)
        _step_slots(compiled.rows, self._kept, vectors, self._tree, self._before, *slots, *compiled.arrays)
        check_vectors(vectors.take(slots[2], axis=0)[:, : compiled.read])

    def embeddings(self, slots: Sequence[int]) -> Vectors:
        """See :meth:`~typeahead.core.states.States.embeddings`."""
        # In this order: taking rows from a column slice makes NumPy copy the slice of all rows first.
        return self._vectors.take(slots, axis=0)[:, : self._compiled.read]

    def forget(self, slot: int) -> None:
        """Do nothing: the next use of the slot overwrites it."""


@compiled(nogil=True, error_model="numpy")
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
    """Step up to four tokens from the rows ``parents`` of ``vectors`` to its rows ``children``, and those of ``kept``.

    Each token attends to the first ``lengths`` entries of its row of ``paths``; these are row numbers of ``past``. If
    ``past`` is ``kept``, a token may follow an earlier token of the same call.
    """
    count, longest = tokens.shape[0], lengths.max()
    layers, heads, width, inner = sizes[0], sizes[1], sizes[2], sizes[3]
    attention_bits, bits, activation = sizes[4], sizes[5], sizes[6]
    narrow, up_block, down_block, read_block = sizes[7], sizes[8], sizes[9], sizes[10]
    own = vectors.shape[1] - rows.shape[1]
    dim = rows.shape[1] - width - 1
    scales, bias = numbers, numbers[sizes[11] :]
    norm = bias[sizes[12] :]
    positions = norm[sizes[13] :]
    relative = positions[sizes[14] :]
    word, hidden = np.empty((count, width), np.float32), np.empty((count, width), np.float32)
    mixed, packed = np.empty((count, width), np.float32), np.empty((count, 3 * width), np.float32)
    up, read = np.empty((count, inner), np.float32), np.empty((count, 2 * width), np.float32)
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
        add_and_norm(word[row], positions[lengths[row] * width :], norm, epsilon, hidden[row])
    norm = norm[2 * width :]
    for layer in range(layers):
        dense(hidden, count, narrow, attention_bits, weights, scales, bias, packed, room)
        weights, scales = weights[3 * width * width * attention_bits // 8 :], scales[3 * width * width // narrow :]
        bias = bias[3 * width :]
        first = 2 * layer * width
        for row in range(count):
            new = kept[children[row]]
            for place in range(2 * width):
                new[first + place] = to_half(packed[row, width + place])
            attend(packed[row], past, paths[row, : lengths[row]], new, first, heads, relative, scores, mixed[row])
        dense(mixed, count, narrow, attention_bits, weights, scales, bias, word, room)
        weights, scales = weights[width * width * attention_bits // 8 :], scales[width * width // narrow :]
        bias = bias[width:]
        for row in range(count):
            add_and_norm(word[row], hidden[row], norm, epsilon, mixed[row])
        norm = norm[2 * width :]
        dense(mixed, count, up_block, bits, weights, scales, bias, up, room)
        weights, scales = weights[width * inner * bits // 8 :], scales[width * inner // up_block :]
        bias = bias[inner:]
        for row in range(count):
            activate(up[row], activation)
        dense(up, count, down_block, bits, weights, scales, bias, word, room)
        weights, scales = weights[width * inner * bits // 8 :], scales[width * inner // down_block :]
        bias = bias[width:]
        for row in range(count):
            add_and_norm(word[row], mixed[row], norm, epsilon, hidden[row])
        norm = norm[2 * width :]
    for row in range(count):
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
        _steps(
            rows, kept, paths, lengths, kept, vectors, parents[first:last], tokens[first:last], children[first:last],
            weights, numbers, sizes, epsilon, normalize,
        )  # fmt: skip


@compiled(nogil=True, error_model="numpy")
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
    """Step from row to row, four tokens at a time, after the rows 1 to ``before`` of ``kept``."""
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
