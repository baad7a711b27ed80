"""What the graphs of whole texts and of a causal step share: the form of a trunk's layers, and tables by position.

A step reads a row of a table by its length, a graph of whole texts all rows up to a text's length. Biases by distance
are kept twice over: by their distance for whole texts (``relative``), and as the row of a step, from which a step takes
the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto

from training.exporting.graphs import Graph

#: What is added to the scores of keys outside a layer's window.
_UNSEEN = -10_000.0


@dataclass(frozen=True, kw_only=True)
class LayerForm:
    """What kind of layers a trunk has; see :class:`training.students.trunk.Trunk`."""

    #: One of :data:`training.students.trunk.ACTIVATIONS`.
    activation: str = "gelu"
    pre_norm: bool = False
    gated: bool = False
    #: The base of each layer's rotary positions; empty if there are none.
    rotary: tuple[float, ...] = ()
    #: How many tokens each layer sees to either side, 0 for all; empty if all see all.
    windows: tuple[int, ...] = ()

    @staticmethod
    def of(trunk: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a form, from a trunk's settings."""
        lists = {name: tuple(trunk[name]) for name in ("rotary", "windows")}
        return {name: trunk[name] for name in ("activation", "pre_norm", "gated")} | lists

    def bases(self) -> list[float]:
        """The different bases of rotary positions."""
        return sorted(set(self.rotary))

    def tables(self, layer: int) -> tuple[str, str]:
        """The names of a layer's tables of cosines and sines."""
        number = self.bases().index(self.rotary[layer])
        return f"cos.{number}", f"sin.{number}"

    def window(self, layer: int) -> int:
        """A layer's window, or 0."""
        return self.windows[layer] if self.windows else 0


def rotary_tables(form: LayerForm, size: int, positions: int) -> dict[str, np.ndarray]:
    """Cosines and sines of rotary positions for heads of ``size``: float32 (positions, size / 2) by name."""
    found: dict[str, np.ndarray] = {}
    for number, base in enumerate(form.bases()):
        shares = np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
        angles = np.arange(positions, dtype=np.float32)[:, None] / np.float32(base) ** shares
        found |= {f"cos.{number}": np.cos(angles), f"sin.{number}": np.sin(angles)}
    return found


def rows_by_distance(relative: np.ndarray | None, form: LayerForm, positions: int) -> dict[str, np.ndarray]:
    """The biases of one query and all keys up to it: float32 (1, heads or 1, 1, positions) by name.

    The key furthest away comes first, and the query's own last. ``relative`` has the biases by distance, float32
    (heads, 2 farthest + 1). Windows are biases as well, of keys that are not seen.
    """
    distances = np.arange(positions)[::-1]
    found = {}
    if relative is not None:
        farthest = relative.shape[1] // 2
        found["relative"] = relative[None, :, None, farthest - np.minimum(distances, farthest)]
    for window in sorted({*form.windows} - {0}):
        unseen = np.where(distances > window, np.float32(_UNSEEN), np.float32(0))
        found[f"window.{window}"] = unseen[None, None, None].astype(np.float32)
    return found


def turned(graph: Graph, form: LayerForm, layer: int, value: str, position: str) -> str:
    """Apply rotary positions to queries or keys (n, length, width); ``position`` is that of the first token."""
    if not form.rotary:
        return value
    cosines, sines = (graph.weight(name) for name in form.tables(layer))
    return graph.op("RotaryEmbedding", value, position, cosines, sines, domain="com.microsoft")


def activated(graph: Graph, form: LayerForm, value: str, units: int) -> str:
    """Apply the activation to ``units`` values, or to the first half of them, which the second half then multiplies."""
    if not form.gated:
        return graph.activation(value, form.activation)
    inner, gate = graph.split(value, [units // 2, units // 2])
    return graph.op("Mul", graph.activation(inner, form.activation), gate)


def biases_of_whole_texts(graph: Graph, form: LayerForm, length: str) -> dict[int, str]:
    """The biases of scores by window, float32 (1, heads or 1, length, length): of queries' rows and keys' columns.

    There is none for a layer that sees all, without biases by distance.
    """
    if "relative" not in graph and not any(form.windows):
        return {}
    zero, one = graph.constant([0], np.int64), graph.constant([1], np.int64)
    last = graph.op("Squeeze", length)
    places = graph.op("Range", graph.constant(0, np.int64), last, graph.constant(1, np.int64))
    apart = graph.op("Sub", graph.op("Unsqueeze", places, zero), graph.op("Unsqueeze", places, one))
    found, everywhere = {}, ""
    if "relative" in graph:
        farthest = graph.shape("relative")[1] // 2
        bounded = graph.op("Clip", apart, graph.constant(-farthest, np.int64), graph.constant(farthest, np.int64))
        entries = graph.op("Add", bounded, graph.constant(farthest, np.int64))
        everywhere = graph.op("Unsqueeze", graph.op("Gather", graph.weight("relative"), entries, axis=1), zero)
        found[0] = everywhere
    for window in sorted({*form.windows} - {0}):
        outside = graph.op("Greater", graph.op("Abs", apart), graph.constant(window, np.int64))
        unseen = graph.op("Where", outside, graph.constant(_UNSEEN), graph.constant(0.0))
        bias = graph.op("Unsqueeze", unseen, graph.constant([0, 1], np.int64))
        found[window] = graph.op("Add", bias, everywhere) if everywhere else bias
    return found


def biases_of_a_step(graph: Graph, form: LayerForm) -> dict[int, str]:
    """The biases of a step's scores by window, float32 (1, heads or 1, 1, total), for the input ``total`` int32 ()."""
    if "relative" not in graph and not any(form.windows):
        return {}
    end, axis = graph.constant([np.iinfo(np.int64).max], np.int64), graph.constant([3], np.int64)
    count = graph.op("Unsqueeze", graph.op("Cast", "total", to=TensorProto.INT64), graph.constant([0], np.int64))
    begin = graph.op("Neg", count)

    def row(name: str) -> str:
        return graph.op("Slice", graph.weight(name), begin, end, axis)

    found = {0: row("relative")} if "relative" in graph else {}
    for window in sorted({*form.windows} - {0}):
        bias = row(f"window.{window}")
        found[window] = graph.op("Add", bias, found[0]) if found.get(0) else bias
    return found
