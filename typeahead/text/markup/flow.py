"""Collects the text of a page, block by block, and where its headings stand in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from typeahead.text.document import Heading, Values

#: Soft hyphens, zero-width spaces and marks of byte order stand inside words, which would not be found.
_INVISIBLE = {0xAD: None, 0x200B: None, 0xFEFF: None}


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """What a file says."""

    #: Empty where the file names none.
    title: str = ""
    text: str = ""
    headings: tuple[Heading, ...] = ()
    fields: Mapping[str, Values] = dataclasses.field(default_factory=dict)
    #: Whether its author says that it is not public yet.
    draft: bool = False
    #: The URL that the page gives itself, perhaps relative; empty where it gives none.
    url: str = ""


class Flow:
    """The text so far. Paragraphs are one empty line apart, list items one line break, cells of a table one tab."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._open: list[str] = []
        self._gap = ""
        self._headings: list[Heading] = []
        self._cells = 0
        #: Whether a heading has just been added, from which its text is one line break apart.
        self._is_below = False
        #: A heading whose section goes on with the next text.
        self._resumed: Heading | None = None

    @property
    def headings(self) -> list[Heading]:
        """The headings so far."""
        return self._headings

    def write(self, text: str) -> None:
        """Add to the open block; runs of white space become one space."""
        self._open.append(text)

    def end_block(self, gap: str = "\n\n") -> None:
        """End the open block, and put ``gap`` before the next unless a larger one is due."""
        block = " ".join("".join(self._open).translate(_INVISIBLE).split())
        self._open.clear()
        if block:
            self._append(block)
        self._widen(gap)

    def begin_cell(self) -> None:
        """Begin a cell of a table, in which blocks are one space apart."""
        self.end_block("")
        self._cells += 1

    def end_cell(self) -> None:
        """End a cell."""
        self.end_block("")
        self._cells -= 1
        if self._length and not self._gap.strip(" "):
            self._gap = "\t"

    def verbatim(self, text: str) -> None:
        """Add a block of its own as it is, but for empty lines round it."""
        self.end_block()
        lines = [line.rstrip() for line in text.translate(_INVISIBLE).expandtabs(4).split("\n")]
        while lines and not lines[-1]:
            lines.pop()
        while lines and not lines[0]:
            lines.pop(0)
        if lines:
            self._append("\n".join(lines))
        self._widen("\n\n")

    def heading(self, level: int, title: str, anchor: str = "") -> None:
        """Add a heading."""
        self.end_block()
        title = " ".join(title.translate(_INVISIBLE).split())
        if not title:
            return
        self._resumed = None
        self._append(title)
        self._headings.append(Heading(self._length - len(title), level, title, anchor))
        self._gap = "\n"
        self._is_below = True

    def resume(self, heading: Heading) -> None:
        """Let what follows belong to a heading that stands further above."""
        self._resumed = heading

    def rename(self, row: int, anchor: str) -> None:
        """Give a heading an anchor."""
        self._headings[row] = dataclasses.replace(self._headings[row], anchor=anchor)

    def page(self, title: str = "", fallback: str = "") -> Page:
        """End the page.

        Its title is ``title``, or else its only heading of level 1, or else ``fallback``, or else the first heading of
        level 1 or at its beginning. A page that begins with its title in a heading says it in the title alone.
        """
        self.end_block()
        text, headings = "".join(self._parts), self._headings
        highest = [one.title for one in headings if one.level == 1]
        if len(highest) != 1 and fallback.strip():
            highest = [fallback]
        elif not highest and headings and headings[0].start == 0:
            highest = [headings[0].title]
        title = " ".join((title.strip() or "".join(highest[:1])).split())
        if headings and headings[0].start == 0 and headings[0].title.casefold() == title.casefold():
            after = len(headings[0].title)
            after += len(text[after:]) - len(text[after:].lstrip("\n"))
            text = text[after:]
            headings = [dataclasses.replace(one, start=max(0, one.start - after)) for one in headings[1:]]
        return Page(title, text, tuple(headings))

    def _append(self, text: str) -> None:
        if self._length:
            self._parts.append(self._gap)
            self._length += len(self._gap)
        if self._resumed is not None:
            self._headings.append(dataclasses.replace(self._resumed, start=self._length))
            self._resumed = None
        self._gap = ""
        self._is_below = False
        self._parts.append(text)
        self._length += len(text)

    def _widen(self, gap: str) -> None:
        if self._is_below:
            return
        if self._cells:
            gap = gap and " "
        if len(gap) > len(self._gap) or (gap.startswith("\n") and not self._gap.startswith("\n")):
            self._gap = gap
