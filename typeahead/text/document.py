"""A document: readers make it, indexes keep it, hits show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

#: One value of a field, or several of them.
Value = str | int | float | bool
Values = Value | Sequence[Value]

#: Code points of the title that are encoded with a part of the text. Most encoders read 250 word pieces or more.
_LONGEST_TITLE = 200


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside the text of a document."""

    #: Where its section begins in the text, in code points. The heading's own words stand there, too.
    start: int
    #: 1 for the highest.
    level: int
    title: str
    #: What follows "#" in the URL of its section; empty where there is none.
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document that has a vector of its own. The texts of all passages make up the document's text."""

    text: str
    #: The headings above it, the highest first.
    path: tuple[str, ...] = ()
    #: What follows "#" in the URL of its section; empty where there is none.
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One thing that can be found. Only ``id`` must not be empty."""

    id: str
    title: str = ""
    text: str = ""
    url: str = ""
    #: What filters look at, by name. Dates are text in ISO 8601, so that they compare as text does.
    fields: Mapping[str, Values] = field(default_factory=dict, hash=False)
    #: The headings in ``text``, by their places. They guide where it is divided, and are not stored.
    headings: tuple[Heading, ...] = field(default=(), compare=False)

    @property
    def passage(self) -> str:
        """The text to encode: title, one space, text, as in the evaluations of the teachers."""
        return f"{self.title} {self.text}".strip()

    def encoded(self, passage: Passage) -> str:
        """The text to encode for one of its passages: title, headings, text. :attr:`passage` is that of all in one.

        In front of a part of the text, a title is cut to 200 code points, so that the part is read as well.
        """
        title = self.title
        if len(title) > _LONGEST_TITLE and len(passage.text) < len(self.text):
            title = title[:_LONGEST_TITLE]
        return " ".join(part for part in (title, *passage.path, passage.text) if part).strip()

    def shown(self, passage: Passage) -> Document:
        """The document as a hit shows it by one of its passages: with that text alone, and the URL of its section."""
        url = f"{self.url}#{passage.anchor}" if passage.anchor else self.url
        return replace(self, text=passage.text, url=url)
