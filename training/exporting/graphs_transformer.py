"""The ONNX graph of a transformer that reads whole texts: a teacher, or ST(k), which is cut from one.

Activations are quantised row by row, so a text's vector does not depend on its batch. LayerNorm outputs are evened out
first (:mod:`training.exporting.smoothing`). GELU outputs are hardly ever negative, so most of their levels are above
zero. The runtime puts the model's special tokens around a text's own. A student may add its read-out to a weighted mean
of token vectors; that mean leaves the special tokens out. The sibling :mod:`training.exporting.graphs_causal` has the
transformer that a key-value cache turns into a fold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto

from training.exporting.graphs import Graph, Rows, WeightsFile, quantize_columns, quantize_rows
from training.exporting.graphs_trunk import LayerForm, activated, biases_of_whole_texts, rotary_tables, turned
from training.exporting.smoothing import divisors

#: A little less than the minimum of each activation.
_LEAST_ACTIVATION = {"gelu": -0.17, "gelu_tanh": -0.171, "relu": -1e-4}
#: The products that read the same rows, by the name of those rows.
_READERS = {"qkv": ("query", "key", "value"), "up": ("up",)}
_KINDS = ("weight", "bias")
#: Matrices that stay float32.
_PLAIN = ("positions", "relative", "token_weight")
#: The least sum of weights, which makes the mean of a text without tokens zero.
_LEAST = 1e-30


@dataclass(frozen=True, kw_only=True)
class EncoderSizes(LayerForm):
    """What the graph needs to know besides the weights. ``epsilon`` is what the LayerNorms add to the variance."""

    layers: int
    heads: int
    epsilon: float
    #: "mean", "cls" or "last".
    pooling: str
    #: Whether embeddings are scaled to length one.
    normalize: bool
    #: With a weighted mean of token vectors instead of pooling: the number of special tokens before and after a text.
    residual: tuple[int, int] | None = None


def encoder_tensors(
    state: Mapping[str, np.ndarray], peaks: Mapping[str, np.ndarray], sizes: EncoderSizes, *, positions: int
) -> dict[str, np.ndarray]:
    """Return the weights of a :class:`training.students.TruncatedTransformer` under the names that the graph uses.

    ``state`` is its state dict as float32 arrays. ``peaks`` holds, for ``n.qkv`` and ``n.up`` of each layer n, the
    largest inputs, float32 (width,). ``positions`` is the largest number of tokens, special ones included.
    """
    width = state["trunk.words.weight"].shape[1]
    found = {
        "words": state["trunk.words.weight"],
        "words.norm": state["trunk.norm.weight"],
        "words.norm.bias": state["trunk.norm.bias"],
        **rotary_tables(sizes, width // sizes.heads, positions),
    }
    if "trunk.positions" in state:
        found["positions"] = state["trunk.positions"][:positions]
    if "trunk.relative" in state:
        found["relative"] = state["trunk.relative"]
    if sizes.pre_norm:
        found["final.norm"], found["final.norm.bias"] = (state[f"trunk.final_norm.{kind}"] for kind in _KINDS)
    for number in range(sizes.layers):
        layer = f"trunk.layers.{number}"
        for kind in _KINDS:
            end = ".bias" if kind == "bias" else ""
            for name, part in zip(("query", "key", "value"), np.split(state[f"{layer}.qkv.{kind}"], 3), strict=True):
                found[f"{number}.{name}{end}"] = part
            for name in ("attention", "up", "down"):
                found[f"{number}.{name}{end}"] = state[f"{layer}.{name}.{kind}"]
            for name in ("attention", "down"):
                # The first layer may have none before attention.
                if (norm := state.get(f"{layer}.{name}_norm.{kind}")) is not None:
                    found[f"{number}.{name}.norm{end}"] = norm
    if sizes.residual:
        found |= {
            "table": state["table.weight"],
            "token_weight": np.exp(state["log_weights.weight"]),
            "readout": state["readout.weight"],
        }
    return _quantized(found, peaks)


def _quantized(found: dict[str, np.ndarray], peaks: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Quantise tables by row and products (out, in) by output. The rest stays float32."""
    tensors: dict[str, np.ndarray] = {}
    for name, peak in peaks.items():
        layer, rows = name.split(".")
        products = [f"{layer}.{product}" for product in _READERS[rows]]
        divided = divisors(peak, *(found[product] for product in products))
        found |= {product: found[product] * divided for product in products}
        tensors[f"{name}.factor"] = 1 / divided
    for name, tensor in found.items():
        if name in ("words", "table"):
            tensors[name], tensors[f"{name}.scale"] = quantize_rows(tensor)
        elif tensor.ndim == 2 and name not in _PLAIN and not name.startswith(("cos.", "sin.")):
            tensors[name], tensors[f"{name}.scale"] = quantize_columns(tensor.T)
        else:
            tensors[name] = tensor
    return tensors


