"""Writes the documents of an index into SQLite, with their passages; ``documents`` specifies the file and reads it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from typeahead.errors import FieldTypeError, IndexCorrupt, SourceError
from typeahead.index.database import SCHEMA, SCHEMA_VERSION, check_schema, harden
from typeahead.index.kinds import FieldKinds, fields_json, read_fields
from typeahead.text.document import Document, Passage

#: A document with its passages.
Divided = tuple[Document, tuple[Passage, ...]]

_INSERT_DOCUMENT = "INSERT INTO documents VALUES(?, ?, ?, ?, ?, ?, ?)"
_INSERT_PASSAGE = "INSERT INTO passages VALUES(?, ?, ?, ?, ?)"


def undivided(document: Document) -> tuple[Passage, ...]:
    """Return a document's passages if it is not divided: its whole text."""
    return (Passage(document.text),)


class DocumentWriter:
    """Appends documents by row number, in transactions that survive a kill.

    A kill loses what was not committed. A power failure may also lose the last commits, but never corrupts the file:
    the write-ahead log is not synced at each commit, which saves about 10 ms a batch. :meth:`finish` merges the log
    into the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        #: None until they are needed: then those of the committed documents are read.
        self._kinds: FieldKinds | None = None
        self._connection = sqlite3.connect(path, isolation_level=None)
        try:
            harden(self._connection)
            self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
            if not self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                self._connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
            check_schema(self._connection)
        except BaseException as error:
            self._connection.close()
            # An OperationalError, such as a full disk, is not damage.
            if not isinstance(error, sqlite3.DatabaseError) or isinstance(error, sqlite3.OperationalError):
                raise
            raise IndexCorrupt(
                f"{path} from an interrupted build is damaged ({error}): build with --no-resume",
                folder=path.parent.parent,
            ) from error

    @property
    def count(self) -> int:
        """Number of committed documents."""
        return self._number("SELECT count(*) FROM documents")

    @property
    def passages(self) -> int:
        """Number of committed passages."""
        return self._next("passages")

    def _next(self, table: str) -> int:
        # Counting rows would read the whole table.
        return self._number(f"SELECT coalesce(max(row) + 1, 0) FROM {table}")

    def _number(self, query: str) -> int:
        (number,) = self._connection.execute(query).fetchone()
        return int(number)

    def __iter__(self) -> Iterator[Divided]:
        """Iterate over committed documents and their passages by row, reading them on demand."""
        rows = self._connection.execute("SELECT row, id, title, url, fields FROM documents ORDER BY row")
        texts = self._connection.execute("SELECT document, text, path, anchor FROM passages ORDER BY document, row")
        passage = texts.fetchone()
        for row, key, title, url, fields in rows:
            found = []
            while passage is not None and passage[0] == row:
                found.append(Passage(passage[1], tuple(json.loads(passage[2])), passage[3]))
                passage = texts.fetchone()
            text = "".join(one.text for one in found)
            yield Document(key, title, text, url, read_fields(fields)), tuple(found)

    def append(self, entries: Iterable[Divided]) -> None:
        """Commit documents with their passages as the next rows, in one transaction.

        Adds none of them and raises :class:`~typeahead.errors.SourceError` if an id already exists, or a field has
        another kind of value than before.
        """
        first = self.passages
        with self._transaction():
            for row, (document, passages) in enumerate(entries, self._next("documents")):
                self._insert(row, first, document, passages)
                first += len(passages)

    def put(self, rows: Iterable[tuple[int, Document]]) -> None:
        """Commit documents of one passage with their row numbers in one transaction; otherwise like :meth:`append`.

        Row numbers may come in any order, and must be 0, 1, … in the end.
        """
        with self._transaction():
            for row, document in rows:
                self._insert(row, row, document, undivided(document))

    def _insert(self, row: int, first: int, document: Document, passages: tuple[Passage, ...]) -> None:
        if self._kinds is None:
            self._kinds = self._stored_kinds()
        try:
            self._kinds.add(document)
        except FieldTypeError as error:
            raise SourceError(str(error)) from error
        head = (row, document.id, document.title, document.url, fields_json(document), first, len(passages))
        try:
            self._connection.execute(_INSERT_DOCUMENT, head)
            for place, passage in enumerate(passages, first):
                path = json.dumps(passage.path, ensure_ascii=False)
                self._connection.execute(_INSERT_PASSAGE, (place, row, passage.text, path, passage.anchor))
        except sqlite3.IntegrityError:
            raise self._duplicate(row, document.id) from None
        except UnicodeEncodeError as error:
            raise SourceError(f"document {row + 1} ({document.id!r}) has a lone surrogate: fix its text") from error

    def _stored_kinds(self) -> FieldKinds:
        kinds = FieldKinds()
        for key, fields in self._connection.execute("SELECT id, fields FROM documents WHERE fields != '{}'"):
            kinds.add(Document(key, fields=read_fields(fields)))
        return kinds

    def _duplicate(self, row: int, key: str) -> SourceError:
        found = self._connection.execute("SELECT row FROM documents WHERE id = ?", (key,)).fetchone()
        first = f"documents {found[0] + 1} and {row + 1}" if found else f"document {row + 1} and an earlier one"
        return SourceError(f"{first} have the same id {key!r}: ids must be unique")

    def first_passage(self, row: int) -> int:
        """Return the first passage of a document; for the row after the last, the number of passages."""
        found = self._connection.execute("SELECT first FROM documents WHERE row = ?", (row,)).fetchone()
        return self.passages if found is None else int(found[0])

    def within(self, passages: int) -> int:
        """Return how many documents, from the first on, have all of their passages among the first ``passages``."""
        return self._number(f"SELECT count(*) FROM documents WHERE first + passages <= {passages:d}")

    def truncate(self, count: int) -> None:
        """Delete the documents from row ``count`` on."""
        self._kinds = None
        with self._transaction():
            self._connection.execute("DELETE FROM passages WHERE row >= ?", (self.first_passage(count),))
            self._connection.execute("DELETE FROM documents WHERE row >= ?", (count,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit what happens in the context, or nothing of it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # What was rolled back may have decided a kind.
            self._kinds = None
            # On a full disk, SQLite has already rolled back.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def finish(self) -> None:
        """Merge the log into the file; call this before :class:`~typeahead.index.documents.Documents` reads it."""
        self._connection.execute("PRAGMA journal_mode=DELETE")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
