"""ONNX graphs of the causal student: each token attends to the stored keys and values of all tokens before it.

Products run in ``MatMulNBits`` with 8-bit weights. The kernel takes float32, quantises it with one scale per block of
:data:`~training.weight_blocks.BLOCK` entries, and adds the bias, so a product is a single node. For two layers of 384
dimensions this took 66 µs at best. Blocks of 64 took 76 µs, blocks of 32 took 82. ``MatMulIntegerToFloat`` with
constant scales took 86, and scales of whole rows, computed by separate nodes, took 97.

The first layer's queries, keys and values could be looked up for each token, as the GRU's input gates are. That saved
2 µs of 125 and cost 70 MB, so the step computes them. The sibling :mod:`training.exporting.graphs` has the builder that
all graphs share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto

from training.exporting.graphs import Graph, WeightsFile, quantize_rows
from training.exporting.graphs_trunk import (
    LayerForm,
    activated,
    biases_of_a_step,
    rotary_tables,
    rows_by_distance,
    turned,
)
from training.weight_blocks import block_of
from typeahead.encoders.causal import ACTIVATIONS

_MICROSOFT = "com.microsoft"
#: Each table has its own file: for a teacher of 384 dimensions, all three files are below 25 MB.
_FILES = ("weights", "words", "table")


@dataclass(frozen=True)
class CausalSizes(LayerForm):
    """What the graphs need to know about a causal student besides its weights.

    ``width`` and ``heads`` belong to the trunk, ``dim`` to the embedding. ``epsilon`` is what the LayerNorms
    add to the variance.
    """

    layers: int
    heads: int
    width: int
    dim: int
    epsilon: float
    #: Whether embeddings are scaled to length one.
    normalize: bool
    #: Whether there is a second read-out, ``ahead``.
    ahead: bool = False
    #: Bits of the feed-forward layers' weights: 8 or 4.
    feed_forward_bits: int = 8
    #: The same for attention.
    attention_bits: int = 8
    #: Units of each feed-forward layer, if they are fewer than the teacher's: 0 if not.
    units: int = 0

    def shape(self) -> dict[str, int]:
        """Return the sizes for ``config.json``."""
        shape = {"layers": self.layers, "heads": self.heads, "width": self.width}
        if self.ahead:
            shape["readouts"] = 2
        if self.units:
            shape["units"] = self.units
        for name in ("feed_forward_bits", "attention_bits"):
            if (bits := getattr(self, name)) != 8:
                shape[name] = bits
        if self.activation != ACTIVATIONS[0]:
            # Sizes start at one.
            shape["activation"] = ACTIVATIONS.index(self.activation) + 1
        return shape

    def bits(self) -> dict[str, int]:
        """Return the bits of each product in a layer."""
        attention, feed_forward = self.attention_bits, self.feed_forward_bits
        return {"qkv": attention, "attention": attention, "up": feed_forward, "down": feed_forward}

    def readouts(self) -> list[str]:
        """Return the names of the read-outs' weights."""
        return ["readout", "ahead"] if self.ahead else ["readout"]