def write_transformer(folder: Path, tensors: Mapping[str, np.ndarray], sizes: EncoderSizes) -> None:
    """Write the weights and both graphs into ``folder``. A second table gets a file of its own."""
    apart = {name: tensor for name, tensor in tensors.items() if name in ("table", "table.scale")}
    rest = {name: tensor for name, tensor in tensors.items() if name not in apart}
    weights = [WeightsFile(folder / "weights.safetensors", rest)]
    if apart:
        weights.append(WeightsFile(folder / "table.safetensors", apart))
    for variant, int8 in (("", True), ("-float32", False)):
        write_encoder(folder / f"encoder{variant}.onnx", weights, sizes, int8=int8)


def write_encoder(path: Path, weights: list[WeightsFile], sizes: EncoderSizes, *, int8: bool) -> None:
    """Write the encoder with its pooling, as the student runs it in PyTorch.

    The graph needs these tensors:

    - ``words`` with ``.scale``; ``positions``, with the embedding of token type 0 added, or those of
      :func:`~training.exporting.graphs_trunk.rotary_tables`;
    - ``relative`` float32 (heads, 2 farthest + 1), if there are biases by distance;
    - for each layer n, ``n.query``, ``n.key``, ``n.value``, ``n.attention``, ``n.up`` and ``n.down``, each with
      ``.scale`` and ``.bias``;
    - ``n.qkv.factor`` and ``n.up.factor``, by which the rows are multiplied first;
    - ``.norm`` and ``.norm.bias`` for ``words``, ``n.attention`` and ``n.down``, and for ``final`` if norms come first;
    - with token vectors, ``table`` and ``readout`` with ``.scale``, and ``token_weight``.

    Raises ``ValueError`` for an unknown ``sizes.pooling``.
    """
    graph = Graph(*weights, int8=int8)
    int64, float32 = TensorProto.INT64, TensorProto.FLOAT

    def norm(value: str, name: str) -> str:
        return graph.norm(value, name, epsilon=sizes.epsilon)

    def before(value: str, name: str) -> str:
        return norm(value, name) if sizes.pre_norm and f"{name}.norm" in graph else value

    def after(value: str, name: str) -> str:
        return value if sizes.pre_norm else norm(value, name)

    def evened(value: str, name: str) -> Rows:
        return graph.quantize_each(graph.op("Mul", value, graph.weight(f"{name}.factor")))

    def dense(source: Rows, name: str) -> str:
        return graph.dense_each(source, name, bias=f"{name}.bias")

    row, scale = graph.rows("words", "ids")
    length = graph.op("Shape", "ids", start=1, end=2)
    zero, one = graph.constant([0], np.int64), graph.constant([1], np.int64)
    words = graph.dequantize(row, scale)
    if not sizes.rotary:
        words = graph.op("Add", words, graph.op("Slice", graph.weight("positions"), zero, length, zero, one))
    hidden = norm(words, "words")
    key_mask = graph.op("Cast", "mask", to=TensorProto.INT32)
    biases = biases_of_whole_texts(graph, sizes, length)
    for number in range(sizes.layers):
        source = evened(before(hidden, f"{number}.attention"), f"{number}.qkv")
        query, key, value = (dense(source, f"{number}.{part}") for part in ("query", "key", "value"))
        query, key = (turned(graph, sizes, number, part, zero) for part in (query, key))
        bias = biases.get(sizes.window(number), "")
        context = graph.op(
            "MultiHeadAttention",
            *(query, key, value, "", key_mask, *([bias] if bias else [])),
            domain="com.microsoft",
            num_heads=sizes.heads,
        )
        attended = dense(graph.quantize_each(context), f"{number}.attention")
        hidden = after(graph.op("Add", attended, hidden), f"{number}.attention")
        up = dense(evened(before(hidden, f"{number}.down"), f"{number}.up"), f"{number}.up")
        inner = activated(graph, sizes, up, graph.shape(f"{number}.up")[1])
        # A gate has either sign.
        least = None if sizes.gated else _LEAST_ACTIVATION[sizes.activation]
        rows = graph.quantize_each(inner) if least is None else graph.quantize_above(inner, least)
        hidden = after(graph.op("Add", dense(rows, f"{number}.down"), hidden), f"{number}.down")
    hidden = before(hidden, "final")
    embedding = _residual(graph, hidden, sizes.residual) if sizes.residual else _pooled(graph, hidden, sizes.pooling)
    if sizes.normalize:
        embedding = graph.op("LpNormalization", embedding, axis=1, p=2)
    graph.write(
        path,
        {"ids": (int64, ["n", "length"]), "mask": (int64, ["n", "length"])},
        {"embedding": (embedding, float32, ["n", "dim"])},
    )


