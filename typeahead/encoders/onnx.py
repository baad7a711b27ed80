"""ONNX Runtime sessions. No other module imports ONNX Runtime, which reports home unless it is told not to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typeahead.errors import ModelCorrupt
from typeahead.telemetry import silence_onnx_runtime

silence_onnx_runtime()

import onnxruntime  # noqa: E402

# For Windows, whose builds do not read the variable.
onnxruntime.disable_telemetry_events()


def open_session(graph: Path | bytes, *, threads: int = 1, fuse: bool = True) -> Any:
    """Open an ONNX graph, a file or its content, on the CPU.

    Without ``fuse``, nodes are run as they are written, constants folded. Raises whatever ONNX Runtime raises: the
    binding's exceptions share no base class.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    if not fuse:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    # Idle threads that spin take the cores that search and sockets need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    source = graph if isinstance(graph, bytes) else str(graph)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def open_graph(path: Path, *, threads: int = 1, fuse: bool = True) -> Any:
    """As :func:`open_session` for a model's file; :class:`~typeahead.errors.ModelCorrupt` if it is refused."""
    try:
        return open_session(path, threads=threads, fuse=fuse)
    except Exception as error:  # the binding's exceptions share no base class
        raise ModelCorrupt(f"{path} cannot be opened by ONNX Runtime: {error}", folder=path.parent) from error
