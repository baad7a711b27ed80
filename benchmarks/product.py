"""The least work of a step: bare int8 matrix-vector products of its sizes, in C with AVX-512 VNNI, random weights."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.native import compiled
from typeahead.errors import TypeaheadError

#: The source's BLOCK.
_BLOCK = 384

Shape = tuple[int, int]


class Product:
    """Products of vectors and matrices of ``shapes``, each (in, out), one after the other.

    Raises :class:`~typeahead.errors.TypeaheadError` if the C code cannot be compiled, as on a processor without VNNI,
    or if its result differs from NumPy's.
    """

    def __init__(self, *shapes: Shape, seed: int = 0) -> None:
        if wrong := [shape for shape in shapes if shape[0] % 4 or shape[1] % _BLOCK]:
            raise TypeaheadError(f"the bare product takes multiples of 4 by multiples of {_BLOCK}, not {wrong}")
        self._run = compiled(Path(__file__).with_name("product.c")).product
        self._run.restype = None
        rng = np.random.default_rng(seed)
        self._parts = []
        for rows, columns in shapes:
            vector = rng.integers(0, 255, rows, np.uint8, endpoint=True)
            matrix = rng.integers(-127, 127, (rows, columns), np.int8, endpoint=True)
            packed = np.ascontiguousarray(matrix.reshape(rows // 4, 4, -1, _BLOCK).transpose(2, 0, 3, 1))
            part = (vector, packed, np.zeros(columns, np.int32), rows, columns)
            self._once(part, 1)
            if not np.array_equal(part[2], vector.astype(np.int32) @ matrix.astype(np.int32)):
                raise TypeaheadError("the bare product differs from NumPy's, so it is not timed")
            self._parts.append(part)

    def _once(self, part: tuple[NDArray[np.uint8], NDArray[np.int8], NDArray[np.int32], int, int], times: int) -> None:
        vector, matrix, result, rows, columns = part
        self._run(
            *(ctypes.c_void_p(array.ctypes.data) for array in (vector, matrix, result)),
            *(ctypes.c_int(number) for number in (rows, columns, times)),
        )

    def microseconds(self, times: int = 200) -> list[float]:
        """Microseconds of each product, as the mean of ``times`` runs."""
        found = []
        for part in self._parts:
            start = time.perf_counter_ns()
            self._once(part, times)
            found.append((time.perf_counter_ns() - start) / 1000 / times)
        return found
