"""What the readers give: queries, passages, judgements, and a query together with its passages."""

from __future__ import annotations

from dataclasses import dataclass

#: A text, or the token ids that somebody has made of it, special tokens not included.
Text = str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A query and its id."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage. ``id`` and ``title`` are empty where the source has none."""

    id: str
    title: str
    text: Text

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
class Judgement:
    """How relevant a passage is to a query; grades from 1 on are relevant unless a collection says otherwise."""

    query_id: str
    passage_id: str
    grade: int


@dataclass(frozen=True, slots=True)
class Group:
    """A query with passages that answer it, one or more, and passages that do not, as many as there are."""

    query_id: str
    query: Text
    positives: tuple[Passage, ...]
    negatives: tuple[Passage, ...] = ()
