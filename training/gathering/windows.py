"""Cuts long texts into windows that a student reads whole: at ends of sentences where that is possible.

:mod:`typeahead.text.dividing` chooses the places. Here are texts in batches, and a bound on the windows of one text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.gathering.cleaning import clean
from training.gathering.tokens import Counter
from typeahead.text.dividing import Divider
from typeahead.text.document import Document

#: Windows of one text. A book should not outweigh a thousand pages.
MOST_WINDOWS = 100
#: No window has more code points for each token of the limit.
_CHARACTERS = 16

UNKNOWN = "nothing that the vocabulary knows"


@dataclass
class Windows:
    """Cuts texts, and counts what it does."""

    count: Counter
    limit: int
    #: Texts that were cut, and the windows that they gave.
    cut: int = 0
    windows: int = 0
    #: Texts of which the windows beyond the first :data:`MOST_WINDOWS` are left out.
    shortened: int = 0
    #: Parts of texts that are no window: tokens that the vocabulary does not have, or a character of too many tokens.
    unusable: int = 0

    def __post_init__(self) -> None:
        self._divider = Divider(self.count, self.limit)

    def of(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the windows of each text, clean, each with 1 to ``limit`` tokens. A short text is its only window.

        Without their white space the windows of a text, one after the other, are the text. Only three things are left
        out: windows beyond :data:`MOST_WINDOWS`, parts without a token that the vocabulary has, and characters that
        are more than ``limit`` tokens each.
        """
        whole = [clean(text) for text in texts]
        longest = self.limit * _CHARACTERS
        near = [row for row, text in enumerate(whole) if not self.fits(text) and len(text) <= longest]
        counts = dict(zip(near, self.count.known([whole[row] for row in near]), strict=True))
        found = []
        for row, text in enumerate(whole):
            tokens = 1 if self.fits(text) else counts.get(row, self.limit + 1)
            if tokens <= self.limit:
                found.append([text] if tokens and text else [])
            else:
                found.append(self._cut(texts[row]))
        return found

    def fits(self, text: str) -> bool:
        """Whether a text is so short that it fits without being tokenised: a token takes a byte or more."""
        return text.isascii() and len(text) < self.limit and len(text) <= 100

    def _cut(self, text: str) -> list[str]:
        # No window is longer, so what follows belongs to windows that are left out.
        kept = text[: MOST_WINDOWS * self.limit * _CHARACTERS]
        windows = self._windows(kept)
        if len(kept) < len(text) or len(windows) > MOST_WINDOWS:
            self.shortened += 1
            windows = windows[:MOST_WINDOWS]
        self.cut += 1
        self.windows += len(windows)
        return windows

    def _windows(self, text: str) -> list[str]:
        parts = [clean(passage.text) for passage in self._divider.divide(Document("", "", text))]
        found = []
        for part, tokens in zip(parts, self.count.known(parts), strict=True):
            if 0 < tokens <= self.limit:
                found.append(part)
            # Without the white space round it, a text may have other tokens, and more.
            elif tokens > self.limit and len(part) > 1 and part != text:
                found += self._windows(part)
            elif part:
                self.unusable += 1
        return found
