"""A builder for ONNX graphs, node by node, and the quantisation of their weights.

The sibling modules ``graphs_*`` use it to write the graphs of each model family. Every step and encoder graph has two
variants over the same weights file: one with int8 products, and one with float32 products for processors on which the
int8 products saturate. Weights are int8 with one scale per output column; the causal student has one per block instead.
Token tables are uint8 with one scale per row. The graphs refer to byte ranges of ``weights.safetensors`` as external
data, so the weights are stored once, in a format that any tool can read.

The graphs are written by hand, not traced from PyTorch: a tracer knows neither that a hidden state has a constant scale
nor how to fuse the products.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper
from safetensors.numpy import save_file

_OPSET = 20
_IR_VERSION = 10
_ZERO_POINT = 128
#: Levels below zero for values that are hardly ever negative.
_LOW_ZERO_POINT = 24
_TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float16): TensorProto.FLOAT16,
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(np.int8): TensorProto.INT8,
    np.dtype(np.uint8): TensorProto.UINT8,
}


def quantize_columns(weight: np.ndarray, bits: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Quantise float32 (in, out) to integers of so many bits, as int8 (in, out), with float32 scales (out,)."""
    scale = np.maximum(np.abs(weight).max(0) / (2 ** (bits - 1) - 1), 1e-12).astype(np.float32)
    return np.rint(weight / scale).astype(np.int8), scale


