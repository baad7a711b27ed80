"""ONNX graphs of the folds with a GRU: the residual GRU, and the paper's RNN(l, f).

Both stack GRUs and read the embedding from the last one. The residual GRU also keeps a running weighted mean of token
vectors, which its read-out corrects: linearly, or by a layer that reads the mean as well. Whatever depends on the token
alone is a separate graph (``fold``). It runs once for the whole vocabulary, and the step looks its rows up.

The hidden state of a GRU is a convex mix of tanh outputs, so it stays inside (-1, 1) and its scale is the constant
1/127. The outputs of LayerNorm and GELU are not bounded, so each row gets its own scale. The sibling
:mod:`training.exporting.graphs_causal` has the fold whose state grows with the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto

from training.exporting.graphs import Graph, WeightsFile, quantize_columns, quantize_rows

_EPSILON = 1e-12


@dataclass(frozen=True)
class RecurrentSizes:
    """What the graphs need to know about a recurrent student besides its weights.

    A student has ``layers`` GRUs of ``hidden`` units and embeddings of ``dim`` entries. With ``mean``, the embedding is
    a running mean of token vectors plus a read-out of [last state; weighted mean of states]: by a layer of ``readout``
    units that reads the mean as well, or linear if ``readout`` is 0. Without a mean, the last state passes through
    ``feed_forward`` layers and, with ``projected``, a projection.
    """

    dim: int
    #: Whether embeddings are scaled to length one.
    normalize: bool
    mean: bool
    hidden: int
    layers: int
    readout: int = 0
    feed_forward: int = 0
    #: Whether a linear map to ``dim`` comes last.
    projected: bool = False

    @property
    def gates(self) -> int:
        """Number of entries in the first GRU's input gates."""
        return 3 * self.hidden

    @property
    def row(self) -> int:
        """Number of entries in the row that the step looks up for a token."""
        return self.gates + (self.dim + 2 if self.mean else 0)

    @property
    def state(self) -> int:
        """Number of entries in a state."""
        sums = self.dim + 1 + self.hidden if self.mean else 0
        return sums + self.layers * self.hidden

    def shape(self) -> dict[str, int]:
        """Return the sizes for ``config.json``."""
        readout = {"readout": self.readout} if self.readout else {}
        return {"hidden": self.hidden, "layers": self.layers, **readout, "state": self.state, "row": self.row}


def recurrent_tensors(state: Mapping[str, np.ndarray], sizes: RecurrentSizes) -> dict[str, np.ndarray]:
    """Return a student's weights, quantised, under the names that the graphs use.

    ``state`` is the student's state dict as float32 arrays. ``table`` holds the token vectors: the first GRU reads
    them, and the mean is taken over them. The first GRU has the weights ``input`` and ``recurrent``. The next ones
    have ``n.input`` and ``n.recurrent``, from n = 1 on. Feed-forward layer n, from 0 on, has ``n.up`` and ``n.down``.
    The layer of a residual GRU reads the mean by ``inner`` and the states by ``inner.states``, because the two are
    rounded with scales of their own. ``outer`` is its second product.
    """
    tensors: dict[str, np.ndarray] = {}
    tensors["table"], tensors["table.scale"] = quantize_rows(state["table.weight" if sizes.mean else "words.weight"])
    products: dict[str, np.ndarray] = {}
    for number in range(sizes.layers):
        name = _gru(number)
        products[f"{name}input"] = state[f"gru.weight_ih_l{number}"]
        products[f"{name}recurrent"] = state[f"gru.weight_hh_l{number}"]
        # The reset gate multiplies the new gate's recurrent bias. All other biases are simply added.
        recurrent_bias = state[f"gru.bias_hh_l{number}"]
        only_new = np.where(np.arange(3 * sizes.hidden) < 2 * sizes.hidden, 0, recurrent_bias)
        tensors[f"{name}input.bias"] = state[f"gru.bias_ih_l{number}"] + recurrent_bias - only_new
        tensors[f"{name}recurrent.bias"] = only_new.astype(np.float32)
    for number in range(sizes.feed_forward):
        for part in ("up", "down"):
            products[f"{number}.{part}"] = state[f"layers.{number}.{part}.weight"]
            tensors[f"{number}.{part}.bias"] = state[f"layers.{number}.{part}.bias"]
        tensors[f"{number}.norm"] = state[f"layers.{number}.norm.weight"]
        tensors[f"{number}.norm.bias"] = state[f"layers.{number}.norm.bias"]
    if sizes.projected:
        products["projection"], tensors["projection.bias"] = state["projection.weight"], state["projection.bias"]
    if sizes.mean:
        tensors["token_weight"] = np.exp(state["log_weights.weight"])
        if sizes.readout:
            inner = state["inner.weight"]
            products["inner"], products["inner.states"] = inner[:, : sizes.dim], inner[:, sizes.dim :]
            products["outer"] = state["outer.weight"]
            tensors["inner.bias"], tensors["outer.bias"] = state["inner.bias"], state["outer.bias"]
        else:
            products["readout"] = state["readout.weight"]
    for name, weight in products.items():
        tensors[name], tensors[f"{name}.scale"] = quantize_columns(weight.T)
    return tensors


