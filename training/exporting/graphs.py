"""What ONNX graphs are written with, node by node; the siblings ``graphs_*`` write those of each family.

Each graph comes in two variants over the same weights file: int8 products, and float32 products for processors on which
the int8 ones saturate. Weights are int8 with one scale for each output column, the token table uint8 with one for each
row. The graphs name byte ranges of ``weights.safetensors`` as their external data, so weights are stored once, in a
format that anyone can read. Written by hand and not traced, since the tracer knows neither the constant scale of a
hidden state nor the products' fused form.
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
#: Levels for what is below zero where that is little.
_LOW_ZERO_POINT = 24
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

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        return self._tensors[name].shape

    def proto(self, name: str) -> TensorProto:
        """An initializer whose data is a byte range of the file."""
        tensor = self._tensors[name]
        begin, end = self._header[name]["data_offsets"]
        proto = TensorProto(name=name, data_type=_TYPES[tensor.dtype], dims=tensor.shape)
        proto.data_location = TensorProto.EXTERNAL
        for key, value in (("location", self.path.name), ("offset", self._data + begin), ("length", end - begin)):
            proto.external_data.add(key=key, value=str(value))
        return proto


class Rows(NamedTuple):
    """Rows of activations on their way into a product: as they are, or as uint8 with a scale each."""

    values: str
    scale: str = ""
    #: The level that stands for zero.
    zero_point: int = 0


class Graph:
    """A graph under construction: each method adds nodes and returns the name of their result."""

    def __init__(self, *weights: WeightsFile, int8: bool) -> None:
        self.int8 = int8
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, TensorProto] = {}

    def weight(self, name: str) -> str:
        """A tensor of the weights files."""
        if name not in self._initializers:
            self._initializers[name] = self._file(name).proto(name)
        return name

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor of the weights files."""
        return self._file(name).shape(name)

    def _file(self, name: str) -> WeightsFile:
        return next(file for file in self._weights if name in file)

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

    def quantize(self, value: str, scale: str, zero_point: int = _ZERO_POINT) -> str:
        """float32 to uint8 round ``zero_point`` with a constant scale."""
        return self.op("QuantizeLinear", value, scale, self.constant(zero_point, np.uint8))

    def quantize_each(self, value: str) -> Rows:
        """uint8 rows round 128, each with a scale, its largest entry's: no row looks at another text's.

        In a float32 graph the rows stay as they are, and there is no scale.
        """
        if not self.int8:
            return Rows(value)
        largest = self.op("ReduceMax", self.op("Abs", value), self.constant([-1], np.int64), keepdims=1)
        scale = self.op("Mul", self.op("Max", largest, self.constant(1e-6)), self.constant(1 / 127))
        return Rows(self.quantize(self.op("Div", value, scale), self.constant(1.0)), scale, _ZERO_POINT)

    def quantize_above(self, value: str, least: float) -> Rows:
        """The same of rows whose entries are at least ``least``, a little below zero: most levels are above zero."""
        if not self.int8:
            return Rows(value)
        largest = self.op("ReduceMax", value, self.constant([-1], np.int64), keepdims=1)
        needed = self.op("Mul", largest, self.constant(1 / (255 - _LOW_ZERO_POINT)))
        scale = self.op("Max", needed, self.constant(-least / _LOW_ZERO_POINT))
        rows = self.quantize(self.op("Div", value, scale), self.constant(1.0), _LOW_ZERO_POINT)
        return Rows(rows, scale, _LOW_ZERO_POINT)

    def dense_each(self, source: Rows, weight: str, *, bias: str = "") -> str:
        """Product of quantised rows with a weight, as float32.

        Added up as integers, so that it is the same to the bit however many rows there are.
        """
        rows, scale, zero_point = source
        if not self.int8:
            return self.dense_float(rows, weight, bias=bias)
        product = self.op("MatMulInteger", rows, self.weight(weight), self.constant(zero_point, np.uint8))
        scaled = self.op("Mul", self.op("Cast", product, to=TensorProto.FLOAT), scale)
        result = self.op("Mul", scaled, self.weight(f"{weight}.scale"))
        return self.op("Add", result, self.weight(bias)) if bias else result

    def dense_unit(self, value: str, weight: str, *, bias: str = "") -> str:
        """Product of float32 rows, all of whose entries lie in (-1, 1), with a weight: their scale is constant."""
        if not self.int8:
            return self.dense_float(value, weight, bias=bias)
        unit = self.constant(1 / 127)
        return self.dense_int8(self.quantize(value, unit), unit, weight, bias=bias)

    def norm(self, value: str, name: str, *, epsilon: float) -> str:
        """LayerNorm over the last axis with the weights ``name.norm`` and ``name.norm.bias``."""
        scale, bias = self.weight(f"{name}.norm"), self.weight(f"{name}.norm.bias")
        return self.op("LayerNormalization", value, scale, bias, axis=-1, epsilon=epsilon)

    def write(
        self,
        path: Path,
        inputs: dict[str, tuple[int, list[str | int]]],
        outputs: dict[str, tuple[str, int, list[str | int]]],
    ) -> None:
        """Write the graph: inputs by name with type and shape, outputs by name with value, type and shape."""
        # Renamed where they arise: an Identity for each output would be one more node to run.
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
