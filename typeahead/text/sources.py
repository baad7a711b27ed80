"""Makes documents of sources: files of records, folders of documentation, BEIR folders, databases.

``reading`` and ``delimited`` read lines and tables, ``notes`` pages of documentation, ``formats`` everything else.
``mapping`` and ``fields`` make documents of records. Everything streams, once from the start, so a pipe will do as well
as a file. A line that cannot be used is an error that names file and line, or is counted if the caller asks for that.
Two documents with one id are always an error, which names both places.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict, Unpack

from typeahead.errors import SourceError
from typeahead.text import beir
from typeahead.text.bad_lines import BadLines, Notice, leave_out, log_notice
from typeahead.text.delimited import header
from typeahead.text.document import Document
from typeahead.text.encodings import named
from typeahead.text.fields import FieldChoice, FieldReader
from typeahead.text.folders import place, walk
from typeahead.text.formats import Record
from typeahead.text.formats.database import is_address, read_query, shown
from typeahead.text.formats.foreign import refuse_foreign
from typeahead.text.formats.json_values import is_array
from typeahead.text.kinds import KINDS, kind_of
from typeahead.text.mapping import FieldMap, Found, Mapper, NoFieldError
from typeahead.text.notes import Pages, read_notes
from typeahead.text.opening import Opening, read_records
from typeahead.text.skipped import Skipped

__all__ = [
    "KINDS",
    "BadLines",
    "FieldChoice",
    "FieldMap",
    "Found",
    "Pages",
    "Skipped",
    "Source",
    "read_embedded",
    "read_files",
    "read_source",
]

#: A file, a pipe or a folder; or the address of a database, which is a text with "://" in it.
Source = Path | str


class Options(TypedDict, total=False):
    """Options of :func:`read_embedded`; :func:`read_source` explains them."""

    kind: str
    choice: FieldChoice | None
    columns: Sequence[str] | None
    bad: BadLines | None
    skipped: Skipped | None
    delimiter: str | None
    encoding: str | None
    query: str | None
    notice: Notice
    repeated: bool
    pages: Pages | None


@dataclass
class _Ids:
    """Where each id was seen first. Takes some 150 bytes of memory a document, a tenth of its vector."""

    #: The number of the source in its upper bits, that of the line below them.
    places: dict[str, int] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)

    def add(self, key: str, source: Source, line: int | None) -> None:
        if not self.sources or self.sources[-1] != source:
            self.sources.append(source)
        place = (len(self.sources) - 1) << 40 | (line or 0)
        first = self.places.setdefault(key, place)
        if first is not place:
            other, at = self.sources[first >> 40], first & ((1 << 40) - 1)
            same = first >> 40 == place >> 40
            name = shown(other) if isinstance(other, str) else str(other)
            where = f"line {at}" if at and same else f"{name}:{at}" if at else name
            raise _error(f"the id {key!r} is that of {where} already: ids must be unique", source, line)


def read_source(
    path: Source | Sequence[Source],
    fields: FieldMap | None = None,
    *,
    kind: str = "auto",
    choice: FieldChoice | None = None,
    columns: Sequence[str] | None = None,
    bad: BadLines | None = None,
    skipped: Skipped | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    query: str | None = None,
    notice: Notice = log_notice,
    repeated: bool = False,
    pages: Pages | None = None,
) -> Iterator[Document]:
    """Stream the documents of ``path``.

    Args:
        path: a file, a pipe, a folder, or the address of a database; or several of them.
        fields: which fields of a record make a document; ignored for notes.
        kind: "jsonl", "json" (an array, or objects with line breaks inside), "csv", "tsv", "parquet", "arrow", "beir"
            (a folder with ``corpus.jsonl``), "notes" (a folder of pages of documentation, or one of them: see
            :mod:`~typeahead.text.notes`); "auto" decides by the name, and reads all formats of a folder. A pipe needs
            its kind.
        choice: which members of a record are the fields of its document; by default all short ones. BEIR's have none.
        columns: names of the columns of a CSV or TSV file without a header line; spaces round them are left out.
        bad: counts lines that cannot be used, and reading goes on; without it the first is an error.
        skipped: counts what is left out on purpose: files of a folder that are no documents, and records without title
            and text. Without it such records are documents, and such files are left out without a word.
        delimiter: one character between the columns of a CSV file; ``None`` recognises comma, semicolon, tab and
            vertical bar.
        encoding: of the file; ``None`` recognises UTF-8, UTF-16, UTF-32 and guesses older ones. In a folder of notes,
            the files that are UTF-8 are read as UTF-8 all the same.
        query: SQL, for the address of a database.
        notice: gets a line of text for a recognised delimiter other than the comma, for a recognised encoding other
            than UTF-8, and for what is no field; by default it is logged.
        repeated: whether records may have the same id, as passages of one document have.
        pages: URLs and drafts of notes.

    Raises:
        SourceError: there is no such file, its kind is unclear, ``columns``, ``delimiter`` or ``query`` are given for
            another kind, a column is named twice, a line cannot be used, or two documents have one id. The last two
            are raised during iteration.
        MissingExtra: the package that reads this format is not installed; raised during iteration.
        ValueError: there is no such ``kind``, ``delimiter`` or ``encoding``.
    """
    options = Options(
        kind=kind,
        choice=choice,
        columns=columns,
        bad=bad,
        skipped=skipped,
        delimiter=delimiter,
        encoding=encoding,
        query=query,
        notice=notice,
        repeated=repeated,
        pages=pages,
    )
    return (found.document for found in _found(path, fields, None, **options))


def read_embedded(
    path: Source | Sequence[Source], vectors: str, fields: FieldMap | None = None, **options: Unpack[Options]
) -> Iterator[Found]:
    """Stream documents together with their vectors, from the column or member ``vectors``: float32 (dim,) each.

    A record without a vector, or with one of other dimensions than the first, is a line that cannot be used. Everything
    else is as for :func:`read_source`. Notes have no vectors, and are a :class:`~typeahead.errors.SourceError`.
    """
    return _found(path, fields, vectors, **options)


def read_files(
    folder: Path, fields: FieldMap | None = None, only: Collection[Path] | None = None, **options: Unpack[Options]
) -> Iterator[Found]:
    """Stream the documents of a folder, each with the file that holds it; with ``only``, those of some files.

    These documents are as they are when the whole folder is read. Options and errors are those of :func:`read_source`.
    """
    return _Sources(fields or FieldMap(), None, options, only).read([folder])


def _found(
    path: Source | Sequence[Source], fields: FieldMap | None, vectors: str | None, **options: Unpack[Options]
) -> Iterator[Found]:
    sources = _Sources(fields or FieldMap(), vectors, options)
    return sources.read([path] if isinstance(path, str | Path) else path)


def _encoding(encoding: str | None) -> str | None:
    if encoding is None:
        return None
    try:
        return named(encoding)
    except LookupError as error:
        raise ValueError(str(error)) from None


def _error(message: str, source: Source, line: int | None) -> SourceError:
    if isinstance(source, str):
        return SourceError(f"{shown(source)}: row {line}: {message}", line=line)
    return SourceError(message, path=source, line=line)


class _Sources:
    """One reading of some sources: it knows all ids and all kinds of fields."""

    def __init__(
        self, names: FieldMap, vectors: str | None, options: Options, only: Collection[Path] | None = None
    ) -> None:
        delimiter = options.get("delimiter")
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n\0'):
            raise ValueError(f"delimiter {delimiter!r} is not one character that can separate columns")
        self._kind = options.get("kind", "auto")
        if self._kind not in ("auto", *KINDS):
            raise ValueError(f"kind {self._kind!r} is none of 'auto', {', '.join(map(repr, KINDS))}")
        self._bad = options.get("bad")
        self._notice = options.get("notice", log_notice)
        encoding = _encoding(options.get("encoding"))
        self._opening = Opening(self._bad, self._notice, options.get("columns"), delimiter, encoding)
        self._query = options.get("query")
        self._skipped = options.get("skipped")
        self._ids = None if options.get("repeated") else _Ids()
        self._pages = options.get("pages")
        #: Of a folder, no other files are read. None reads all.
        self._only = only
        self._several = False
        taken = names.taken() | (frozenset() if vectors is None else {vectors})
        self._fields = FieldReader(options.get("choice") or FieldChoice(), taken)
        self._mapper = Mapper(names, self._fields, vectors)
        #: For BEIR's files, whose other members are no fields.
        self._bare_mapper = Mapper(names, None, vectors)

    def read(self, sources: Iterable[Source]) -> Iterator[Found]:
        """Check everything that can be checked at once, and return what reads the rest."""
        parts = [self._one(source) for source in sources]
        self._several = len(parts) > 1
        return self._all(parts)

    def _all(self, parts: Sequence[Iterator[Found]]) -> Iterator[Found]:
        try:
            for part in parts:
                yield from part
        finally:
            for part in parts:
                _close(part)
        for name in self._fields.missing():
            self._notice(f"the field {name!r} is in no document")
        if self._fields.left_out:
            found = self._fields.left_out.items()
            reasons = (f"{reason}, in {count:,} document{'s' * (count != 1)}" for reason, count in found)
            self._notice(f"not indexed as fields: {'; '.join(reasons)}")

    def _one(self, source: Source) -> Iterator[Found]:
        if isinstance(source, str) and is_address(source):
            if self._query is None:
                raise SourceError(f'{shown(source)}: give --query "SELECT id, title, text FROM …"')
            return self._documents(source, read_query(source, self._query), self._mapper)
        path = Path(source)
        refuse_foreign(path)
        kind = kind_of(path) if self._kind == "auto" else self._kind
        if not path.exists():
            raise SourceError("there is no such file or folder", path=path)
        self._check(path, kind)
        if path.is_dir() and kind != "beir":
            return self._folder(path)
        if kind == "notes":
            if not path.is_file():
                raise SourceError("notes must be files with names: this is neither a file nor a folder", path=path)
            return self._notes([path], path.parent)
        if kind == "beir":
            corpus = beir.existing(path, beir.CORPUS)
            if corpus is None:
                raise SourceError(
                    "there is no such file: a BEIR folder holds its documents in corpus.jsonl", path=path / beir.CORPUS
                )
            return self._file(corpus, "jsonl", self._bare_mapper)
        return self._file(path, kind, self._mapper)

    def _check(self, path: Path, kind: str) -> None:
        if self._query is not None:
            raise SourceError("a query is for the address of a database, such as sqlite:///shop.db", path=path)
        if self._mapper.vectors is not None and kind == "notes" and not path.is_dir():
            raise SourceError("notes have no vectors", path=path)
        columns = self._opening.columns
        if columns is not None and kind not in ("csv", "tsv"):
            raise SourceError(f"columns are for CSV and TSV files, but it is read as {kind}", path=path)
        if columns is not None:
            try:
                header(columns, "the columns name")
            except ValueError as error:
                raise SourceError(str(error), path=path) from None
        if self._opening.delimiter is not None and kind != "csv":
            raise SourceError(f"a delimiter is for CSV files, but it is read as {kind}", path=path)

    def _file(self, path: Path, kind: str, mapper: Mapper, strange: list[SourceError] | None = None) -> Iterator[Found]:
        records = read_records(path, kind, self._opening, mapper)
        return self._documents(path, records, mapper, strange, texts=kind in ("csv", "tsv"))

    def _documents(
        self,
        source: Source,
        records: Iterator[Record],
        mapper: Mapper,
        strange: list[SourceError] | None = None,
        *,
        texts: bool = False,
    ) -> Iterator[Found]:
        """Make documents of records; add to ``strange`` if already the first has no id or no text."""
        first = strange is not None
        try:
            for line, record in records:
                at = f"{Path(source).name}:{line}" if self._several or strange is not None else f"line {line}"
                try:
                    found = mapper.document(record, at, texts=texts)
                except ValueError as error:
                    problem = _error(str(error), source, line)
                    if first and strange is not None and isinstance(error, NoFieldError):
                        strange.append(problem)
                        return
                    leave_out(problem, self._bad)
                    continue
                finally:
                    first = False
                document = found.document
                if self._skipped is not None and not document.text and not document.title:
                    self._skipped.add("document without text", at)
                    continue
                if self._ids is not None:
                    self._ids.add(document.id, source, line)
                yield found._replace(file=source if isinstance(source, Path) else None)
        finally:
            _close(records)

    def _notes(self, files: Sequence[Path], base: Path) -> Iterator[Found]:
        opening = self._opening
        found = read_notes(files, base, self._bad, opening.encoding, self._notice, self._pages, self._skipped)
        for file, document in found:
            if self._mapper.vectors is not None:
                raise SourceError("notes have no vectors", path=file)
            if self._only is not None and file not in self._only:
                continue
            try:
                record = {**document.fields, "fields": document.fields}
                fields = self._fields.read(record, document.id)
            except ValueError as error:
                leave_out(SourceError(str(error), path=file), self._bad)
                continue
            if self._ids is not None:
                self._ids.add(document.id, file, None)
            yield Found(replace(document, fields=fields), file=file)

    def _folder(self, path: Path) -> Iterator[Found]:
        """Read the notes of a folder, and then its files of records; only those of one kind if that was asked for."""
        notes: list[Path] = []
        records: list[tuple[Path, str]] = []
        for file, kind in walk(path, self._skipped):
            if self._kind not in ("auto", kind):
                self._skip("file of another format", file, path)
            elif kind == "notes":
                # All of them: the title of a site is what its pages have in common.
                notes.append(file)
            elif self._only is None or file in self._only:
                records.append((file, kind))
        if not notes and not records and self._only is None:
            self._notice(f"{path}: holds no files in a format that is to be read")
        yield from self._notes(notes, path)
        read = bool(notes)
        strange: list[SourceError] = []
        for file, kind in records:
            if kind == "json" and not is_array(file):
                # Such as package.json: a setting, not a list of documents.
                self._skip("file of another format", file, path)
                continue
            before = len(strange)
            for found in self._file(file, kind, self._mapper, strange):
                read = True
                yield found
            if len(strange) > before:
                self._skip("file without id or text", file, path)
        if strange and not read and self._only is None:
            raise strange[0]

    def _skip(self, what: str, file: Path, folder: Path) -> None:
        if self._skipped is not None:
            self._skipped.add(what, place(file, folder))


def _close(part: Iterator[object]) -> None:
    """Close a file that is being read: a traceback that somebody keeps would keep it open."""
    if isinstance(part, Generator):
        part.close()