def _gru(number: int) -> str:
    """Return the prefix of a GRU's weights. The first has none: its names date from when there was only one GRU."""
    return f"{number}." if number else ""


def write_recurrent(folder: Path, state: Mapping[str, np.ndarray], sizes: RecurrentSizes) -> None:
    """Write a student's weights and all its graphs into ``folder``."""
    weights = WeightsFile(folder / "weights.safetensors", recurrent_tensors(state, sizes))
    for variant, int8 in (("", True), ("-float32", False)):
        write_fold(folder / f"fold{variant}.onnx", weights, sizes, int8=int8)
        write_step(folder / f"step{variant}.onnx", weights, sizes, int8=int8)


def write_fold(path: Path, weights: WeightsFile, sizes: RecurrentSizes, *, int8: bool) -> None:
    """Write the graph for the part of the step that depends on the token alone: rows, float16 (n, sizes.row).

    A row holds the first GRU's input gates. With a mean, the token's vector times its weight follows, and then the
    weight twice: once to be summed along with the vector, once to be used by itself. The rows are computed once for
    each token, when a model is loaded, and the step looks them up. ``input.bias`` holds all biases that are added
    before a non-linearity.
    """
    graph = Graph(weights, int8=int8)
    row, scale = graph.rows("table", "token")
    vector = graph.dequantize(row, scale)
    if int8:
        product = graph.op("Mul", graph.dense_int8(row, graph.constant(1.0), "input"), scale)
    else:
        product = graph.dense_float(vector, "input")
    parts = [graph.op("Add", product, graph.weight("input.bias"))]
    if sizes.mean:
        weight = graph.op("Gather", graph.weight("token_weight"), "token")
        parts += [graph.op("Mul", vector, weight), weight, weight]
    folded = graph.op("Concat", *parts, axis=1)
    float16 = TensorProto.FLOAT16
    rows = graph.op("Cast", folded, to=float16)
    graph.write(path, {"token": (TensorProto.INT64, ["n"])}, {"rows": (rows, float16, ["n", sizes.row])})


