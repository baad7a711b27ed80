"""Imports Numba-compiled code where possible; without it, an encoder works but is slower.

:mod:`~typeahead.encoders.compiled.recurrent` is the step of the residual GRU, with either read-out,
:mod:`~typeahead.encoders.compiled.causal` that of the causal student, and :mod:`~typeahead.encoders.compiled.hidden`
the hidden layer of a static model. :mod:`~typeahead.encoders.compiled.byte_rows` is the product of an exact search. All
four build on :mod:`~typeahead.encoders.compiled.kernels` and :mod:`~typeahead.encoders.compiled.vnni`. The others count
and weigh words, and pick rows.

Set the environment variable ``TYPEAHEAD_COMPILED`` to ``0`` to disable all of them: ONNX Runtime then runs the steps
and the product, and NumPy the rest.
"""

from __future__ import annotations

import importlib
import os
import warnings
from typing import Any

from typeahead.errors import VariableError

VARIABLE = "TYPEAHEAD_COMPILED"


def compiling() -> bool:
    """Whether compiled code is enabled; it is unless :data:`VARIABLE` is "0".

    Raises :class:`~typeahead.errors.VariableError` for a value other than "0" and "1".
    """
    value = os.environ.get(VARIABLE, "1")
    if value not in ("0", "1"):
        raise VariableError(VARIABLE, value, "set it to 0 to disable compiled code, or to 1 to enable it")
    return value == "1"


def warn_of_other_vectors(compiled: str, instead: str) -> None:
    """Warn that ``compiled`` disagrees with ``instead``, which is used now."""
    warnings.warn(
        f"on this processor, {compiled} gives different vectors than {instead}, which is used instead and is slower. "
        f"Set {VARIABLE}=0 to skip this check",
        RuntimeWarning,
        stacklevel=3,
    )


def import_compiled(name: str, what: str) -> Any | None:
    """Import the sibling ``name``; ``None`` if disabled, without Numba, or (with a warning) without any cache folder.

    :mod:`~typeahead.encoders.compiled.caching` keeps compiled code. Raises the error of :func:`compiling`.
    """
    if not compiling():
        return None
    try:
        return importlib.import_module(f"typeahead.encoders.compiled.{name}")
    except ImportError:
        return None
    except RuntimeError as error:
        warnings.warn(
            f"{what} is not compiled and therefore slower ({error}): set NUMBA_CACHE_DIR to a writable folder or to "
            f"one that typeahead compile has filled, or set {VARIABLE}=0 to hide this warning",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
