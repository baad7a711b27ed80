"""Streams the rows of Parquet and Arrow files: ``.parquet``, ``.arrow``, ``.feather`` (version 2) and Arrow streams.

Parquet is read one batch of rows at a time, and Arrow files are mapped, so memory holds what one batch takes. Columns
of float lists are embeddings; they are by far the largest, and are read only if they are asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from typeahead.errors import MissingExtra, SourceError
from typeahead.text.formats import Record
from typeahead.text.plain import plain
from typeahead.text.unpacking import open_bytes

#: Rows that are Python objects at a time.
_ROWS = 512
#: The first bytes of the formats. A stream has none of its own.
PARQUET, ARROW, FEATHER_1 = b"PAR1", b"ARROW1", b"FEA1"


def read_arrow(
    path: Path, kind: str, wanted: Collection[str] = (), left_out: list[str] | None = None
) -> Iterator[Record]:
    """Stream the rows of a file, numbered from 1.

    Args:
        path: a file, or a pipe with an Arrow stream.
        kind: "parquet" or "arrow".
        wanted: dotted paths of members that must be there. A column of float lists is read only if it is among them;
            its values are NumPy arrays.
        left_out: gets the names of columns that are not read.

    Raises:
        SourceError: the file cannot be read, or lacks a column.
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtra("pyarrow", "arrow") from error
    row = 0
    try:
        for batch in _batches(path, kind, wanted, left_out):
            for start in range(0, batch.num_rows, _ROWS):
                for record in _records(batch.slice(start, _ROWS), wanted):
                    row += 1
                    yield row, record
    except (pa.ArrowException, OSError) as error:
        after = f" after row {row:,}" if row else ""
        what = getattr(error, "strerror", None) or error
        raise SourceError(f"cannot be read as {kind}{after}: {what}", path=path) from error


def _batches(path: Path, kind: str, wanted: Collection[str], left_out: list[str] | None) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import parquet

    if kind == "parquet":
        if not path.is_file():
            raise SourceError("Parquet is read from its end, so it must be a file, not a pipe", path=path)
        with parquet.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
            columns = _columns(path, file.schema_arrow, wanted, left_out)
            yield from file.iter_batches(_ROWS, columns=columns)
        return
    with open_bytes(path) as stream:
        head = b"" if not stream.seekable() else stream.read(len(ARROW))
        if head.startswith(FEATHER_1):
            raise SourceError("is Feather version 1, which nothing writes any more: write version 2", path=path)
        mapped = pa.memory_map(str(path)) if head == ARROW else None
        if mapped is None and stream.seekable():
            stream.seek(0)
        reader = pa.ipc.open_stream(stream) if mapped is None else pa.ipc.open_file(mapped)
        columns = _columns(path, reader.schema, wanted, left_out)
        batches = reader if mapped is None else map(reader.get_batch, range(reader.num_record_batches))
        for batch in batches:
            # Parquet is checked while it is decoded. A damaged Arrow file would be read beyond its buffers.
            batch.validate(full=True)
            yield batch.select(columns)


def _columns(path: Path, schema: Any, wanted: Collection[str], left_out: list[str] | None) -> Sequence[str]:
    names: list[str] = schema.names
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SourceError(f"it has the column {twice!r} twice", path=path)
    for name in wanted:
        if name not in names and not any(name.startswith(f"{column}.") for column in names):
            some = ", ".join(map(repr, names[:20])) + (", …" if len(names) > 20 else "")
            raise SourceError(f"there is no column {name!r}; the columns are {some}", path=path)
    columns = [name for name in names if name in wanted or not _is_vector(schema.field(name).type)]
    if left_out is not None:
        left_out += [name for name in names if name not in columns]
    return columns


def _is_vector(kind: Any) -> bool:
    from pyarrow import types

    listed = types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind)
    return bool(listed and types.is_floating(kind.value_type))


def _records(batch: Any, wanted: Collection[str]) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    from pyarrow import types

    columns = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if field.name in wanted and _is_vector(field.type):
            columns.append([None if not value.is_valid else value.values.to_numpy(False) for value in column])
            continue
        if types.is_timestamp(field.type) and field.type.unit == "ns":
            # Python's times have microseconds; plain() keeps seconds.
            column = column.cast(pa.timestamp("us", field.type.tz), safe=False)
        columns.append([plain(value) for value in column.to_pylist()])
    names = batch.schema.names
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))