def _mean(graph: Graph, hidden: str, weights: str) -> str:
    """Return the mean (n, dim) of (n, length, dim) under weights (n, length, 1)."""
    one = graph.constant([1], np.int64)
    total = graph.op("ReduceSum", graph.op("Mul", hidden, weights), one, keepdims=0)
    weight = graph.op("Max", graph.op("ReduceSum", weights, one, keepdims=0), graph.constant(_LEAST))
    return graph.op("Div", total, weight)


def _present(graph: Graph) -> str:
    mask = graph.op("Cast", "mask", to=TensorProto.FLOAT)
    return graph.op("Unsqueeze", mask, graph.constant([2], np.int64))


def _pooled(graph: Graph, hidden: str, pooling: str) -> str:
    if pooling == "mean":
        return _mean(graph, hidden, _present(graph))
    if pooling == "cls":
        return graph.op("Gather", hidden, graph.constant(0, np.int64), axis=1)
    if pooling == "last":
        count = graph.op("ReduceSum", "mask", graph.constant([1], np.int64), keepdims=1)
        return graph.op("GatherND", hidden, graph.op("Sub", count, graph.constant([1], np.int64)), batch_dims=1)
    raise ValueError(f"pooling {pooling!r} cannot be exported; choose mean, cls or last")


def _residual(graph: Graph, hidden: str, special: tuple[int, int]) -> str:
    """Return the weighted mean of the text's token vectors plus the read-out of [first output; mean output]."""
    before, after = (graph.constant(count, np.int64) for count in special)
    length = graph.op("Squeeze", graph.op("Shape", "ids", start=1, end=2))
    place = graph.op("Range", graph.constant(0, np.int64), length, graph.constant(1, np.int64))
    count = graph.op("ReduceSum", "mask", graph.constant([1], np.int64), keepdims=1)
    inside = graph.op(
        "And",
        graph.op("GreaterOrEqual", place, before),
        graph.op("Less", place, graph.op("Sub", count, after)),
    )
    text = graph.op("Unsqueeze", graph.op("Cast", inside, to=TensorProto.FLOAT), graph.constant([2], np.int64))
    weights = graph.op("Mul", graph.op("Gather", graph.weight("token_weight"), "ids"), text)
    mean = _mean(graph, graph.dequantize(*graph.rows("table", "ids")), weights)
    first = graph.op("Gather", hidden, graph.constant(0, np.int64), axis=1)
    read = graph.op("Concat", first, _mean(graph, hidden, _present(graph)), axis=1)
    return graph.op("Add", mean, graph.dense_each(graph.quantize_each(read), "readout"))
