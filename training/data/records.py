"""What the readers give: queries, passages, and a query together with its passages."""

from __future__ import annotations

from dataclasses import dataclass

from typeahead.text.document import Document

#: A text, or the token ids that somebody has made of it, special tokens not included.
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

    def whole(self, separator: str = " ") -> Text:
        """Title, separator, text; the text alone if there is no title, and token ids as they are."""
        if not self.title or not isinstance(self.text, str):
            return self.text
        return f"{self.title}{separator}{self.text}"

    @property
    def key(self) -> str | Text:
        """What tells two passages apart: the id, or the text where there is none."""
        return self.id or self.text


@dataclass(frozen=True, slots=True)
class Group:
    """A query with passages that answer it, one or more, and passages that do not, as many as there are."""

    query_id: str
    query: Text
    positives: tuple[Passage, ...]
    negatives: tuple[Passage, ...] = ()
