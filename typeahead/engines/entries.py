"""Makes entries of documents, for whoever writes all documents of a source into an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from typeahead.core.encoder import Encoder
from typeahead.errors import FieldTypeError, SourceError
from typeahead.index.build import Divide, encode_passages
from typeahead.index.document_writer import undivided
from typeahead.index.kinds import FieldKinds
from typeahead.search.port import Entry
from typeahead.search.space import Space
from typeahead.text.document import Document

#: Makes entries of some documents.
Entries = Callable[[list[Document]], list[Entry]]
#: Documents that are encoded and sent at a time.
_BATCH: Final = 256


class Loaded(NamedTuple):
    """What was written."""

    documents: int
    passages: int


def space_of(encoder: Encoder) -> Space:
    """The space of an encoder's vectors."""
    config = encoder.config
    return Space(config.teacher.name, config.teacher.revision or None, encoder.dim, config.similarity)


def entries_by(encoder: Encoder, divide: Divide | None = None) -> Entries:
    """Return what divides documents and encodes their passages."""
    return lambda some: _encoded(some, encoder, divide or undivided)


def batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Part documents for encoding and sending.

    Raises :class:`~typeahead.errors.SourceError` for a document that cannot be written.
    """
    seen, kinds = set[str](), FieldKinds()
    part: list[Document] = []
    for document in documents:
        _check(document, seen, kinds)
        part.append(document)
        if len(part) == _BATCH:
            yield part
            part = []
    if part:
        yield part


def _check(document: Document, seen: set[str], kinds: FieldKinds) -> None:
    if not document.id:
        raise SourceError("a document has an empty id")
    if document.id in seen:
        raise SourceError(f"two documents have the id {document.id!r}")
    seen.add(document.id)
    try:
        kinds.add(document)
        f"{document.id}{document.title}{document.text}{document.url}".encode()
    except (FieldTypeError, UnicodeEncodeError) as error:
        raise SourceError(f"document {document.id!r}: {error}") from error


def _encoded(documents: list[Document], encoder: Encoder, divide: Divide) -> list[Entry]:
    divided = [(document, divide(document)) for document in documents]
    texts = [(document, passage) for document, passages in divided for passage in passages]
    vectors = encode_passages(encoder, texts)
    found, first = [], 0
    for document, passages in divided:
        found.append(Entry(document, passages, vectors[first : first + len(passages)]))
        first += len(passages)
    return found
