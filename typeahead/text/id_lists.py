"""Reads lists of ids, which say to which documents adopted vectors belong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from typeahead.errors import SourceError
from typeahead.text.bad_lines import Notice, log_notice
from typeahead.text.reading import recognised_lines


def read_ids(path: Path, *, encoding: str | None = None, notice: Notice = log_notice) -> list[str]:
    """Read a list of ids: a ``.npy`` array of strings or integers, a JSON array, or a text file with one id a line.

    ``encoding`` and ``notice`` as for :func:`~typeahead.text.sources.read_source`. Raises
    :class:`~typeahead.errors.SourceError`.
    """
    if not path.exists():
        raise SourceError("there is no such file of ids", path=path)
    if path.suffix == ".npy":
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise SourceError(f"no NumPy array that can be read without pickle: {error}", path=path) from error
        if array.ndim != 1 or array.dtype.kind not in "Uiu":
            raise SourceError(f"holds {array.dtype} {array.shape}, not a list of strings or integers", path=path)
        return [str(key) for key in array.tolist()]
    texts = []
    for line, text, problem, _ in recognised_lines(path, encoding, notice):
        if problem is not None:
            raise problem
        if path.suffix != ".json" and not text.strip():
            raise SourceError("an empty line: one id a line", path=path, line=line)
        texts.append(text)
    if path.suffix != ".json":
        return [text.strip() for text in texts]
    try:
        keys = json.loads("".join(texts))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"not JSON: {error}", path=path) from error
    if not isinstance(keys, list) or not all(isinstance(key, str | int) for key in keys):
        raise SourceError("holds no JSON array of strings and integers", path=path)
    return [str(key) for key in keys]
