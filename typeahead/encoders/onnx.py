"""ONNX Runtime sessions. No other module imports ONNX Runtime, because it sends telemetry unless told not to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typeahead.errors import ModelCorrupt
from typeahead.telemetry import silence_onnx_runtime

silence_onnx_runtime()

import onnxruntime  # noqa: E402

# For Windows, whose builds ignore the environment variable.
onnxruntime.disable_telemetry_events()


def open_session(graph: Path | bytes, *, threads: int = 1, fuse: bool = True) -> Any:
    """Open an ONNX graph, given as a file or as bytes, on the CPU.

    Without ``fuse``, nodes run as written, except for constant folding. Raises whatever ONNX Runtime raises: the
    binding's exceptions share no base class.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    if not fuse:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    # Idle threads that spin would use the cores that search and sockets need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    source = graph if isinstance(graph, bytes) else str(graph)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def open_graph(path: Path, *, threads: int = 1, fuse: bool = True) -> Any:
    """Do :func:`open_session` for a model's file; raises :class:`~typeahead.errors.ModelCorrupt` if that fails."""
    try:
        return open_session(path, threads=threads, fuse=fuse)
    except Exception as error:  # the binding's exceptions share no base class
        raise ModelCorrupt(f"ONNX Runtime cannot open {path}: {error}", folder=path.parent) from error
