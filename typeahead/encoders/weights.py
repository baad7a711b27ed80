"""Reads the tensors of a safetensors file, for encoders that handle their weights without a graph."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from typeahead.errors import ModelCorrupt

#: Types in the format that NumPy supports itself. safetensors also reads bfloat16, if some other package was imported.
_TYPES = frozenset(("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"))


def read_tensors(path: Path, names: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
    """Read the tensors among ``names`` that exist in the file, or all tensors without ``names``.

    Raises :class:`~typeahead.errors.ModelCorrupt` for a file that is truncated or not a safetensors file, and for a
    type that NumPy does not have, such as bfloat16.
    """
    found: dict[str, NDArray[Any]] = {}
    try:
        with safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118  (it is not a dictionary)
                if names is not None and name not in names:
                    continue
                if (kind := file.get_slice(name).get_dtype()) not in _TYPES:
                    raise ModelCorrupt(
                        f"{path}: {name!r} is of type {kind}: store it as float16 or float32", folder=path.parent
                    )
                found[name] = file.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise ModelCorrupt(f"{path} cannot be read: {error}", folder=path.parent) from error
    return found
