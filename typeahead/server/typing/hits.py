"""Writes the hits of a query as the JSON array that a reply holds: titles and passages cut to fit, words marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from typeahead.search.marks import Marker
from typeahead.search.ranking import Hit
from typeahead.search.snippets import snippet, telling_words

#: Code points of a title, and of an address. A longer address is left out, as half of one leads nowhere.
MAX_TITLE: Final = 300
MAX_URL: Final = 2048


class HitWriter:
    """Writes hits whose passages are cut to ``snippet_chars`` code points. Any thread may use it."""

    def __init__(self, snippet_chars: int) -> None:
        self._snippet_chars = snippet_chars

    def write(self, hits: Sequence[Hit], text: str, scope: int = 0) -> bytes:
        """Write the hits of a query's ``text`` as a JSON array; what it remembers is for its ``scope`` alone."""
        words, marker = telling_words(text), Marker(text, scope)
        written = []
        for hit in hits:
            title, passage = _cut(hit.title, MAX_TITLE), snippet(hit.text, words, self._snippet_chars)
            fields: dict[str, Any] = {
                "id": hit.id,
                "score": round(float(hit.score), 6),
                "title": title,
                "text": passage,
                "url": hit.url if len(hit.url) <= MAX_URL else "",
                "marks": {"title": marker.spans(title), "text": marker.spans(passage)},
            }
            if hit.arms:
                fields["arms"] = hit.arms
            written.append(fields)
        return orjson.dumps(written)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
