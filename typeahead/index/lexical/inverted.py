"""Finds the documents that hold words: a Tantivy index, opened without trusting its folder.

A document is indexed as its forms, separated by spaces. Three values of the field ``words`` hold its title (as often as
:data:`TITLE_WEIGHT` says, so that words of titles count more), its text, and the whole forms of words with several
parts. Titles and texts hold parts instead of those, in their order, so a phrase is a sequence of parts. The field
``beginnings`` holds the first one, two and three characters of each form: a short beginning has too many continuations
to look for each, and is one term here. The fields ``titles`` and ``title_beginnings`` hold the same of the title alone,
as a title that is what was typed has to be found, however much the texts of others say about it.

Of a Tantivy folder, an index holds only the files of segments, under names of ours: ``wordsa.term``, ``wordsa.idx`` and
so on, then ``wordsb.term``. Tantivy's ``meta.json`` is written anew into a temporary folder whenever an index is
opened, with links to these files. So nothing in an index chooses paths, tokenizers or codecs, and a folder may be
read-only, though Tantivy locks what it opens. Damaged files make Tantivy panic, which is an error here. Files that
somebody made for the purpose can still end the process, by asking for more memory than there is, as those of FAISS can.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import tantivy
from numpy.typing import NDArray
from tantivy import Occur, Query

from typeahead.errors import IndexCorrupt

#: How often a word of a title counts, beside one of the text.
TITLE_WEIGHT: Final = 2
#: The longest beginning, in characters, that is a term of its own.
SHORT: Final = 3
WORDS, BEGINNINGS, ROW = "words", "beginnings", "row"
TITLES, TITLE_BEGINNINGS = "titles", "title_beginnings"
#: The files of a segment.
EXTENSIONS: Final = ("fast", "fieldnorm", "idx", "pos", "store", "term")


def make_schema() -> tantivy.Schema:
    """Make the schema of every index."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field(WORDS, tokenizer_name="whitespace", index_option="position")
    for name in (BEGINNINGS, TITLES, TITLE_BEGINNINGS):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    builder.add_unsigned_field(ROW, fast=True, indexed=True)
    return builder.build()


def segment_file(segment: int, extension: str) -> str:
    """Return the name of a file of an index: ``wordsa.term`` is of the first segment."""
    letters = ""
    while True:
        segment, letter = divmod(segment, 26)
        letters = chr(ord("a") + letter) + letters
        if not segment:
            return f"words{letters}.{extension}"
        segment -= 1


class Inverted:
    """The inverted index in a folder with segments of so many documents. May be searched from several threads.

    A search does not hold Python's global lock. Raises :class:`~typeahead.errors.IndexCorrupt` for files that Tantivy
    cannot read, now or later.
    """

    def __init__(self, folder: Path, segments: Sequence[int]) -> None:
        self._folder = folder
        self._count = sum(segments)
        self._schema = make_schema()
        with tempfile.TemporaryDirectory(prefix="typeahead-", ignore_cleanup_errors=True) as place, self._explained():
            _link(folder, segments, Path(place), self._schema)
            index = tantivy.Index.open(place)
            # The default reader would look for changes again and again.
            index.config_reader("manual")
            self._searcher = index.searcher()
            if self._searcher.num_docs != self._count:
                raise ValueError(f"it has {self._searcher.num_docs} documents, not {self._count}")

    def term(self, form: str, boost: float = 1.0, *, titled: bool = False) -> Query:
        """A query for documents with a form, in their titles if ``titled``."""
        return self._term(TITLES if titled else WORDS, form, boost)

    def beginning(self, prefix: str, boost: float = 1.0, *, titled: bool = False) -> Query:
        """A query for documents with a form that begins with a prefix of :data:`SHORT` characters at most."""
        return self._term(TITLE_BEGINNINGS if titled else BEGINNINGS, prefix, boost)

    def _term(self, field: str, value: str, boost: float) -> Query:
        query = Query.term_query(self._schema, field, value, index_option="freq")
        return query if boost == 1 else Query.boost_query(query, boost)

    def phrase(self, forms: Sequence[str]) -> Query:
        """A query for documents with forms that follow each other."""
        if len(forms) == 1:
            return self.term(forms[0])
        return Query.phrase_query(self._schema, WORDS, list(forms))

    def any_of(self, forms: Sequence[str]) -> Query:
        """A query for documents with any of many forms; all scores are the same."""
        return Query.term_set_query(self._schema, WORDS, list(forms))

    def documents_beginning(self, prefix: str) -> int:
        """Count the documents that hold a form with a prefix of :data:`SHORT` characters at most."""
        with self._explained():
            return int(self._searcher.doc_freq(BEGINNINGS, prefix))

    def search(
        self, should: Sequence[Query], must: Sequence[Query], must_not: Sequence[Query], depth: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Find the ``depth`` best documents: rows and scores, best first, ties by row."""
        if not self._count or not (should or must):
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        clauses = [
            *((Occur.Should, query) for query in should),
            *((Occur.Must, query) for query in must),
            *((Occur.MustNot, query) for query in must_not),
        ]
        with self._explained():
            query = clauses[0][1] if len(clauses) == 1 else Query.boolean_query(clauses)
            hits = self._searcher.search(query, depth, count=False).hits
            rows = np.array(self._searcher.fast_field_values(ROW, [place for _, place in hits]), np.int64)
            if len(rows) and not 0 <= rows.min() <= rows.max() < self._count:
                raise ValueError("a row is out of range")
        scores = np.array([score for score, _ in hits], np.float32)
        order = np.lexsort((rows, -scores))
        return rows[order].astype(np.int32), scores[order]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn everything that Tantivy raises into an error of this package, and panics of its code, too."""
        try:
            yield
        except BaseException as error:
            # Only its name tells a panic from what else must pass, such as KeyboardInterrupt.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            reason = str(error).splitlines() or [type(error).__name__]
            raise IndexCorrupt(
                f"the words of {self._folder} cannot be read ({reason[0]}): rebuild the index",
                folder=self._folder.parent,
            ) from error


def _link(folder: Path, segments: Sequence[int], place: Path, schema: tantivy.Schema) -> None:
    """Make ``place`` a Tantivy folder with these segments."""
    tantivy.Index(schema, path=str(place))
    meta: dict[str, Any] = json.loads((place / "meta.json").read_text("utf-8"))
    meta["segments"] = []
    for number, documents in enumerate(segments):
        name = uuid.UUID(int=number + 1)
        meta["segments"].append({"segment_id": str(name), "max_doc": documents, "deletes": None})
        for extension in EXTENSIONS:
            source = (folder / segment_file(number, extension)).absolute()
            if not source.is_file():
                raise FileNotFoundError(f"{source.name} is missing")
            _link_file(source, place / f"{name.hex}.{extension}")
    meta["opstamp"] = 1
    (place / "meta.json").write_text(json.dumps(meta), "utf-8")


def _link_file(source: Path, target: Path) -> None:
    for link in (os.symlink, os.link):
        # Windows allows few people the first, and the second only within a volume.
        with suppress(OSError):
            link(source, target)
            return
    shutil.copyfile(source, target)
