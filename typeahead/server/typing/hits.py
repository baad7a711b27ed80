"""Writes the hits of a query as the JSON array that a reply holds: titles and passages cut to fit, words marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from typeahead.search.marks import Marker, join
from typeahead.search.ranking import Hit
from typeahead.search.snippets import snippet_and_places

#: Code points of a title, and of an address. A longer address is left out, as half of one leads nowhere.
MAX_TITLE: Final = 300
MAX_URL: Final = 2048


class HitWriter:
    """Writes hits whose passages are cut to ``snippet_chars`` code points. Any thread may use it."""

    def __init__(self, snippet_chars: int) -> None:
        self._snippet_chars = snippet_chars

    def write(
        self,
        hits: Sequence[Hit],
        text: str,
        scope: int = 0,
        *,
        min_score: float = 0.0,
        also: Iterable[str] = (),
        weights: Mapping[str, float] | None = None,
    ) -> bytes:
        """Write the hits of a query's ``text`` as a JSON array.

        A ``min_score`` above 0 leaves out those that score less. What this remembers is for its ``scope`` alone.
        ``also`` are words to mark beside those of the text; ``weights`` tell by folded word how much it counts in the
        choice of a snippet (:mod:`typeahead.search.sought`).
        """
        marker = Marker(text, scope, also, weights)
        words, length = marker.words, self._snippet_chars
        written = []
        for hit in hits:
            score = round(float(hit.score), 6)
            # Without a minimum, negative scores are hits too.
            if min_score > 0 and score < min_score:
                continue
            title = _cut(hit.title, MAX_TITLE)
            passage, stands = snippet_and_places(hit.text, words, length, scope)
            spans = marker.spans(passage) if stands is None else join(stands)
            fields: dict[str, Any] = {
                "id": hit.id,
                "score": score,
                "title": title,
                "text": passage,
                "url": hit.url if len(hit.url) <= MAX_URL else "",
                "marks": {"title": marker.spans(title), "text": spans},
            }
            if hit.arms:
                fields["arms"] = hit.arms
            if hit.index_name:
                fields["index"] = hit.index_name
            if hit.fields:
                fields["fields"] = dict(hit.fields)
            if hit.copies > 1:
                fields["copies"] = hit.copies
            written.append(fields)
        return orjson.dumps(written)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