def quantize_blocks(weight: np.ndarray, bits: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Quantise float32 (in, out) to uint8 (out, blocks, block), with float32 scales (out, blocks).

    This is the layout of ``MatMulNBits``. The level 128 stands for zero, and the last block is padded with zeros.

    With four ``bits`` the result is uint8 (out, blocks, block / 2): a byte holds two weights, the earlier one in its
    lower half, and the level 8 stands for zero. The weight furthest from zero in a block takes the lowest of the
    sixteen levels, -8, so a scale may be negative. A symmetric range would have one level fewer, and coarser steps.
    """
    inputs, outputs = weight.shape
    block = block_of(inputs, bits)
    padded = np.pad(weight.T, ((0, 0), (0, -inputs % block))).reshape(outputs, -1, block)
    if bits == 4:
        high, low = padded.max(2, keepdims=True), padded.min(2, keepdims=True)
        extreme = np.where(high >= -low, high, low)
        scale = np.where(np.abs(extreme) < 1e-12, 1e-12, extreme / -8).astype(np.float32)
        levels = (np.clip(np.rint(padded / scale), -8, 7) + 8).astype(np.uint8)
        return levels[:, :, ::2] | levels[:, :, 1::2] << 4, scale.squeeze(2)
    scale = np.maximum(np.abs(padded).max(2, keepdims=True) / 127, 1e-12).astype(np.float32)
    return (np.rint(padded / scale) + 128).astype(np.uint8), scale.squeeze(2)


def write_weights(folder: Path, tensors: dict[str, np.ndarray]) -> tuple[WeightsFile, ...]:
    """Write the tensors, each of the two tables to a file of its own."""
    parts: dict[str, dict[str, np.ndarray]] = {}
    for file in _FILES:
        of_file = {name: tensor for name, tensor in tensors.items() if _file_of(name) == file}
        # With shared input embeddings there are no words, and without a mean there is no table.
        if of_file:
            parts[file] = of_file
    return tuple(WeightsFile(folder / f"{name}.safetensors", part) for name, part in parts.items())


def _file_of(tensor: str) -> str:
    name = tensor.removesuffix(".scale")
    return name if name in ("words", "table") else "weights"


def write_causal_fold(path: Path, weights: tuple[WeightsFile, ...], sizes: CausalSizes) -> None:
    """Write the graph for the rows that the step looks up for a token, float16 (n, width + dim + 1).

    A row holds the token's word embedding, its vector times its weight, and its weight. A shared word embedding is a
    product of the vector, and in a student without a mean, all vectors are zero. The graph runs when a model is loaded,
    so it needs no int8 variant.
    """
    graph = _Step(weights, sizes, int8=False)
    weight = graph.op("Gather", graph.weight("token_weight"), "token")
    if "table" in graph:
        vector = graph.dequantize(*graph.rows("table", "token"))
    else:
        vector = graph.op("Expand", graph.constant(0.0), graph.constant([1, sizes.dim], np.int64))
    if "projection" in graph:
        word = graph.dense(vector, "projection", sizes.dim)
    else:
        word = graph.dequantize(*graph.rows("words", "token"))
    folded = graph.op("Concat", word, graph.op("Mul", vector, weight), weight, axis=1)
    float16 = TensorProto.FLOAT16
    rows = graph.op("Cast", folded, to=float16)
    graph.write(
        path, {"token": (TensorProto.INT64, ["n"])}, {"rows": (rows, float16, ["n", sizes.width + sizes.dim + 1])}
    )


class _Step(Graph):
    """The graph of the step, with methods for its products and normalisations."""

    def __init__(self, weights: tuple[WeightsFile, ...], sizes: CausalSizes, *, int8: bool) -> None:
        super().__init__(*weights, int8=int8)
        self._sizes = sizes

    def dense(self, value: str, name: str, inputs: int, *, bias: bool = True, bits: int = 8) -> str:
        """Multiply float32 rows of ``inputs`` entries by a weight from :func:`quantize_blocks`."""
        outputs, blocks, size = self.shape(name)
        block = size * 8 // bits
        if self.int8:
            # At level 4 the kernel quantises activations to int8.
            return self.op(
                "MatMulNBits",
                *(value, self.weight(name), self.weight(f"{name}.scale"), "", ""),
                *([self.weight(f"{name}.bias")] if bias else []),
                domain=_MICROSOFT,
                K=inputs,
                N=outputs,
                bits=bits,
                block_size=block,
                accuracy_level=4,
            )
        weight = self.weight(name)
        if bits == 4:
            halves = (
                self.op("BitwiseAnd", weight, self.constant(15, np.uint8)),
                self.op("BitShift", weight, self.constant(4, np.uint8), direction="RIGHT"),
            )
            last = self.constant([-1], np.int64)
            apart = self.op("Concat", *(self.op("Unsqueeze", half, last) for half in halves), axis=-1)
            weight = self.op("Reshape", apart, self.constant([outputs, blocks, block], np.int64))
        zero = self.constant(float(1 << bits - 1))
        centred = self.op("Sub", self.op("Cast", weight, to=TensorProto.FLOAT), zero)
        scale = self.op("Unsqueeze", self.weight(f"{name}.scale"), self.constant([2], np.int64))
        matrix = self.op("Reshape", self.op("Mul", centred, scale), self.constant([outputs, blocks * block], np.int64))
        (used, *_) = self.split(matrix, [inputs, blocks * block - inputs]) if blocks * block > inputs else [matrix]
        product = self.op("MatMul", value, self.op("Transpose", used, perm=[1, 0]))
        return self.op("Add", product, self.weight(f"{name}.bias")) if bias else product

    def before(self, value: str, name: str) -> str:
        """Apply LayerNorm to what a product reads, if norms come first and there is one."""
        if self._sizes.pre_norm and f"{name}.norm" in self:
            return self.norm(value, name, epsilon=self._sizes.epsilon)
        return value

    def norm_sum(self, value: str, other: str, name: str) -> str:
        """Add, and apply LayerNorm to the sum unless norms come first."""
        total = self.op("Add", value, other)
        # Two nodes: SkipLayerNormalization alone takes more than twice their time.
        return total if self._sizes.pre_norm else self.norm(total, name, epsilon=self._sizes.epsilon)


def write_causal_step(path: Path, weights: tuple[WeightsFile, ...], sizes: CausalSizes, *, int8: bool) -> None:
    """Write the step of :class:`training.students.Causal`.

    The step needs these tensors:

    - ``words.norm``, and ``positions`` float16 (positions, width), with the embedding of token type 0 added, or the
      tables of :func:`~training.exporting.graphs_trunk.rotary_tables`;
    - those of :func:`~training.exporting.graphs_trunk.rows_by_distance`;
    - for each layer n, ``n.qkv``, ``n.attention``, ``n.up`` and ``n.down``, each with ``.scale`` and ``.bias``;
    - for each layer n, ``n.attention.norm`` and ``n.down.norm``, each with ``.bias``, and ``final.norm`` if norms come
      first;
    - ``readout`` with ``.scale`` and, for a second read-out, ``ahead`` with ``.scale``.

    The rows of the whole vocabulary, from the graph of :func:`write_causal_fold`, are an input. So is ``past``, float16
    (1, length, 2 layers heads, width / heads): for each earlier token and each layer it holds the keys and then the
    values, head by head. ``length`` is the number of earlier tokens, and ``total`` is one more. ``sums`` holds the sum
    of weighted token vectors, the sum of weighted outputs and the sum of weights.

    The output ``kept`` is the new token's entry of ``past``. ``embedding`` holds the results of all read-outs, one
    after the other.
    """
    graph = _Step(weights, sizes, int8=int8)
    layers, heads, width, dim, bits = sizes.layers, sizes.heads, sizes.width, sizes.dim, sizes.bits()
    float32, float16, int64, int32 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.INT32

    row = graph.op("Cast", graph.op("Gather", "rows", "token"), to=float32)
    word, weighted, weight = graph.split(row, [width, dim, 1])
    if not sizes.rotary:
        position = graph.op("Gather", graph.weight("positions"), "length")
        word = graph.op("Add", word, graph.op("Cast", position, to=float32))
    hidden = graph.norm(word, "words", epsilon=sizes.epsilon)
    by_head = graph.op("Cast", graph.op("Transpose", "past", perm=[0, 2, 1, 3]), to=float32)
    parts = graph.op("Split", by_head, graph.constant([heads] * 2 * layers, np.int64), axis=1, outputs=2 * layers)
    past = parts.split(" ")
    kept = []
    biases = biases_of_a_step(graph, sizes)
    for number in range(layers):
        packed = graph.dense(graph.before(hidden, f"{number}.attention"), f"{number}.qkv", width, bits=bits["qkv"])
        if sizes.rotary:
            looking, value = graph.split(packed, [2 * width, width])
            position = graph.op("Cast", "length", to=int64)
            packed = graph.op("Concat", turned(graph, sizes, number, looking, position), value, axis=-1)
        bias = biases.get(sizes.window(number), "")
        keys_and_values = (graph.constant([bound], np.int64) for bound in (width, 3 * width, -1))
        kept.append(graph.op("Slice", packed, *keys_and_values))
        attended, *_ = graph.op(
            "GroupQueryAttention",
            *(packed, "", "", past[2 * number], past[2 * number + 1], "length", "total"),
            *(["", "", "", bias] if bias else []),
            domain=_MICROSOFT,
            num_heads=heads,
            kv_num_heads=heads,
            outputs=3,
        ).split(" ")
        added = graph.dense(attended, f"{number}.attention", width, bits=bits["attention"])
        hidden = graph.norm_sum(added, hidden, f"{number}.attention")
        up = graph.dense(graph.before(hidden, f"{number}.down"), f"{number}.up", width, bits=bits["up"])
        units = graph.shape(f"{number}.up")[0]
        inner = activated(graph, sizes, up, units)
        down = graph.dense(inner, f"{number}.down", units // 2 if sizes.gated else units, bits=bits["down"])
        hidden = graph.norm_sum(down, hidden, f"{number}.down")
    hidden = graph.before(hidden, "final")

    added = graph.op("Concat", weighted, graph.op("Mul", hidden, weight), weight, axis=-1)
    next_sums = graph.op("Add", "sums", added)
    # Where only the direction matters, sums serve as well as means.
    total, hidden_sum, weight_sum = graph.split(next_sums, [dim, width, 1])
    read = graph.op("Concat", graph.op("Mul", hidden, weight_sum), hidden_sum, axis=-1)
    embeddings = []
    for name in sizes.readouts():
        embedding = graph.op("Add", total, graph.dense(read, name, 2 * width, bias=False))
        if sizes.normalize:
            embedding = graph.op("LpNormalization", embedding, axis=-1, p=2)
        else:
            embedding = graph.op("Div", embedding, weight_sum)
        embeddings.append(embedding)
    embedding = graph.op("Concat", *embeddings, axis=-1) if sizes.ahead else embeddings[0]
    entry = graph.op("Cast", graph.op("Concat", *kept, axis=-1), to=float16)
    graph.write(
        path,
        {
            "rows": (float16, ["vocabulary", width + dim + 1]),
            "token": (int64, [1, 1]),
            "length": (int32, [1, 1]),
            "total": (int32, []),
            "sums": (float32, [1, 1, dim + width + 1]),
            "past": (float16, [1, "earlier", 2 * layers * heads, width // heads]),
        },
        {
            "kept": (entry, float16, [1, 1, 2 * layers * width]),
            "next_sums": (next_sums, float32, [1, 1, dim + width + 1]),
            "embedding": (embedding, float32, [1, 1, len(embeddings) * dim]),
        },
    )


def write_causal(folder: Path, tensors: dict[str, np.ndarray], sizes: CausalSizes) -> None:
    """Write a causal student's weights and all its graphs into ``folder``."""
    # The graphs have these built in; the compiled step reads them from the weights.
    own: dict[str, np.ndarray] = {"epsilon": np.array([sizes.epsilon], np.float32)}
    if sizes.windows:
        own["windows"] = np.array(sizes.windows, np.int64)
    if sizes.rotary:
        # The number of each layer's table.
        own["rotary"] = np.array([sizes.bases().index(base) for base in sizes.rotary], np.int64)
    weights = write_weights(folder, tensors | own)
    write_causal_fold(folder / "fold.onnx", weights, sizes)
    for variant, int8 in (("", True), ("-float32", False)):
        write_causal_step(folder / f"step{variant}.onnx", weights, sizes, int8=int8)


def causal_tensors(state: Mapping[str, np.ndarray], sizes: CausalSizes, *, positions: int) -> dict[str, np.ndarray]:
    """Return the weights of a :class:`training.students.Causal`, quantised, under the names that the graphs use.

    ``state`` is the student's state dict as float32 arrays. ``positions`` is the largest number of tokens in a text,
    including those of the start.
    """
    bits = sizes.bits()
    tensors: dict[str, np.ndarray] = {}
    if "projection.weight" in state:
        tensors["projection"], tensors["projection.scale"] = quantize_blocks(state["projection.weight"].T)
        tensors["projection.bias"] = state["projection.bias"]
    else:
        tensors["words"], tensors["words.scale"] = quantize_rows(state["trunk.words.weight"])
    if "table.weight" in state:
        tensors["table"], tensors["table.scale"] = quantize_rows(state["table.weight"])
    tensors["token_weight"] = np.exp(state["log_weights.weight"])
    if "trunk.positions" in state:
        tensors["positions"] = state["trunk.positions"][:positions].astype(np.float16)
    tensors |= rotary_tables(sizes, sizes.width // sizes.heads, positions)
    tensors |= rows_by_distance(state.get("trunk.relative"), sizes, positions)
    tensors["readout"], tensors["readout.scale"] = quantize_blocks(state["readout.weight"].T)
    if "guess.weight" in state:
        tensors["ahead"], tensors["ahead.scale"] = quantize_blocks((state["readout.weight"] + state["guess.weight"]).T)
    norms = {"words": "trunk.norm", "final": "trunk.final_norm"}
    for number in range(sizes.layers):
        for name in bits:
            source, key = f"trunk.layers.{number}.{name}", f"{number}.{name}"
            tensors[key], tensors[f"{key}.scale"] = quantize_blocks(state[f"{source}.weight"].T, bits[name])
            tensors[f"{key}.bias"] = state[f"{source}.bias"]
        for name in ("attention", "down"):
            norms[f"{number}.{name}"] = f"trunk.layers.{number}.{name}_norm"
    for name, source in norms.items():
        if f"{source}.weight" in state:
            tensors[f"{name}.norm"], tensors[f"{name}.norm.bias"] = state[f"{source}.weight"], state[f"{source}.bias"]
    return tensors
