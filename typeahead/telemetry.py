"""Switches off what libraries report to their makers; ``server.metrics`` is what a server tells its operator.

ONNX Runtime reports by default on Linux and macOS from version 1.29: it looks up a host of Microsoft's, and keeps a
device id and a database under ``~/.cache/Microsoft``. ``ORT_DISABLE_TELEMETRY=1`` prevents all of that if it is set
before the library is loaded, and no later call does (https://github.com/microsoft/onnxruntime/pull/27379). A variable
that is already set is left alone: whoever wants to report may.

:mod:`typeahead.encoders.onnx` switches ONNX Runtime's off, and is the only module that imports it. Processes of our
own, which are the command line, training and benchmarks, switch the others' off too; a program that only imports this
package keeps its settings for them.
"""

from __future__ import annotations

import os

_ONNX_RUNTIME = {"ORT_DISABLE_TELEMETRY": "1"}
#: huggingface_hub reads both; the second is a convention that others follow too (https://consoledonottrack.com).
_OTHERS = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


def silence_onnx_runtime() -> None:
    """Keep ONNX Runtime from reporting; to be called before it is imported."""
    _set(_ONNX_RUNTIME)


def silence_libraries() -> None:
    """Keep every library of this process, and of those that it starts, from reporting."""
    _set(_ONNX_RUNTIME | _OTHERS)


def _set(variables: dict[str, str]) -> None:
    for name, value in variables.items():
        os.environ.setdefault(name, value)
