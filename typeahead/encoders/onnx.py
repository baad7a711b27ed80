"""ONNX Runtime sessions for the graphs of a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

from typeahead.errors import ModelCorrupt


def open_graph(path: Path, *, threads: int = 1, fuse: bool = True) -> Any:
    """Open an ONNX graph on the CPU; :class:`~typeahead.errors.ModelCorrupt` if ONNX Runtime refuses it.

    Without ``fuse``, nodes are run as they are written, constants folded.
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
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the binding's exceptions share no base class
        raise ModelCorrupt(f"{path} cannot be opened by ONNX Runtime: {error}", folder=path.parent) from error
