"""Imports what Numba compiles, where it can: an encoder runs without it, more slowly.

:mod:`~typeahead.encoders.compiled.recurrent` is the step of the residual GRU,
:mod:`~typeahead.encoders.compiled.causal` that of the causal student, :mod:`~typeahead.encoders.compiled.hidden` the
layer of a static model; all are made of :mod:`~typeahead.encoders.compiled.kernels` and
:mod:`~typeahead.encoders.compiled.vnni`.

The environment variable ``TYPEAHEAD_COMPILED`` set to ``0`` switches all of them off: ONNX Runtime runs the steps and
NumPy the layer.
"""

from __future__ import annotations

import importlib
import os
import warnings
from typing import Any

from typeahead.errors import VariableError

VARIABLE = "TYPEAHEAD_COMPILED"


def compiling() -> bool:
    """Whether :data:`VARIABLE` leaves compiled steps on, as it does where it is not set.

    Raises :class:`~typeahead.errors.VariableError` for a value other than "0" and "1".
    """
    value = os.environ.get(VARIABLE, "1")
    if value not in ("0", "1"):
        raise VariableError(VARIABLE, value, "set it to 0 to switch the compiled steps off, or to 1")
    return value == "1"


def warn_of_other_vectors(compiled: str, instead: str) -> None:
    """Say that ``compiled`` does not do what ``instead`` does, which runs now."""
    warnings.warn(
        f"{compiled} gives other vectors on this processor than {instead}, which is used instead and is slower; "
        f"{VARIABLE}=0 skips the trial",
        RuntimeWarning,
        stacklevel=3,
    )


def import_compiled(name: str, what: str) -> Any | None:
    """Import the sibling ``name``; ``None`` if it is switched off, without Numba, or, with a warning, without a cache.

    Numba writes what it compiles to a folder. Raises what :func:`compiling` raises.
    """
    if not compiling():
        return None
    try:
        return importlib.import_module(f"typeahead.encoders.compiled.{name}")
    except ImportError:
        return None
    except RuntimeError as error:
        warnings.warn(
            f"{what} is not compiled, and so slower ({error}): set NUMBA_CACHE_DIR to a folder to write to, or "
            f"{VARIABLE}=0 to do without",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