def quantize_rows(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quantise float32 (n, dim) to uint8 (n, dim), where 128 stands for zero, with float32 scales (n, 1)."""
    scale = np.maximum(np.abs(table).max(1, keepdims=True) / 127, 1e-12).astype(np.float32)
    return (np.rint(table / scale) + _ZERO_POINT).astype(np.uint8), scale


class WeightsFile:
    """A safetensors file whose tensors a graph refers to by name. The file is written on construction."""

    def __init__(self, path: Path, tensors: dict[str, np.ndarray]) -> None:
        self.path = path
        save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, path)
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            self._header = json.loads(file.read(length))
        self._data = 8 + length
        self._tensors = tensors

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        return self._tensors[name].shape

    def proto(self, name: str) -> TensorProto:
        """Return an initializer whose data is a byte range of this file."""
        tensor = self._tensors[name]
        begin, end = self._header[name]["data_offsets"]
        proto = TensorProto(name=name, data_type=_TYPES[tensor.dtype], dims=tensor.shape)
        proto.data_location = TensorProto.EXTERNAL
        for key, value in (("location", self.path.name), ("offset", self._data + begin), ("length", end - begin)):
            proto.external_data.add(key=key, value=str(value))
        return proto


class Rows(NamedTuple):
    """Activations that a product is about to read: plain float32 rows, or uint8 rows with one scale each."""

    values: str
    scale: str = ""
    #: The uint8 level that stands for zero.
    zero_point: int = 0


class Graph:
    """A graph under construction.

    Each method adds nodes and returns the name of their result. ``int8`` chooses int8 products over float32 ones.
    """

    def __init__(self, *weights: WeightsFile, int8: bool) -> None:
        self.int8 = int8
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, TensorProto] = {}

    def weight(self, name: str) -> str:
        """Return the name of a tensor in one of the weights files, and make it an initializer of the graph."""
        if name not in self._initializers:
            self._initializers[name] = self._file(name).proto(name)
        return name

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor in one of the weights files."""
        return self._file(name).shape(name)

    def __contains__(self, name: str) -> bool:
        return any(name in file for file in self._weights)

    def _file(self, name: str) -> WeightsFile:
        return next(file for file in self._weights if name in file)

    def constant(self, value: object, dtype: type = np.float32) -> str:
        """Add a small constant, which is stored in the graph itself."""
        array: np.ndarray = np.asarray(value, dtype)
        name = f"constant_{array.dtype}_{array.tolist()}"
        self._initializers.setdefault(name, onnx.numpy_helper.from_array(array, name))
        return name

    def op(self, kind: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: object) -> str:
        """Add one node. The names of several outputs come as one string, separated by spaces."""
        names = [f"{kind}_{len(self._nodes)}_{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(kind, inputs, names, domain=domain, **attributes))
        return " ".join(names)

    def split(self, value: str, sizes: Sequence[int]) -> list[str]:
        """Split the last axis into pieces of the given sizes."""
        axis = self.op("Split", value, self.constant(sizes, np.int64), axis=-1, outputs=len(sizes))
        return axis.split(" ")

    def rows(self, table: str, ids: str) -> tuple[str, str]:
        """Look rows up in a table; return their uint8 values and their scales."""
        return self.op("Gather", self.weight(table), ids), self.op("Gather", self.weight(f"{table}.scale"), ids)

    def dequantize(self, values: str, scale: str) -> str:
        """Convert uint8 rows, where 128 stands for zero, and their scales to float32."""
        centred = self.op("DequantizeLinear", values, self.constant(1.0), self.constant(_ZERO_POINT, np.uint8))
        return self.op("Mul", centred, scale)

    def dense_float(self, value: str, weight: str, *, bias: str = "") -> str:
        """Multiply float32 rows by a weight, which the runtime dequantises once, when it loads the graph."""
        matrix = self.op("Cast", self.weight(weight), to=TensorProto.FLOAT)
        product = self.op("MatMul", value, self.op("Mul", matrix, self.weight(f"{weight}.scale")))
        return self.op("Add", product, self.weight(bias)) if bias else product

    def dense_int8(self, quantized: str, scale: str, weight: str, *, bias: str = "") -> str:
        """Multiply uint8 (n, in), which share one scale, by int8 (in, out). The result is float32."""
        inputs = [quantized, self.weight(weight), scale, self.weight(f"{weight}.scale")]
        inputs.append(self.constant(_ZERO_POINT, np.uint8))
        inputs += ["", self.weight(bias)] if bias else []
        return self.op("MatMulIntegerToFloat", *inputs, domain="com.microsoft")

    def quantize(self, value: str, scale: str, zero_point: int = _ZERO_POINT) -> str:
        """Quantise float32 to uint8 with one scale; ``zero_point`` is the level that stands for zero."""
        return self.op("QuantizeLinear", value, scale, self.constant(zero_point, np.uint8))

    def quantize_each(self, value: str) -> Rows:
        """Quantise each row to uint8, where 128 stands for zero, with a scale from its own largest entry.

        No row depends on another, so a text's vector does not depend on its batch. In a float32 graph the rows stay as
        they are, without a scale.
        """
        if not self.int8:
            return Rows(value)
        largest = self.op("ReduceMax", self.op("Abs", value), self.constant([-1], np.int64), keepdims=1)
        scale = self.op("Mul", self.op("Max", largest, self.constant(1e-6)), self.constant(1 / 127))
        return Rows(self.quantize(self.op("Div", value, scale), self.constant(1.0)), scale, _ZERO_POINT)

    def quantize_above(self, value: str, least: float) -> Rows:
        """Quantise each row, whose entries are all at least ``least``, to uint8 with most levels above zero.

        ``least`` is a little below zero. In a float32 graph the rows stay as they are, without a scale.
        """
        if not self.int8:
            return Rows(value)
        largest = self.op("ReduceMax", value, self.constant([-1], np.int64), keepdims=1)
        needed = self.op("Mul", largest, self.constant(1 / (255 - _LOW_ZERO_POINT)))
        scale = self.op("Max", needed, self.constant(-least / _LOW_ZERO_POINT))
        rows = self.quantize(self.op("Div", value, scale), self.constant(1.0), _LOW_ZERO_POINT)
        return Rows(rows, scale, _LOW_ZERO_POINT)

    def dense_each(self, source: Rows, weight: str, *, bias: str = "") -> str:
        """Multiply rows by a weight. The result is float32.

        Quantised rows are added up as integers, so the result is the same to the bit however many rows there are.
        """
        rows, scale, zero_point = source
        if not self.int8:
            return self.dense_float(rows, weight, bias=bias)
        product = self.op("MatMulInteger", rows, self.weight(weight), self.constant(zero_point, np.uint8))
        scaled = self.op("Mul", self.op("Cast", product, to=TensorProto.FLOAT), scale)
        result = self.op("Mul", scaled, self.weight(f"{weight}.scale"))
        return self.op("Add", result, self.weight(bias)) if bias else result

    def dense_unit(self, value: str, weight: str, *, bias: str = "") -> str:
        """Multiply float32 rows by a weight, with a constant scale: every entry lies in (-1, 1)."""
        if not self.int8:
            return self.dense_float(value, weight, bias=bias)
        unit = self.constant(1 / 127)
        return self.dense_int8(self.quantize(value, unit), unit, weight, bias=bias)

    def activation(self, value: str, name: str) -> str:
        """Apply an activation of :data:`training.students.trunk.ACTIVATIONS`."""
        if name == "relu":
            return self.op("Relu", value)
        return self.op("Gelu", value, approximate="tanh" if name == "gelu_tanh" else "none")

    def norm(self, value: str, name: str, *, epsilon: float) -> str:
        """Apply LayerNorm to the last axis, with the weights ``name.norm`` and ``name.norm.bias``."""
        scale, bias = self.weight(f"{name}.norm"), self.weight(f"{name}.norm.bias")
        return self.op("LayerNormalization", value, scale, bias, axis=-1, epsilon=epsilon)

    def write(
        self,
        path: Path,
        inputs: dict[str, tuple[int, list[str | int]]],
        outputs: dict[str, tuple[str, int, list[str | int]]],
    ) -> None:
        """Write the graph. Inputs map a name to type and shape, outputs a name to value, type and shape."""
        # Outputs are renamed at their source: an Identity for each would be one more node to run.
        names = {value: name for name, (value, _kind, _shape) in outputs.items()}
        for node in self._nodes:
            for values in (node.input, node.output):
                values[:] = [names.get(value, value) for value in values]
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
