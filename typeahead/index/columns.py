"""The fields of documents as columns, for filters and facets over all documents at once.

Each column numbers the different values of a field in their order, so a range of values is a range of numbers. The file
``fields.safetensors`` has for column ``i``, with e values of documents and v different ones::

    i.documents, i.numbers  uint32 (e,): each document, ascending, and a number of a value that it has; each pair once
    i.postings              uint32 (e,): the documents again, ascending for each value in turn
    i.starts                int64 (v + 1,): where the documents of each value begin in ``i.postings``
    i.values                float64 (v,), as the bits of int64: numbers, rising; 0 and 1 for truth; or instead
    i.texts, i.ends         uint8 and int64 (v + 1,): texts in UTF-8, rising, and where each begins and ends; or instead
    i.texts                 numbers that float64 does not hold, as a JSON array

Metadata: ``format_version``, ``documents`` (their number), ``fields`` (a JSON array of name, kind and which of the
three). On 1,000,000 documents a condition takes a few milliseconds at most (``tests/index/test_columns.py`` has the
command).
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import IndexCorrupt
from typeahead.index.column import Column, Texts
from typeahead.index.kinds import KINDS, NUMBER, FieldKinds, kind_of
from typeahead.search.filters import And, AnyOf, Equal, Exists, Filter, Not, Or
from typeahead.storage.tensors import TensorWriter, map_tensors
from typeahead.text.document import Document, Value

FIELDS: Final = "fields.safetensors"
FORMAT_VERSION: Final = 1


class StoredColumns:
    """The fields of ``count`` documents: :class:`typeahead.index.parts.Columns`. May be used from several threads."""

    def __init__(self, count: int, columns: Mapping[str, Column], path: Path | None = None) -> None:
        self.count = count
        #: The kind of value of each field: "text", "number" or "truth".
        self.kinds: Mapping[str, str] = {name: column.kind for name, column in columns.items()}
        self._columns, self._path = columns, path
        #: Columns of a file are checked when they are first used: reading all of them would slow opening down.
        self._checked = set(columns) if path is None else set()

    @classmethod
    def of(cls, documents: Iterable[Document]) -> Self:
        """Make columns of documents; raises :class:`~typeahead.errors.FieldTypeError` for values of several kinds."""
        builder = ColumnsBuilder()
        for document in documents:
            builder.add(document)
        return cls(builder.count, builder.columns())

    @classmethod
    def open(cls, path: Path, count: int) -> Self:
        """Map the columns of ``count`` documents; raises :class:`~typeahead.errors.IndexCorrupt`."""
        try:
            tensors, said = map_tensors(path)
            if said.get("format_version") != str(FORMAT_VERSION):
                raise ValueError(f"its format is {said.get('format_version')!r}, not {FORMAT_VERSION}")
            if said.get("documents") != str(count):
                raise ValueError(f"it is for {said.get('documents')} documents, but the index has {count}")
            columns = {
                name: _column(kind, form, {part: tensors.get(f"{place}.{part}") for part in _PARTS})
                for place, (name, kind, form) in enumerate(json.loads(said["fields"]))
            }
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise _corrupt(path, error) from error
        return cls(count, columns, path)

    def write(self, path: Path) -> None:
        """Write them to a file."""
        shapes: dict[str, tuple[Any, tuple[int, ...]]] = {}
        parts: dict[str, NDArray[Any]] = {}
        entries = []
        for place, (name, column) in enumerate(self._columns.items()):
            form, arrays = _arrays(column)
            entries.append([name, column.kind, form])
            parts |= {f"{place}.{part}": values for part, values in arrays.items()}
        # Wide numbers first, as all tensors of a file are aligned.
        for name, values in sorted(parts.items(), key=lambda item: -item[1].itemsize):
            shapes[name] = values.dtype.type, values.shape
        metadata = {
            "format_version": str(FORMAT_VERSION),
            "documents": str(self.count),
            "fields": json.dumps(entries, ensure_ascii=False),
        }
        with TensorWriter(path, shapes, metadata) as tensors:
            for name in shapes:
                tensors.write(name, [parts[name]])

    def admitted(self, tree: Filter) -> NDArray[np.bool_]:
        """Return whether each document passes, as :func:`typeahead.search.filters.matches` says: bool (count,).

        A field that no document has has no values. Raises :class:`~typeahead.errors.IndexCorrupt`.
        """
        if isinstance(tree, And | Or):
            every = isinstance(tree, And)
            found = np.full(self.count, every)
            for part in tree.parts:
                (np.logical_and if every else np.logical_or)(found, self.admitted(part), out=found)
            return found
        if isinstance(tree, Not):
            return ~self.admitted(tree.part)
        found = np.zeros(self.count, np.bool_)
        column = self._column(tree.field)
        if column is not None:
            if isinstance(tree, Exists):
                found |= column.held(self.count)
            elif isinstance(tree, Equal | AnyOf):
                for value in (tree.value,) if isinstance(tree, Equal) else tree.values:
                    column.mark(found, *column.bounds(value))
            else:
                column.mark(found, *column.within(tree))
        return found

    def counts(self, name: str, documents: NDArray[np.int64] | NDArray[np.bool_] | None) -> Mapping[Value, int]:
        """Count how many of some documents, None for all, have each value of a field.

        ``documents`` are rows, int64 (n,), or say of each whether it counts, bool (count,). Values that none has are
        left out. Raises :class:`~typeahead.errors.IndexCorrupt`.
        """
        column = self._column(name)
        return {} if column is None else column.counts(documents)

    def _column(self, name: str) -> Column | None:
        column = self._columns.get(name)
        if column is not None and name not in self._checked:
            assert self._path is not None
            try:
                column.check(self.count)
            except ValueError as error:
                raise _corrupt(self._path, error) from error
            self._checked.add(name)
        return column


class ColumnsBuilder:
    """Collects the fields of documents, in the order of their rows."""

    def __init__(self) -> None:
        self.count = 0
        self._kinds = FieldKinds()
        #: By field: the documents, the numbers of their values, and these by value, in the order in which they came.
        self._found: dict[str, tuple[array[int], array[int], dict[Value, int]]] = {}

    def add(self, document: Document) -> None:
        """Add the document of the next row; raises :class:`~typeahead.errors.FieldTypeError`."""
        if document.fields:
            self._kinds.add(document)
        for name, values in document.fields.items():
            several: Iterable[Value] = values if isinstance(values, list | tuple) else (values,)
            for value in dict.fromkeys(several):
                rows, numbers, seen = self._found.setdefault(name, (array("I"), array("I"), {}))
                rows.append(self.count)
                numbers.append(seen.setdefault(value, len(seen)))
        self.count += 1

    def columns(self) -> dict[str, Column]:
        """Return the columns by field."""
        return {
            name: Column.of(self._kinds.kinds[name], rows, numbers, seen)
            for name, (rows, numbers, seen) in self._found.items()
        }


_PARTS: Final = ("documents", "numbers", "postings", "starts", "values", "texts", "ends")
_VALUES, _TEXTS, _EXACT = "values", "texts", "exact"


def _arrays(column: Column) -> tuple[str, dict[str, NDArray[Any]]]:
    """Return which form the values of a column are stored in, and all its arrays by name."""
    arrays: dict[str, NDArray[Any]] = {
        "documents": column.documents,
        "numbers": column.numbers,
        "postings": column.postings,
        "starts": column.starts,
    }
    values = column.values
    if isinstance(values, Texts):
        return _TEXTS, arrays | {"texts": values.run, "ends": values.ends}
    if isinstance(values, list):
        return _EXACT, arrays | {"texts": np.frombuffer(json.dumps(values).encode(), np.uint8)}
    return _VALUES, arrays | {"values": values.view(np.int64)}


def _column(kind: str, form: str, arrays: Mapping[str, NDArray[Any] | None]) -> Column:
    """Make a column of what :func:`_arrays` returned; raises ``ValueError`` if something is missing."""

    def part(name: str, dtype: Any) -> NDArray[Any]:
        found = arrays[name]
        if found is None or found.dtype != dtype or found.ndim != 1:
            raise ValueError(f"a column lacks its {name}")
        return found

    if kind not in KINDS or form not in (_VALUES, _TEXTS, _EXACT):
        raise ValueError(f"a column is {kind!r:.40}, {form!r:.40}")
    values: Texts | NDArray[np.float64] | list[Any]
    if form == _TEXTS:
        values = Texts(part("texts", np.uint8), part("ends", np.int64))
    elif form == _EXACT:
        values = json.loads(part("texts", np.uint8).tobytes())
        if not isinstance(values, list) or any(kind_of(value) != NUMBER for value in values):
            raise ValueError("its numbers are no list of numbers")
    else:
        values = part("values", np.int64).view(np.float64)
    documents, numbers, postings = (part(name, np.uint32) for name in ("documents", "numbers", "postings"))
    return Column(kind, documents, numbers, postings, part("starts", np.int64), values)


def _corrupt(path: Path, error: Exception) -> IndexCorrupt:
    reason = f"no {error}" if isinstance(error, KeyError) else getattr(error, "strerror", None) or str(error)
    return IndexCorrupt(f"{path} cannot be read ({reason}): rebuild the index", folder=path.parent.parent)
