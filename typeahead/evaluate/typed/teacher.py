"""The teacher as a peer: it encodes the whole text at every key, or only when the typing pauses.

*At every key* the screen is that of the whole text so far. Encoding and searching are timed, nothing else is.

*Debounced*, the box encodes a text only when no key comes for 150 ms, and goes on showing the results of the last text
that it encoded. The gaps between keys are recorded ones: one recorded person is drawn for each text, and consecutive
gaps of theirs from a random place on (:meth:`~typeahead.evaluate.measures.typists.Gaps.draw`). Each character of the
text has a gap after it, the last one too. The screen at the key is what stands there when the last gap ends: the
results of the longest beginning of the text that is followed by a gap of at least 150 ms, or nothing if no gap was as
long. Encoding itself takes no time here. At Enter the box encodes the whole text at once. Each text is drawn once, from
the seed and the text itself. A debounced box has no times: they are the teacher's and the waiting.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from typeahead.evaluate.measures.typists import DEBOUNCE_MS, Gaps, VisibleSearch, answered
from typeahead.evaluate.text_encoder import TextEncoder
from typeahead.evaluate.typed.boxes import Screen
from typeahead.evaluate.vectors.passages import PassageVectors

#: Screens that are kept, because most texts are typed at every key and debounced.
_REMEMBERED = 100_000


class TeacherBox:
    """An encoder of whole texts over the vectors that it made of the documents."""

    def __init__(self, encoder: TextEncoder, passages: PassageVectors, *, threads: int | None = None) -> None:
        self._encoder = encoder
        self._passages = passages
        self._search = VisibleSearch(passages, threads=threads)
        self._last = Screen()
        self.screen = lru_cache(_REMEMBERED)(self._screen)
        self.facts: Mapping[str, Any] = {"typing": "each text encoded from nothing, at every key"}

    def key(self, text: str) -> Screen:
        """Encode and search the whole text."""
        self._last = self.screen(text)
        return self._last

    def enter(self) -> Screen:
        """The screen of the last key: the text is the same."""
        return Screen(self._last.ids)

    def _screen(self, text: str) -> Screen:
        if not text.strip():
            return Screen()
        start = time.perf_counter()
        rows = self._search.top(np.asarray(self._encoder.encode([text]), np.float32))[0]
        took = 1000 * (time.perf_counter() - start)
        return Screen(self._passages.ids_of(rows[rows >= 0]), milliseconds=took)


class DebouncedBox:
    """A :class:`TeacherBox` that answers only when the typing pauses."""

    def __init__(self, teacher: TeacherBox, gaps: Gaps, *, seed: int, wait_ms: float = DEBOUNCE_MS) -> None:
        self._teacher = teacher
        self._gaps = gaps
        self._seed = seed
        self._wait_ms = wait_ms
        self._text = ""
        self.facts: Mapping[str, Any] = {
            "typing": f"each text encoded once no key came for {wait_ms:g} ms, and at Enter",
            "recorded_people": len(gaps.traces),
            "seed": seed,
        }

    def key(self, text: str) -> Screen:
        """What stands there when the gap after the last key ends."""
        self._text = text
        chance = np.random.default_rng([self._seed, *text.encode()])
        last = int(answered(self._gaps.draw(chance, len(text)), self._wait_ms)[-1])
        return Screen(self._teacher.screen(text[: last + 1]).ids)

    def enter(self) -> Screen:
        """The screen of the whole text."""
        return Screen(self._teacher.screen(self._text).ids)