class _Step(Graph):
    """The graph of the step, with a method for each part."""

    def __init__(self, weights: WeightsFile, sizes: RecurrentSizes, *, int8: bool) -> None:
        super().__init__(weights, int8=int8)
        self._sizes = sizes

    def gru(self, input_gates: str, input_new: str, state: str, name: str) -> str:
        """Return the next state of one GRU. The gates are in PyTorch's order: reset, update, new."""
        hidden = self._sizes.hidden
        from_hidden = self.dense_unit(state, f"{name}recurrent", bias=f"{name}recurrent.bias")
        hidden_gates, hidden_new = self.split(from_hidden, [2 * hidden, hidden])
        reset, update = self.split(self.op("Sigmoid", self.op("Add", input_gates, hidden_gates)), [hidden, hidden])
        new = self.op("Tanh", self.op("Add", input_new, self.op("Mul", reset, hidden_new)))
        return self.op("Add", new, self.op("Mul", update, self.op("Sub", state, new)))

    def grus(self, gates: tuple[str, str], states: list[str]) -> list[str]:
        """Return the next states of all GRUs. ``gates`` are the input gates of the first."""
        hidden = self._sizes.hidden
        following: list[str] = []
        for number, state in enumerate(states):
            name = _gru(number)
            if number:
                product = self.dense_unit(following[-1], f"{name}input", bias=f"{name}input.bias")
                first, last = self.split(product, [2 * hidden, hidden])
                gates = first, last
            following.append(self.gru(*gates, state, name))
        return following

    def corrected(self, total: str, weight_sum: str, states: str) -> str:
        """Return the embedding, before it is normalised, from the sums and [last state; weighted mean of states]."""
        if not self._sizes.readout:
            return self.op("Add", self.op("Div", total, weight_sum), self.dense_unit(states, "readout"))
        # The sum has the mean's direction.
        unit = self.op("LpNormalization", total, axis=1, p=2)
        scaled = self.op("Mul", unit, self.constant(self._sizes.dim**0.5))
        from_mean = self.dense_each(self.quantize_each(scaled), "inner")
        from_states = self.dense_unit(states, "inner.states", bias="inner.bias")
        inner = self.activation(self.op("Add", from_mean, from_states), "gelu_tanh")
        mean = unit if self._sizes.normalize else self.op("Div", total, weight_sum)
        return self.op("Add", mean, self.dense_each(self.quantize_each(inner), "outer", bias="outer.bias"))

    def read(self, value: str) -> str:
        """Apply the feed-forward layers and the projection to the last GRU's state."""
        bounded = True

        def dense(value: str, name: str) -> str:
            if bounded:
                return self.dense_unit(value, name, bias=f"{name}.bias")
            return self.dense_each(self.quantize_each(value), name, bias=f"{name}.bias")

        for number in range(self._sizes.feed_forward):
            inner = self.op("Gelu", dense(value, f"{number}.up"))
            bounded = False
            added = self.op("Add", value, dense(inner, f"{number}.down"))
            value = self.norm(added, str(number), epsilon=_EPSILON)
        return dense(value, "projection") if self._sizes.projected else value


def write_step(path: Path, weights: WeightsFile, sizes: RecurrentSizes, *, int8: bool) -> None:
    """Write the step: it takes a state and a token, and gives the next state and the embedding.

    The step needs the tensors of :func:`recurrent_tensors`, except ``table`` and ``input``. The rows of the whole
    vocabulary, from the graph of :func:`write_fold`, are an input.

    A state holds each GRU's state. With a mean, the sum of weighted vectors and the sum of weights come before them,
    and the weighted sum of the last GRU's states after them. The first two sums lie side by side, so one addition
    serves both: at batch size one the number of nodes matters more than their size.
    """
    graph = _Step(weights, sizes, int8=int8)
    dim, hidden, layers = sizes.dim, sizes.hidden, sizes.layers
    row = graph.op("Cast", graph.op("Gather", "rows", "token"), to=TensorProto.FLOAT)
    if sizes.mean:
        sums, *states, hidden_sum = graph.split("state", [dim + 1, *[hidden] * layers, hidden])
        input_gates, input_new, weighted, weight = graph.split(row, [2 * hidden, hidden, dim + 1, 1])
        following = graph.grus((input_gates, input_new), states)
        next_sums = graph.op("Add", sums, weighted)
        next_hidden_sum = graph.op("Add", hidden_sum, graph.op("Mul", following[-1], weight))
        next_state = graph.op("Concat", next_sums, *following, next_hidden_sum, axis=1)
        next_total, next_weight_sum = graph.split(next_sums, [dim, 1])
        # A weighted mean of hidden states stays inside (-1, 1), as they do, so the same constant scale serves.
        read = graph.op("Concat", following[-1], graph.op("Div", next_hidden_sum, next_weight_sum), axis=1)
        embedding = graph.corrected(next_total, next_weight_sum, read)
    else:
        input_gates, input_new = graph.split(row, [2 * hidden, hidden])
        states = graph.split("state", [hidden] * layers) if layers > 1 else ["state"]
        following = graph.grus((input_gates, input_new), states)
        next_state = graph.op("Concat", *following, axis=1) if layers > 1 else following[0]
        embedding = graph.read(following[-1])
    if sizes.normalize:
        embedding = graph.op("LpNormalization", embedding, axis=1, p=2)
    elif embedding == next_state:
        # One value cannot have two output names.
        embedding = graph.op("Identity", embedding)
    float32 = TensorProto.FLOAT
    graph.write(
        path,
        {
            "state": (float32, ["n", sizes.state]),
            "token": (TensorProto.INT64, ["n"]),
            "rows": (TensorProto.FLOAT16, ["vocabulary", sizes.row]),
        },
        {"next_state": (next_state, float32, ["n", sizes.state]), "embedding": (embedding, float32, ["n", dim])},
    )
