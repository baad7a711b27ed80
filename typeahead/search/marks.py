"""Marks a query's words in the text that is sent of a hit, as spans of code points, so that a page only has to draw.

:mod:`typeahead.search.sought` says which words are looked for and what they match.
:mod:`typeahead.search.snippets` chooses the part of a passage in which words are marked here.

This runs for each hit of each keystroke. Texts beyond ASCII are folded character by character, which is slow, and
remembered, because the same documents come again with the next key. Each scope (:mod:`typeahead.core.prefixes`)
remembers for itself. ``python -m benchmarks.marks`` measures both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from typeahead.search.sought import MAX_SPANS, Spans, folds, is_plain, places, remembered, sought, squeezed


class Marker:
    """The words of one query, ready to be marked in many texts. Only its ``scope`` shares what it remembers of them.

    ``also`` are further words to mark, such as the corrected form of a misspelt one. ``weights`` are by folded word;
    they matter to snippets only.
    """

    __slots__ = ("_scope", "words")

    def __init__(
        self, query: str, scope: int = 0, also: Iterable[str] = (), weights: Mapping[str, float] | None = None
    ) -> None:
        #: What is looked for.
        self.words = sought(query, also, weights)
        self._scope = scope

    def spans(self, text: str) -> Spans:
        """Return where the words stand in ``text``: ``(start, end)`` in code points, in order, never touching."""
        if not self.words or not text:
            return []
        if is_plain(text):
            return join(self._find(text.lower(), text))
        folded, origins = remembered(text, self._scope)
        if origins is None:
            return join(self._find(folded, text))
        return join([_back(span, text, origins) for span in join(self._find(folded, None))])

    def _find(self, folded: str, text: str | None) -> Spans:
        """Return where the words stand in a folded text, in any order."""
        bare = squeezed(folded)
        found: Spans = []
        for word in self.words:
            if len(found) >= MAX_SPANS:
                break
            found += places(word, folded, bare, text, MAX_SPANS - len(found))
        return found


def _back(span: tuple[int, int], text: str, origins: Sequence[int]) -> tuple[int, int]:
    """Turn a span of a folded text into one of the text, with the accents that follow its last letter."""
    start, end = origins[span[0]], origins[span[1] - 1] + 1
    while end < len(text) and not folds[text[end]]:
        end += 1
    return start, end


def join(spans: Spans) -> Spans:
    """Put spans in order, and make one of those that touch or overlap."""
    if len(spans) < 2:
        return spans
    spans.sort()
    joined = [spans[0]]
    for start, end in spans[1:]:
        if start > joined[-1][1]:
            joined.append((start, end))
        elif end > joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
    return joined
