"""Writes documents into an index that is open, and encodes only what changed.

A document that the index has already is passed over. Of one that changed, each passage whose encoded text is the same
keeps its vector: a field, a URL or the order of passages may change without any work for the encoder. Batches are
written one by one, each durable, so a kill loses no more than one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from typeahead.core.encoder import Encoder, Vectors
from typeahead.errors import FieldTypeError, WritesFull
from typeahead.index.build import Divide, encode_passages
from typeahead.index.changes.compacting import compact
from typeahead.index.contents import Contents
from typeahead.index.document_writer import undivided
from typeahead.index.drafts import BadDocument, Draft, draft_of
from typeahead.index.kinds import FieldKinds, fields_json
from typeahead.index.living import LivingIndex
from typeahead.index.staging import IndexBusy
from typeahead.progress import OnProgress
from typeahead.search.port import Entry
from typeahead.text.document import Document, Passage

#: Documents, and passages, that are written together.
BATCH: Final = 256
#: Code points of text that are written together.
_BATCH_TEXT: Final = 4 << 20
#: Passages that are encoded together.
_TOGETHER: Final = 64
#: Errors that are kept; further ones are counted.
MOST_ERRORS: Final = 100
#: Seconds between two attempts while another process merges changes, and seconds after which it is an error.
_PAUSE, _PATIENCE = 0.2, 600.0


class Problem(NamedTuple):
    """Why a document was not written."""

    #: Its id; empty if it has none.
    id: str
    #: Names the reason for programs, as in answers of the server.
    code: str
    message: str


@dataclass(slots=True)
class Upserted:
    """What became of documents."""

    #: Documents that were written: new ones, and changed ones.
    count: int = 0
    #: Those that are new.
    added: int = 0
    #: Documents that the index had already, just as they are.
    unchanged: int = 0
    #: Passages that were encoded.
    encoded: int = 0
    #: Documents that were not written.
    failed: int = 0
    #: Why, for the first 100 of them.
    errors: list[Problem] = field(default_factory=list)
    #: The version of the index.
    version: int = 0

    def refuse(self, key: str, code: str, message: str) -> None:
        """Count a document that is not written."""
        self.failed += 1
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(Problem(key, code, message))


class _Stored(NamedTuple):
    """A document as the index has it."""

    document: Document
    passages: tuple[Passage, ...]
    #: float32 (passages, dim); None if the index does not keep the vectors that were written.
    vectors: Callable[[], Vectors | None]


class _Pending(NamedTuple):
    """A document that has to be written, with a vector for each passage, None where it has to be encoded."""

    document: Document
    passages: tuple[Passage, ...]
    vectors: list[Vectors | None]
    new: bool


class Upserter:
    """Writes documents into ``index``.

    ``encoder`` and ``divide`` are asked for at most once, when a document cannot be written without them.
    """

    def __init__(self, index: LivingIndex, encoder: Callable[[], Encoder], divide: Callable[[], Divide]) -> None:
        self._index = index
        self._encoder, self._divide = encoder, divide

    def upsert(
        self, documents: Iterable[Document | Mapping[str, object] | Draft], progress: OnProgress | None = None
    ) -> Upserted:
        """Write documents; what is wrong with one of them does not keep others out. See :class:`Upserted`."""
        report = Upserted()
        batch: dict[str, Draft] = {}
        size = 0
        for seen, given in enumerate(documents, 1):
            draft = self._read(given, report)
            if draft is not None:
                if draft.document.id in batch or len(batch) >= BATCH or size >= _BATCH_TEXT:
                    self._write(batch, report)
                    batch, size = {}, 0
                batch[draft.document.id] = draft
                size += len(draft.document.text)
            if progress is not None:
                progress("update", seen, None)
        self._write(batch, report)
        self._index.refresh()
        report.version = self._index.contents.version
        return report

    def _read(self, given: Document | Mapping[str, object] | Draft, report: Upserted) -> Draft | None:
        if isinstance(given, Mapping):
            try:
                return draft_of(given, self._index.space)
            except BadDocument as error:
                key = given.get("id")
                report.refuse("" if key is None else str(key), error.code, str(error))
                return None
        draft = given if isinstance(given, Draft) else Draft(given, None)
        document = draft.document
        if not document.id:
            report.refuse("", "missing_id", "the document has an empty id: give it one")
            return None
        try:
            f"{document.id}{document.title}{document.text}{document.url}{fields_json(document)}".encode()
        except UnicodeEncodeError:
            report.refuse(document.id, "bad_text", "the document has a lone surrogate: fix its text")
            return None
        return draft

    def _write(self, batch: Mapping[str, Draft], report: Upserted) -> None:
        if not batch:
            return
        self._index.refresh()
        stored = _stored(self._index, self._index.contents, list(batch))
        kinds = FieldKinds(self._index.kinds())
        pending = []
        for key, draft in batch.items():
            try:
                kinds.add(draft.document)
                one = self._changed(draft, stored.get(key))
            except FieldTypeError as error:
                report.refuse(key, "field_kind", str(error))
            except BadDocument as error:
                report.refuse(key, error.code, str(error))
            else:
                if one is None:
                    report.unchanged += 1
                else:
                    pending.append(one)
        report.encoded += self._encode(pending)
        self._commit(pending, report)

    def _changed(self, draft: Draft, before: _Stored | None) -> _Pending | None:
        """Return what has to be written of a document; None if the index has just that."""
        document, given = draft.document, draft.vectors
        if given is None and before is not None and _certainly_same(document, before):
            return None
        passages = undivided(document) if given is not None and len(given) == 1 else self._divide()(document)
        if given is not None and len(given) != len(passages):
            message = (
                f"the document has {len(given)} vectors and {len(passages)} passages: give one vector, or one for each"
            )
            raise BadDocument("vector_count", message)
        vectors: list[Vectors | None] = [None] * len(passages) if given is None else list(given)
        if before is None:
            return _Pending(document, passages, vectors, new=True)
        same = passages == before.passages and _head(document) == _head(before.document)
        if same and given is None:
            return None
        held = before.vectors()
        if same and held is not None and np.array_equal(held, np.asarray(given)):
            return None
        if given is None and held is not None:
            texts = [before.document.encoded(passage) for passage in before.passages]
            known = dict(zip(texts, held, strict=True))
            vectors = [known.get(document.encoded(passage)) for passage in passages]
        return _Pending(document, passages, vectors, new=False)

    def _encode(self, pending: Sequence[_Pending]) -> int:
        """Encode the passages that have no vector yet; returns their number."""
        missing = [
            (one, place) for one in pending for place, vector in enumerate(one.vectors) if vector is None
        ]  # fmt: skip
        for first in range(0, len(missing), _TOGETHER):
            some = missing[first : first + _TOGETHER]
            made = encode_passages(self._encoder(), [(one.document, one.passages[place]) for one, place in some])
            for (one, place), vector in zip(some, made, strict=True):
                one.vectors[place] = vector
        return len(missing)

    def _commit(self, pending: Sequence[_Pending], report: Upserted) -> None:
        """Write documents in parts that a journal takes, or one by one if a field's kind is in the way."""
        part: list[_Pending] = []
        size = 0
        for one in pending:
            if part and size + len(one.passages) > BATCH:
                self._commit_together(part, report)
                part, size = [], 0
            part.append(one)
            size += len(one.passages)
        self._commit_together(part, report)

    def _commit_together(self, part: Sequence[_Pending], report: Upserted) -> None:
        if not part:
            return
        try:
            write_with_room(self._index, lambda: self._index.write([_entry(one) for one in part]))
        except FieldTypeError as error:
            if len(part) > 1:
                # Another process has given a field its kind meanwhile.
                for one in part:
                    self._commit_together([one], report)
                return
            report.refuse(part[0].document.id, "field_kind", str(error))
            return
        report.count += len(part)
        report.added += sum(one.new for one in part)


