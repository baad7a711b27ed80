"""The causal student's step as one compiled function: its weights, and the storage of its states.

The functions are in :mod:`~typeahead.encoders.compiled.causal_steps`.

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
from typeahead.encoders.compiled.causal_steps import step_slots, step_text, steps
from typeahead.encoders.compiled.vnni import BYTES, COLUMNS, LANES, aligned, supported
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
        pre_norm = "final.norm" in tensors
        norms = ["words", *(f"{layer}.{name}" for layer in range(layers) for name in _NORMS)]
        norms += ["final"] if pre_norm else []
        # The first layer may have no norm before attention.
        norm = {
            f"{name}{part}": tensors.get(f"{name}{part}", np.zeros(width, np.float32))
            for name in norms
            for part in (".norm", ".norm.bias")
        }
        # By distance, nearest first, and then by head. Attention scales the sum of scores and biases.
        relative = tensors["relative"][0, :, 0, ::-1].T if "relative" in tensors else np.empty(0, np.float32)
        tables = _tables(tensors)
        numbers = (
            [scales for _, scales in packed],
            [*(tensors[f"{name}.bias"] for name in names), np.zeros(config.dim, np.float32)],
            list(norm.values()),
            [tensors.get("positions", np.empty(0)).astype(np.float32).reshape(-1)],
            [relative.reshape(-1) * np.sqrt(np.float32(width // heads))],
            [table.reshape(-1) for table in tables],
        )
        parts = [np.concatenate([*one, np.empty(0, np.float32)]) for one in numbers]
        units, inner = len(tensors["0.up"]), _units(config, tensors)
        forms = _bits(config, "0.qkv"), _bits(config, "0.up"), config.shape.get("activation", 1)
        blocks = [tensors[name].shape[2] * 8 // _bits(config, name) for name in ("0.qkv", "0.up", "0.down", "readout")]
        sizes = [layers, heads, width, inner, units, *forms, pre_norm, "0.attention.norm" in tensors, *blocks]
        sizes += [*(len(part) for part in parts[:5]), tables[0].size if tables else 0]
        each = zip(
            tensors.get("windows", np.zeros(layers, np.int64)),
            tensors.get("rotary", np.full(layers, -1)),
            strict=True,
        )
        #: Number of entries in a token's keys and values, in its sums, and in its readouts.
        self.kept, self.sums, self.read = 2 * layers * width, config.dim + width + 1, config.dim * len(readouts)
        self.rows = rows.view(np.uint16)
        # Few arrays, because Numba has an overhead for each argument.
        self.arrays = (
            aligned(np.concatenate([weights for weights, _ in packed])),
            np.concatenate(parts),
            np.array([*sizes, *(number for pair in each for number in pair)], np.int64),
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
        for name, inputs in _inputs(config, _units(config, tensors)):
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
        steps(self.rows, past, path[None], lengths, kept, vectors, first, tokens, second, *self.arrays)
        return kept[1], vectors[1, self.read :], vectors[1, : self.read]

    def encode(self, start: NDArray[np.uint16], tokens: Sequence[int]) -> Vectors:
        """Step through all tokens of a text, and return the last one's readouts: float32 (readouts x dim,).

        ``start`` holds the rows of the tokens before every text. ``tokens`` must not be empty.
        """
        # The first row holds the sums before any token.
        before, count = len(start) + 1, len(start) + 1 + len(tokens)
        kept, vectors = np.empty((count, self.kept), np.uint16), np.empty((count, self.read + self.sums), np.float32)
        kept[1:before], vectors[before - 1] = start, 0
        step_text(self.rows, kept, vectors, before, np.array(tokens), *self.arrays)
        return vectors[-1, : self.read]

    def states(self, start: NDArray[np.uint16], slots: int) -> CompiledStates:
        """Make storage for a tree's states; ``start`` holds the rows of the tokens before every text."""
        return CompiledStates(self, start, slots)


def _tables(tensors: dict[str, NDArray[Any]]) -> list[Vectors]:
    """Return the tables of rotary positions, each float32 (positions, head size): cosines, then sines."""
    count = int(tensors["rotary"].max()) + 1 if "rotary" in tensors else 0
    return [np.concatenate([tensors[f"cos.{number}"], tensors[f"sin.{number}"]], axis=1) for number in range(count)]


def _units(config: ModelConfig, tensors: dict[str, NDArray[Any]]) -> int:
    """Return the number of inputs of a layer's last product; the one before has twice as many if there is a gate."""
    _, blocks, size = tensors["0.down"].shape
    return int(blocks * size * 8 // _bits(config, "0.down"))


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
        step_slots(compiled.rows, self._kept, vectors, self._tree, self._before, *slots, *compiled.arrays)
        check_vectors(vectors.take(slots[2], axis=0)[:, : compiled.read])

    def embeddings(self, slots: Sequence[int]) -> Vectors:
        """See :meth:`~typeahead.core.states.States.embeddings`."""
        # In this order: taking rows from a column slice makes NumPy copy the slice of all rows first.
        return self._vectors.take(slots, axis=0)[:, : self._compiled.read]

    def forget(self, slot: int) -> None:
        """Do nothing: the next use of the slot overwrites it."""
