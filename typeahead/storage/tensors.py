"""Reads safetensors files without copying them: the tensors are views of the mapped file.

``safetensors.safe_open`` copies each tensor that it returns, and tensors of an index may be larger than memory. The
format: 8 bytes with the length of a JSON header (little-endian), the header, and the tensors' bytes
(https://huggingface.co/docs/safetensors). Headers are checked like those of any foreign file: a tensor must lie inside
the file, and its size must match its type and shape.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

#: More bytes than any header that this package writes.
_LONGEST_HEADER: Final = 1 << 22
_TYPES: Final = {"U8": "<u1", "U32": "<u4", "I64": "<i8"}
_NAMES: Final = {np.dtype(kind): name for name, kind in _TYPES.items()}
#: Tensors start at multiples of this, as NumPy is slow with numbers that do not.
_ALIGNED: Final = 8


def map_tensors(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Map the tensors of a file, read-only, and return them by name, with the file's metadata.

    Raises ``OSError``, or ``ValueError`` with the reason if the file is not a safetensors file of this package: only
    uint8, uint32 and int64 are accepted.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if size < 8:
            raise ValueError("it is truncated")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    length = int.from_bytes(mapped[:8], "little")
    if length > min(size - 8, _LONGEST_HEADER):
        raise ValueError("it is truncated, or not a safetensors file")
    try:
        header = json.loads(mapped[8 : 8 + length])
        metadata = header.pop("__metadata__", {})
        tensors = {name: _view(mapped, 8 + length, size, entry) for name, entry in header.items()}
    except (AttributeError, KeyError, TypeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"its header is damaged ({type(error).__name__})") from error
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata are not strings")
    return tensors, metadata


def _view(mapped: mmap.mmap, start: int, size: int, entry: Mapping[str, Any]) -> NDArray[Any]:
    kind, shape, (begin, end) = np.dtype(_TYPES[entry["dtype"]]), entry["shape"], entry["data_offsets"]
    if not all(isinstance(number, int) and 0 <= number <= size for number in (*shape, begin, end)) or len(shape) > 2:
        raise ValueError("its header has a number out of range")
    count = 1
    for number in shape:
        count *= number
    if end - begin != count * kind.itemsize or start + end > size or (start + begin) % kind.itemsize:
        raise ValueError("a tensor does not fit its place in the file")
    return np.frombuffer(mapped, kind, count, start + begin).reshape(shape)


class TensorWriter:
    """Writes a safetensors file tensor by tensor, so that none needs to be in memory as a whole.

    ``shapes`` maps each tensor's name to its dtype (uint8, uint32 or int64) and shape. Then :meth:`write` takes the
    content of each, in one or more parts: wide numbers first, so that all are aligned, else in this order.
    """

    def __init__(
        self, path: Path, shapes: Mapping[str, tuple[Any, tuple[int, ...]]], metadata: Mapping[str, str]
    ) -> None:
        header: dict[str, Any] = {"__metadata__": dict(metadata)}
        self._left: dict[str, int] = {}
        at = 0
        for name, (dtype, shape) in sorted(shapes.items(), key=lambda item: -np.dtype(item[1][0]).itemsize):
            kind = np.dtype(dtype)
            size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
            header[name] = {"dtype": _NAMES[kind], "shape": list(shape), "data_offsets": [at, at + size]}
            self._left[name] = size
            at += size
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % _ALIGNED)
        self._file = path.open("wb")
        self._file.write(len(text).to_bytes(8, "little") + text)

    def write(self, name: str, parts: Iterable[NDArray[Any]]) -> None:
        """Write a tensor; raises ``ValueError`` out of turn, or if the parts do not add up to its size."""
        if name != next(iter(self._left)):
            raise ValueError(f"{name} is out of turn")
        for part in parts:
            self._file.write(np.ascontiguousarray(part).data)
            self._left[name] -= part.nbytes
        if self._left.pop(name):
            raise ValueError(f"{name} has another size")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        if error is None and self._left:
            raise ValueError(f"{next(iter(self._left))} was not written")