def write_with_room(index: LivingIndex, write: Callable[[], object]) -> None:
    """Write, and merge earlier changes into the index if the journal is full.

    Raises :class:`~typeahead.errors.WritesFull` if the journal is empty and this is too much all the same.
    """
    while True:
        try:
            write()
        except WritesFull:
            if not index.unmerged:
                raise
            make_room(index)
        else:
            return


def make_room(index: LivingIndex) -> None:
    """Merge the changes of an index into a new generation, or wait for the process that does."""
    before, deadline = index.generation.manifest.generation, time.monotonic() + _PATIENCE
    while True:
        try:
            compact(index.folder)
        except IndexBusy:
            index.refresh()
            if index.generation.manifest.generation == before:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)
                continue
        index.refresh()
        return


def _stored(index: LivingIndex, contents: Contents, ids: Sequence[str]) -> dict[str, _Stored]:
    """What the index has of some documents."""
    manifest = index.generation.manifest
    found = {}
    for key, row in contents.find(ids).items():
        number, local = contents.place(row)
        part = contents.parts[number]
        passages, _ = part.passages.of(np.array([local]))
        # Shortened vectors are not those that were written.
        kept = manifest.dimensions is None
        document, divided = part.divided(local)
        vectors = (lambda part=part, passages=passages: part.vectors(passages)) if kept else _nothing
        found[key] = _Stored(document, divided, vectors)
    return found


def _nothing() -> None:
    return None


def _certainly_same(document: Document, before: _Stored) -> bool:
    """Whether dividing a document is unnecessary: it depends on nothing but the text, and that is the same."""
    if document.headings or any(passage.path or passage.anchor for passage in before.passages):
        return False
    return document.text == before.document.text and _head(document) == _head(before.document)


def _head(document: Document) -> tuple[str, ...]:
    fields = json.loads(fields_json(document))
    return document.title, document.url, json.dumps(fields, sort_keys=True)


def _entry(one: _Pending) -> Entry:
    return Entry(one.document, one.passages, np.stack([vector for vector in one.vectors if vector is not None]))
