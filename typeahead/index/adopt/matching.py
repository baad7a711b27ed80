"""Matches vectors with documents, and stores documents in the rows of their vectors.

A FAISS label may be a document's position or a document's id. Labels that are not exactly 0, 1, …, n-1 can only be ids.
Labels that are, and are also every document's id, may be either. If both readings contradict each other, the caller has
to find out which one is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import SourceError
from typeahead.index.document_writer import DocumentWriter
from typeahead.progress import OnProgress
from typeahead.text.document import Document

_BATCH = 1000


def store_documents(
    documents: Iterable[Document],
    keys: Sequence[str] | None,
    count: int,
    target: Path,
    vectors: Path,
    tell: OnProgress,
    *,
    labels: bool = False,
) -> NDArray[np.int64] | None:
    """Store each document in the row of its vector.

    Args:
        documents: read once.
        keys: the ids of the documents by row; ``None`` if documents come in the order of rows.
        count: number of vectors.
        target: the file of documents, new.
        vectors: the file of vectors, for errors.
        tell: progress callback.
        labels: whether the keys are FAISS labels.

    Returns:
        If documents were stored in the order of rows, but every id is also a row number and they contradict that order:
        the row that each document's id means, int64 (count,). Otherwise ``None``.

    Raises:
        SourceError: vectors and documents do not match; the message names both.
    """
    rows = None
    if keys is not None:
        rows = {key: row for row, key in enumerate(keys)}
        if len(rows) != len(keys):
            seen: set[str] = set()
            twice = next(key for key in keys if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise SourceError(f"two vectors have the id {twice!r}", path=vectors)
    numbers = _Numbers(count) if keys is None else None
    store = DocumentWriter(target)
    try:
        done = 0
        part: list[tuple[int, Document]] = []
        for document in documents:
            row = done + len(part) if rows is None else rows.get(document.id)
            if row is None or row >= count:
                raise SourceError(_one_too_many(document, keys, count, labels), path=vectors)
            if numbers is not None:
                numbers.add(document.id)
            part.append((row, document))
            if len(part) == _BATCH:
                store.put(part)
                done += len(part)
                part = []
                tell("documents", done, count)
        store.put(part)
        done += len(part)
        tell("documents", done, count)
        if done != count:
            missing = ""
            if keys is not None:
                stored = {document.id for document, _ in store}
                missing = f"; the first id without a document is {next(key for key in keys if key not in stored)!r}"
            raise SourceError(f"{count} vectors, but {done} documents{missing}", path=vectors)
        store.finish()
    finally:
        store.close()
    return None if numbers is None else numbers.other_order()


def move_documents(target: Path, rows: NDArray[np.int64]) -> None:
    """Move the documents of ``target`` from rows 0, 1, … to ``rows`` (n,)."""
    old = target.with_suffix(".moved")
    target.replace(old)
    source, store = DocumentWriter(old), DocumentWriter(target)
    try:
        part: list[tuple[int, Document]] = []
        for row, (document, _) in zip(rows.tolist(), source, strict=True):
            part.append((row, document))
            if len(part) == _BATCH:
                store.put(part)
                part = []
        store.put(part)
        store.finish()
    finally:
        source.close()
        store.close()
    for path in old.parent.glob(old.name + "*"):
        path.unlink()


class _Numbers:
    """Reads ids as row numbers, as long as all of them are."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._numbers: list[int] | None = []

    def add(self, key: str) -> None:
        if self._numbers is None:
            return
        if key.isascii() and key.isdecimal() and len(key) < 19 and str(int(key)) == key and int(key) < self._count:
            self._numbers.append(int(key))
        else:
            self._numbers = None

    def other_order(self) -> NDArray[np.int64] | None:
        if self._numbers is None:
            return None
        # Ids are unique, so these are exactly 0, 1, …, n-1.
        numbers = np.array(self._numbers, np.int64)
        return None if np.array_equal(numbers, np.arange(len(numbers))) else numbers


def _one_too_many(document: Document, keys: Sequence[str] | None, count: int, labels: bool) -> str:
    what = f"there is no vector for document {document.id!r}:"
    if keys is None:
        return f"{what} there are only {count} vectors"
    if not labels:
        return f"{what} no vector has this id"
    some = ", ".join(keys[:3]) + (", …" if len(keys) > 3 else "")
    return (
        f"{what} no vector has this label. The index labels its vectors {some}; these are neither row numbers "
        "(0, 1, …) nor the documents' ids. Pass the id of each vector's document with --ids"
    )
