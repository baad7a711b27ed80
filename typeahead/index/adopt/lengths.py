"""Checks values and lengths of adopted vectors; changes them only on request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import SourceError
from typeahead.index.vectors import VectorWriter

#: Largest deviation of a length from 1: float16 and the teachers' own arithmetic stay within 0.001.
EXACT = 0.01

_ARRAY_REMEDY = "pass --normalize to divide each vector by its length, if the teacher's vectors need that"
FAISS_REMEDY = "divide the vectors by their lengths and rebuild the FAISS index from them"


def check_lengths(
    part: NDArray[np.floating],
    names: NDArray[np.int64],
    *,
    cosine: bool,
    path: Path | None,
    tolerance: float = EXACT,
    remedy: str = _ARRAY_REMEDY,
) -> NDArray[np.float64]:
    """Check vectors (n, dim), which errors refer to by their ``names`` (n,), and return their lengths (n,).

    Under ``cosine``, a length may differ from 1 by ``tolerance``, and is never 0. Raises
    :class:`~typeahead.errors.SourceError`, which ends with the ``remedy``.
    """
    lengths: NDArray[np.float64] = np.linalg.norm(part.astype(np.float64), axis=1)
    # Searches use float32, which cannot hold squares of values above 1e18.
    if not (usable := lengths < 1e18).all():
        raise SourceError(f"vector {names[np.argmin(usable)]} has a value that is not finite or above 1e18", path=path)
    if cosine and not (unit := (abs(lengths - 1) <= tolerance) & (lengths > 0)).all():
        row = int(np.argmin(unit))
        raise SourceError(
            f"vector {names[row]} has length {lengths[row]:.4g}, but cosine similarity needs vectors of length 1: "
            f"{remedy}",
            path=path,
        )
    return lengths


def store_matrix(
    parts: Iterable[NDArray[np.floating]],
    target: Path,
    dim: int,
    *,
    names: NDArray[np.int64],
    cosine: bool,
    normalize: bool,
    path: Path | None,
    half: bool = False,
    done: Callable[[int], None] = lambda _: None,
) -> None:
    """Write ``parts`` of a matrix (n, dim) to ``target``, float16 if ``half``; checks them like :func:`check_lengths`.

    With ``normalize``, vectors are divided by their lengths, and only zero vectors are refused. n is the number of
    names.
    """
    writer = VectorWriter(target, dim, "<f2" if half else "<f4")
    try:
        for part in parts:
            some = names[writer.rows : writer.rows + len(part)]
            if normalize:
                lengths = check_lengths(part, some, cosine=False, path=path)
                if not lengths.all():
                    name = some[np.argmin(lengths)]
                    raise SourceError(f"vector {name} has length 0, so it has no direction: leave it out", path=path)
                part = part / lengths[:, None]
            else:
                check_lengths(part, some, cosine=cosine, path=path)
            writer.write(part)
            done(writer.rows)
        writer.finish()
    finally:
        writer.close()
