"""Disables telemetry of third-party libraries; a server's own metrics for its operator are in ``server.metrics``.

From version 1.29, ONNX Runtime sends telemetry by default on Linux and macOS: it resolves a Microsoft host, and keeps a
device id and a database under ``~/.cache/Microsoft``. ``ORT_DISABLE_TELEMETRY=1`` prevents all of that, but only if it
is set before the library is loaded; no later call does (https://github.com/microsoft/onnxruntime/pull/27379). A
variable that is already set is not changed, so users can opt in.

:mod:`typeahead.encoders.onnx` disables ONNX Runtime's telemetry, and is the only module that imports it. Our own
processes (the command line, training and benchmarks) also disable the other libraries' telemetry. A program that just
imports this package keeps its own settings for those.
"""

from __future__ import annotations

import os

_ONNX_RUNTIME = {"ORT_DISABLE_TELEMETRY": "1"}
#: huggingface_hub reads both; the second is a convention that other libraries follow too
#: (https://consoledonottrack.com).
_OTHERS = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


def silence_onnx_runtime() -> None:
    """Disable ONNX Runtime's telemetry; call this before importing it."""
    _set(_ONNX_RUNTIME)


def silence_libraries() -> None:
    """Disable the telemetry of all libraries in this process and its children."""
    _set(_ONNX_RUNTIME | _OTHERS)


def _set(variables: dict[str, str]) -> None:
    for name, value in variables.items():
        os.environ.setdefault(name, value)
