"""The objects of the readers: queries, passages, and groups of a query with passages."""

from __future__ import annotations

from dataclasses import dataclass

from typeahead.text.document import Document

#: A text, or its token ids without special tokens.
Text = str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A query and its id."""

    id: str
    text: str

    @classmethod
    def of(cls, document: Document) -> Query:
        """The query in a line that :mod:`typeahead.text` read; ``ValueError`` for one without text."""
        text = document.text.strip()
        if not text:
            raise ValueError("the query is empty")
        return cls(document.id, text)


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage. ``id`` and ``title`` are empty where the source has none."""

    id: str
    title: str
    text: Text

    @classmethod
    def of(cls, document: Document) -> Passage:
        """The passage in a line that :mod:`typeahead.text` read; ``ValueError`` for one without title and text."""
        title, text = document.title.strip(), document.text.strip()
        if not title and not text:
            raise ValueError("title and text are empty")
        return cls(document.id, title, text)

    def whole(self) -> Text:
        """Title, blank and text, as indexes and evaluation read a passage. Token ids stay as they are."""
        if not self.title or not isinstance(self.text, str):
            return self.text
        return f"{self.title} {self.text}".strip()

    @property
    def key(self) -> str | Text:
        """Identifies a passage: its id, or its text if it has no id."""
        return self.id or self.text


@dataclass(frozen=True, slots=True)
class Group:
    """A query, one or more passages that answer it, and any number of passages that do not."""

    query_id: str
    query: Text
    positives: tuple[Passage, ...]
    negatives: tuple[Passage, ...] = ()
