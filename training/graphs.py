"""ONNX graphs, written node by node: the recurrent step and the transformer encoder.

Each comes in two variants over the same weights file: int8 products, and float32 products for processors on which the
int8 ones saturate. Weights are int8 with one scale for each output column, the token table uint8 with one for each row.
The graphs name byte ranges of ``weights.safetensors`` as their external data, so weights are stored once, in a format
that anyone can read. Written by hand and not traced, since the tracer knows neither the constant scale of the hidden
state nor the products' fused form.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from safetensors.numpy import save_file

_OPSET = 20
_IR_VERSION = 10
_ZERO_POINT = 128
_TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(np.int8): TensorProto.INT8,
    np.dtype(np.uint8): TensorProto.UINT8,
}


def quantize_columns(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quantise float32 (in, out) to int8 (in, out) and scales float32 (out,)."""
    scale = np.maximum(np.abs(weight).max(0) / 127, 1e-12).astype(np.float32)
    return np.rint(weight / scale).astype(np.int8), scale


def quantize_rows(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quantise float32 (n, dim) to uint8 (n, dim) round 128 and scales float32 (n, 1)."""
    scale = np.maximum(np.abs(table).max(1, keepdims=True) / 127, 1e-12).astype(np.float32)
    return (np.rint(table / scale) + _ZERO_POINT).astype(np.uint8), scale


class WeightsFile:
    """A safetensors file whose tensors graphs refer to by name."""

    def __init__(self, path: Path, tensors: dict[str, np.ndarray]) -> None:
        self.path = path
        save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, path)
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            self._header = json.loads(file.read(length))
        self._data = 8 + length
        self._tensors = tensors

    def proto(self, name: str) -> TensorProto:
        """An initializer whose data is a byte range of the file."""
        tensor = self._tensors[name]
        begin, end = self._header[name]["data_offsets"]
        proto = TensorProto(name=name, data_type=_TYPES[tensor.dtype], dims=tensor.shape)
        proto.data_location = TensorProto.EXTERNAL
        for key, value in (("location", self.path.name), ("offset", self._data + begin), ("length", end - begin)):
            proto.external_data.add(key=key, value=str(value))
        return proto


class Graph:
    """A graph under construction: each method adds nodes and returns the name of their result."""

    def __init__(self, weights: WeightsFile, *, int8: bool) -> None:
        self.int8 = int8
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, TensorProto] = {}

    def weight(self, name: str) -> str:
        """A tensor of the weights file."""
        if name not in self._initializers:
            self._initializers[name] = self._weights.proto(name)
        return name

    def constant(self, value: object, dtype: type = np.float32) -> str:
        """A small constant, kept in the graph itself."""
        array: np.ndarray = np.asarray(value, dtype)
        name = f"constant_{array.dtype}_{array.tolist()}"
        self._initializers.setdefault(name, onnx.numpy_helper.from_array(array, name))
        return name

    def op(self, kind: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: object) -> str:
        """Add one node; with several outputs, their names are joined by a blank."""
        names = [f"{kind}_{len(self._nodes)}_{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(kind, inputs, names, domain=domain, **attributes))
        return " ".join(names)

    def split(self, value: str, sizes: Sequence[int]) -> list[str]:
        """Cut the last axis into pieces of these sizes."""
        axis = self.op("Split", value, self.constant(sizes, np.int64), axis=-1, outputs=len(sizes))
        return axis.split(" ")

    def rows(self, table: str, ids: str) -> tuple[str, str]:
        """Look rows of a table up: their uint8 values and their scales."""
        return self.op("Gather", self.weight(table), ids), self.op("Gather", self.weight(f"{table}.scale"), ids)

    def dequantize(self, values: str, scale: str) -> str:
        """uint8 rows round 128 and their scales to float32."""
        centred = self.op("DequantizeLinear", values, self.constant(1.0), self.constant(_ZERO_POINT, np.uint8))
        return self.op("Mul", centred, scale)

    def dense_float(self, value: str, weight: str, *, bias: str = "") -> str:
        """float32 product with a weight that is dequantised when the graph is loaded."""
        matrix = self.op("Cast", self.weight(weight), to=TensorProto.FLOAT)
        product = self.op("MatMul", value, self.op("Mul", matrix, self.weight(f"{weight}.scale")))
        return self.op("Add", product, self.weight(bias)) if bias else product

    def dense_int8(self, quantized: str, scale: str, weight: str, *, bias: str = "") -> str:
        """uint8 (n, in) of one scale times int8 (in, out), as float32."""
        inputs = [quantized, self.weight(weight), scale, self.weight(f"{weight}.scale")]
        inputs.append(self.constant(_ZERO_POINT, np.uint8))
        inputs += ["", self.weight(bias)] if bias else []
        return self.op("MatMulIntegerToFloat", *inputs, domain="com.microsoft")

    def quantize(self, value: str, scale: str) -> str:
        """float32 to uint8 round 128 with a constant scale."""
        return self.op("QuantizeLinear", value, scale, self.constant(_ZERO_POINT, np.uint8))

    def write(
        self,
        path: Path,
        inputs: dict[str, tuple[int, list[str | int]]],
        outputs: dict[str, tuple[str, int, list[str | int]]],
    ) -> None:
        """Write the graph: inputs by name with type and shape, outputs by name with value, type and shape."""
        for name, (value, _kind, _shape) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [name]))
        graph = helper.make_graph(
            self._nodes,
            path.stem,
            [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
            [helper.make_tensor_value_info(name, kind, shape) for name, (_, kind, shape) in outputs.items()],
            list(self._initializers.values()),
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="typeahead")
        path.write_bytes(model.SerializeToString())


def write_fold(path: Path, weights: WeightsFile, *, dim: int, hidden: int, int8: bool) -> None:
    """Write the part of the step that depends on the token alone, float16 (n, 3 hidden + dim + 2).

    A row holds the token's input gates, its vector times its weight, and its weight, twice: to be summed up with the
    vector, and for itself. It is computed once for each token when a model is loaded; the step then looks it up.
    ``input.bias`` holds all biases that are added before a non-linearity.
    """
    graph = Graph(weights, int8=int8)
    row, scale = graph.rows("table", "token")
    vector = graph.dequantize(row, scale)
    if int8:
        product = graph.op("Mul", graph.dense_int8(row, graph.constant(1.0), "input"), scale)
    else:
        product = graph.dense_float(vector, "input")
    gates = graph.op("Add", product, graph.weight("input.bias"))
    weight = graph.op("Gather", graph.weight("token_weight"), "token")
    folded = graph.op("Concat", gates, graph.op("Mul", vector, weight), weight, weight, axis=1)
    float16 = TensorProto.FLOAT16
    rows = graph.op("Cast", folded, to=float16)
    graph.write(path, {"token": (TensorProto.INT64, ["n"])}, {"rows": (rows, float16, ["n", 3 * hidden + dim + 2])})


def write_step(path: Path, weights: WeightsFile, *, dim: int, hidden: int, normalize: bool, int8: bool) -> None:
    """Write the step of :class:`training.students.ResidualGRU`.

    Needs the tensors ``recurrent``, ``recurrent.bias`` and ``readout`` with their ``.scale``. The rows of the whole
    vocabulary, which :func:`write_fold` gives, are an input of the graph. Gates stand in PyTorch's order: reset,
    update, new. The sum of weighted vectors and the sum of weights lie side by side, so that one addition serves both:
    at batch one the number of nodes counts more than their size.
    """
    graph = Graph(weights, int8=int8)
    unit = graph.constant(1 / 127)
    sums, hidden_state, hidden_sum = graph.split("state", [dim + 1, hidden, hidden])
    row = graph.op("Cast", graph.op("Gather", "rows", "token"), to=TensorProto.FLOAT)
    input_gates, input_new, weighted, weight = graph.split(row, [2 * hidden, hidden, dim + 1, 1])

    if int8:
        from_hidden = graph.dense_int8(graph.quantize(hidden_state, unit), unit, "recurrent", bias="recurrent.bias")
    else:
        from_hidden = graph.dense_float(hidden_state, "recurrent", bias="recurrent.bias")
    hidden_gates, hidden_new = graph.split(from_hidden, [2 * hidden, hidden])
    reset, update = graph.split(graph.op("Sigmoid", graph.op("Add", input_gates, hidden_gates)), [hidden, hidden])
    new = graph.op("Tanh", graph.op("Add", input_new, graph.op("Mul", reset, hidden_new)))
    next_hidden = graph.op("Add", new, graph.op("Mul", update, graph.op("Sub", hidden_state, new)))

    next_sums = graph.op("Add", sums, weighted)
    next_hidden_sum = graph.op("Add", hidden_sum, graph.op("Mul", next_hidden, weight))
    next_state = graph.op("Concat", next_sums, next_hidden, next_hidden_sum, axis=1)
    next_total, next_weight_sum = graph.split(next_sums, [dim, 1])

    # A weighted mean of hidden states stays inside (-1, 1) as they do, so it has the same constant scale.
    read = graph.op("Concat", next_hidden, graph.op("Div", next_hidden_sum, next_weight_sum), axis=1)
    correction = (
        graph.dense_int8(graph.quantize(read, unit), unit, "readout") if int8 else graph.dense_float(read, "readout")
    )
    embedding = graph.op("Add", graph.op("Div", next_total, next_weight_sum), correction)
    if normalize:
        embedding = graph.op("LpNormalization", embedding, axis=1, p=2)
    size = dim + 1 + 2 * hidden
    float32 = TensorProto.FLOAT
    graph.write(
        path,
        {
            "state": (float32, ["n", size]),
            "token": (TensorProto.INT64, ["n"]),
            "rows": (TensorProto.FLOAT16, ["vocabulary", 3 * hidden + dim + 2]),
        },
        {"next_state": (next_state, float32, ["n", size]), "embedding": (embedding, float32, ["n", dim])},
    )


def write_encoder(
    path: Path,
    weights: WeightsFile,
    *,
    layers: int,
    heads: int,
    pooling: str,
    normalize: bool,
    epsilon: float,
    int8: bool,
) -> None:
    """Write a BERT encoder with its pooling, as :class:`training.teachers.Teacher` runs it.

    Needs ``words`` (with ``.scale``), ``positions`` (token type 0 added), and for each layer n ``n.query``, ``n.key``,
    ``n.value``, ``n.attention``, ``n.up``, ``n.down`` with ``.scale`` and ``.bias``; for each normalisation ``.norm``
    and ``.norm.bias``.
    """
    graph = Graph(weights, int8=int8)
    int64, float32 = TensorProto.INT64, TensorProto.FLOAT

    def norm(value: str, name: str) -> str:
        scale, bias = graph.weight(f"{name}.norm"), graph.weight(f"{name}.norm.bias")
        return graph.op("LayerNormalization", value, scale, bias, axis=-1, epsilon=epsilon)

    def quantize_each_row(value: str) -> tuple[str, str]:
        """uint8 rows, each with the scale of its own largest entry: no row looks at another text's."""
        largest = graph.op("ReduceMax", graph.op("Abs", value), graph.constant([-1], np.int64), keepdims=1)
        scale = graph.op("Mul", graph.op("Max", largest, graph.constant(1e-6)), graph.constant(1 / 127))
        return graph.quantize(graph.op("Div", value, scale), graph.constant(1.0)), scale

    def dense(source: tuple[str, str], name: str) -> str:
        rows, scale = source
        if not int8:
            return graph.dense_float(rows, name, bias=f"{name}.bias")
        product = graph.op("MatMulInteger", rows, graph.weight(name), graph.constant(_ZERO_POINT, np.uint8))
        scaled = graph.op("Mul", graph.op("Cast", product, to=float32), scale)
        return graph.op("Add", graph.op("Mul", scaled, graph.weight(f"{name}.scale")), graph.weight(f"{name}.bias"))

    def prepare(value: str) -> tuple[str, str]:
        return quantize_each_row(value) if int8 else (value, "")

    row, scale = graph.rows("words", "ids")
    length = graph.op("Shape", "ids", start=1, end=2)
    zero, one = graph.constant([0], np.int64), graph.constant([1], np.int64)
    positions = graph.op("Slice", graph.weight("positions"), zero, length, zero, one)
    hidden = norm(graph.op("Add", graph.dequantize(row, scale), positions), "words")
    key_mask = graph.op("Cast", "mask", to=TensorProto.INT32)
    for number in range(layers):
        source = prepare(hidden)
        query, key, value = (dense(source, f"{number}.{part}") for part in ("query", "key", "value"))
        context = graph.op(
            "MultiHeadAttention", query, key, value, "", key_mask, domain="com.microsoft", num_heads=heads
        )
        attended = dense(prepare(context), f"{number}.attention")
        hidden = norm(graph.op("Add", attended, hidden), f"{number}.attention")
        inner = graph.op("Gelu", dense(prepare(hidden), f"{number}.up"))
        hidden = norm(graph.op("Add", dense(prepare(inner), f"{number}.down"), hidden), f"{number}.down")
    if pooling == "mean":
        present = graph.op("Unsqueeze", graph.op("Cast", "mask", to=float32), graph.constant([2], np.int64))
        total = graph.op("ReduceSum", graph.op("Mul", hidden, present), one, keepdims=0)
        embedding = graph.op("Div", total, graph.op("ReduceSum", present, one, keepdims=0))
    elif pooling == "cls":
        embedding = graph.op("Gather", hidden, graph.constant(0, np.int64), axis=1)
    else:
        raise ValueError(f"pooling {pooling!r} cannot be exported; known are mean and cls")
    if normalize:
        embedding = graph.op("LpNormalization", embedding, axis=1, p=2)
    graph.write(
        path,
        {"ids": (int64, ["n", "length"]), "mask": (int64, ["n", "length"])},
        {"embedding": (embedding, float32, ["n", "dim"])},
    )
