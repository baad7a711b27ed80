"""Imports what Numba compiles, where it can: an encoder runs without it, more slowly.

:mod:`~typeahead.encoders.compiled` is the step of the residual GRU, :mod:`~typeahead.encoders.compiled_causal` that of
the causal student, :mod:`~typeahead.encoders.compiled_hidden` the layer of a static model; all are made of
:mod:`~typeahead.encoders.kernels` and :mod:`~typeahead.encoders.vnni`.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any


def warn_of_other_vectors(name: str) -> None:
    """Say that the compiled step of the encoder ``name`` does not do what its graph does, which runs instead."""
    warnings.warn(
        f"{name}: the compiled step gives other vectors on this processor than ONNX Runtime, which is used instead and "
        "is slower",
        RuntimeWarning,
        stacklevel=3,
    )


def import_compiled(name: str, what: str) -> Any | None:
    """Import the sibling ``name``; ``None`` without Numba, and, with a warning, where it has no folder to write to."""
    try:
        return importlib.import_module(f"typeahead.encoders.{name}")
    except ImportError:
        return None
    except RuntimeError as error:
        warnings.warn(
            f"{what} is not compiled, and so slower ({error}): set NUMBA_CACHE_DIR to a folder to write to",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
