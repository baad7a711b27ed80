"""The systems that type in the prefix benchmark, and the results that each shows after each key.

:mod:`~typeahead.evaluate.measures.prefixes` defines keystroke, visible results and debounce, and scores the results. An
incremental encoder types through a real :class:`~typeahead.core.session.Session`, the code that serves. An encoder of
whole texts gets each prefix. A debounced system keeps showing older results while keys follow fast. The lexical arm
reads each prefix as a server does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import IncrementalEncoder, Vectors
from typeahead.core.engine import Engine
from typeahead.core.session import Session
from typeahead.errors import SourceError
from typeahead.evaluate.data.traces import read_traces
from typeahead.evaluate.measures.latency import ENTER_AFTER_MS
from typeahead.evaluate.measures.lexical import WordSearch
from typeahead.evaluate.measures.prefixes import DEPTH, NOTHING, Screens, Typist
from typeahead.evaluate.text_encoder import TextEncoder
from typeahead.evaluate.vectors.passages import PassageVectors
from typeahead.evaluate.vectors.search import Backend, search
from typeahead.progress import OnProgress
from typeahead.search.asking import Asker
from typeahead.search.reading import CONTINUATIONS, Vocabulary

#: Milliseconds without a key after which a debounced system encodes.
DEBOUNCE_MS = 150.0
#: How often a debounced system types each query.
DEBOUNCE_DRAWS = 20
#: Distinct texts that an encoder is given at once.
_ENCODE_BATCH = 4096


class VisibleSearch:
    """The 10 passages of highest inner product, ties by passage id, descending, as trec_eval orders them."""

    def __init__(self, passages: PassageVectors, *, backend: Backend = "exact", threads: int | None = None) -> None:
        self._passages = passages
        self._backend = backend
        self._threads = threads

    def top(self, vectors: Vectors, progress: OnProgress | None = None) -> NDArray[np.int64]:
        """Rows int64 (n, 10) for ``vectors`` float32 (n, dim), filled up with ``NOTHING``; none for a zero vector.

        Raises what :func:`~typeahead.evaluate.vectors.search.search` raises.
        """
        found = np.full((len(vectors), DEPTH), NOTHING, np.int64)
        pending = np.flatnonzero(vectors.any(1)) if len(vectors) else np.zeros(0, np.intp)
        depth = 2 * DEPTH
        while len(pending):
            rows, scores = search(
                vectors[pending], self._passages, depth, backend=self._backend, threads=self._threads, progress=progress
            )
            found[pending] = rows[:, :DEPTH]
            # If the 10th ties with the last one found, others beyond it may tie as well and have larger ids.
            open_ended = (scores[:, DEPTH - 1] == scores[:, -1]) & (rows[:, -1] != NOTHING)
            tied = (scores[:, :DEPTH] == scores[:, 1 : DEPTH + 1]) & (rows[:, 1 : DEPTH + 1] != NOTHING)
            for at in np.flatnonzero(tied.any(1) & ~open_ended):
                kept = rows[at][rows[at] != NOTHING]
                ids = self._passages.ids_of(kept)
                order = sorted(range(len(kept)), key=lambda place: (scores[at, place], ids[place]), reverse=True)
                found[pending[at], : len(order[:DEPTH])] = kept[order[:DEPTH]]
            pending = pending[open_ended]
            depth *= 4
        return found


class SessionTypist:
    """An incremental encoder behind a typing session, as the server runs it; every key is answered.

    With ``ahead``, the search is for the encoder's guess of the finished text, if the encoder makes one. With a
    ``vocabulary``, the search is for what the text may become by these words (:mod:`typeahead.search.seeking`).
    """

    draws = 1

    def __init__(
        self,
        name: str,
        encoder: IncrementalEncoder,
        search: VisibleSearch,
        *,
        ahead: bool = False,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        self.name = name
        self._engine = Engine(encoder)
        self._search = search
        self._ahead = ahead
        self._asker: Asker | None = None
        if vocabulary is not None:
            self._asker = Asker(self._engine, words=False)
            self._asker.learn(vocabulary)

    @property
    def facts(self) -> Mapping[str, Any]:
        """How it types."""
        typing = "each key through a session"
        if self._asker is not None:
            typing += f", its last word also taken for up to {CONTINUATIONS} words of the collection, as served"
        elif self._ahead and self._engine.looks_ahead:
            typing += ", searched for where the text is going"
        return {"typing": typing}

    def typed(self, queries: Sequence[str], progress: OnProgress | None = None) -> list[Screens]:
        """Type each query into a session of its own; see :class:`~typeahead.evaluate.measures.prefixes.Typist`."""
        vectors: list[Vectors] = []
        places = []
        for done, query in enumerate(queries, 1):
            session = self._engine.session(max_chars=len(query))
            place = np.full(len(query), NOTHING, np.int64)
            for at in range(len(query)):
                vector = self._sought(session, query[: at + 1])
                if vector is None or not query[: at + 1].strip():
                    continue
                # A key that leaves the tokens alone leaves the very same vector.
                if not vectors or vector is not vectors[-1]:
                    vectors.append(vector)
                place[at] = len(vectors) - 1
            places.append(place)
            if progress:
                progress(f"{self.name}: typing", done, len(queries))
        shape = (len(vectors), self._engine.encoder.dim)
        stacked = np.stack(vectors) if vectors else np.zeros(shape, np.float32)
        return _screens(places, self._search.top(stacked, progress))

    def _sought(self, session: Session, text: str) -> Vectors | None:
        if self._asker is None:
            session.update(text)
            return session.ahead if self._ahead else session.embedding
        session.set_text(text)
        return self._asker.advance([session], [self._asker.read(text)])[0]


class WholeTextTypist:
    """An encoder of whole texts that gets every distinct prefix once; every key is answered.

    It remembers its screens for the last queries, so a :class:`DebouncedTypist` on top encodes nothing again.
    """

    draws = 1

    def __init__(self, name: str, encoder: TextEncoder, search: VisibleSearch) -> None:
        self.name = name
        self._encoder = encoder
        self._search = search
        self._last: tuple[list[str], list[Screens]] | None = None

    @property
    def facts(self) -> Mapping[str, Any]:
        """How it types."""
        return {"typing": "each prefix encoded from nothing"}

    def typed(self, queries: Sequence[str], progress: OnProgress | None = None) -> list[Screens]:
        """Encode and search all prefixes; see :class:`~typeahead.evaluate.measures.prefixes.Typist`.

        Raises :class:`~typeahead.errors.SourceError` for vectors that are not finite, or not as many as the texts.
        """
        if self._last is None or self._last[0] != list(queries):
            self._last = list(queries), self._typed(queries, progress)
        return self._last[1]

    def _typed(self, queries: Sequence[str], progress: OnProgress | None) -> list[Screens]:
        known: dict[str, int] = {}
        places = []
        for query in queries:
            prefixes = (query[:end] for end in range(1, len(query) + 1))
            place = [known.setdefault(text, len(known)) if text.strip() else NOTHING for text in prefixes]
            places.append(np.array(place, np.int64))
        texts = list(known)
        found = np.full((len(texts), DEPTH), NOTHING, np.int64)
        for first in range(0, len(texts), _ENCODE_BATCH):
            part = texts[first : first + _ENCODE_BATCH]
            vectors = np.asarray(self._encoder.encode(part), np.float32)
            if vectors.ndim != 2 or len(vectors) != len(part):
                raise SourceError(f"{self.name} gave vectors of shape {vectors.shape} for {len(part)} texts")
            if not (finite := np.isfinite(vectors).all(1)).all():
                raise SourceError(f"{self.name} gave a vector that is not finite for {part[int(finite.argmin())]!r}")
            found[first : first + len(part)] = self._search.top(vectors)
            if progress:
                progress(f"{self.name}: prefixes", first + len(part), len(texts))
        return _screens(places, found)


class LexicalTypist:
    """The lexical arm alone: BM25 over words, read as a server reads them; every key is answered."""

    draws = 1

    def __init__(self, name: str, words: WordSearch) -> None:
        self.name = name
        self._words = words

    @property
    def facts(self) -> Mapping[str, Any]:
        """How it types."""
        return {
            "typing": "words, continuations and corrections joined by OR, ranked by Tantivy's BM25",
            "tantivy": version("tantivy"),
        }

    def typed(self, queries: Sequence[str], progress: OnProgress | None = None) -> list[Screens]:
        """Search all prefixes; see :class:`~typeahead.evaluate.measures.prefixes.Typist`."""
        screens = []
        for done, query in enumerate(queries, 1):
            shown = np.full((1, len(query), DEPTH), NOTHING, np.int64)
            for at in range(len(query)):
                rows = [row for row, _ in self._words.search(query[: at + 1], DEPTH)]
                shown[0, at, : len(rows)] = rows
            screens.append(shown)
            if progress:
                progress(f"{self.name}: typing", done, len(queries))
        return screens


@dataclass(frozen=True)
class Gaps:
    """Milliseconds between two keys that both added a character, one array for each recorded person's text."""

    traces: tuple[NDArray[np.float64], ...]

    @classmethod
    def read(cls, path: Path) -> Gaps:
        """Read them from recorded typing; see :mod:`~typeahead.evaluate.data.traces`.

        Raises :class:`~typeahead.errors.SourceError` for a line that is no trace, and for a file without a gap.
        """
        traces = []
        for trace in read_traces(path):
            lengths = [0, *(len(keystroke.text) for keystroke in trace)]
            grew = np.diff(lengths) > 0
            times = np.array([keystroke.at for keystroke in trace])
            gaps = np.diff(times)[grew[1:] & grew[:-1]]
            if (gaps < 0).any():
                raise SourceError("a key is pressed before the one before it", path=path)
            if len(gaps):
                traces.append(gaps)
        if not traces:
            raise SourceError("no two keys follow each other here", path=path)
        return cls(tuple(traces))

    def draw(self, random: np.random.Generator, count: int) -> NDArray[np.float64]:
        """``count`` consecutive gaps of one person, from a random place on, from the first again after the last."""
        trace = self.traces[random.integers(len(self.traces))]
        return np.take(trace, np.arange(count) + random.integers(len(trace)), mode="wrap")


class DebouncedTypist:
    """A system that answers only when no key came for ``wait_ms``, and shows older results until then.

    ``typist`` gives its answers, which take no time. Each call of :meth:`typed` draws the same gaps for a query's text,
    whatever the other queries are.
    """

    def __init__(
        self,
        name: str,
        typist: Typist,
        gaps: Gaps,
        *,
        wait_ms: float = DEBOUNCE_MS,
        draws: int = DEBOUNCE_DRAWS,
        seed: int = 0,
    ) -> None:
        self.name = name
        self.draws = draws
        self.wait_ms = wait_ms
        self.seed = seed
        self._typist = typist
        self._gaps = gaps

    @property
    def facts(self) -> Mapping[str, Any]:
        """How it types."""
        return {
            "typing": f"{self._typist.name}, once no key came for {self.wait_ms:g} ms",
            "wait_ms": self.wait_ms,
            "enter_after_ms": ENTER_AFTER_MS,
            "seed": self.seed,
            "recorded_people": len(self._gaps.traces),
            "recorded_gaps": sum(map(len, self._gaps.traces)),
        }

    def typed(self, queries: Sequence[str], progress: OnProgress | None = None) -> list[Screens]:
        """Type each query ``draws`` times; see :class:`~typeahead.evaluate.measures.prefixes.Typist`."""
        screens = []
        for query, shown in zip(queries, self._typist.typed(queries, progress), strict=True):
            random = np.random.default_rng([self.seed, *query.encode()])
            places = np.stack([answered(self._pauses(random, len(query)), self.wait_ms) for _ in range(self.draws)])
            # NOTHING, as a place, is the last one: an empty screen.
            padded = np.concatenate([shown[0], np.full((1, DEPTH), NOTHING, np.int64)])
            screens.append(padded[places])
        return screens

    def _pauses(self, random: np.random.Generator, keys: int) -> NDArray[np.float64]:
        """Milliseconds after each of ``keys`` keystrokes until the next one, and until Enter after the last."""
        return np.append(self._gaps.draw(random, keys - 1), ENTER_AFTER_MS)


def answered(pauses: NDArray[np.float64], wait_ms: float) -> NDArray[np.int64]:
    """The keystroke whose results are shown when each pause ends, from 0; ``NOTHING`` before the first answer.

    A keystroke is answered if the pause after it is at least ``wait_ms``.
    """
    places = np.where(pauses >= wait_ms, np.arange(len(pauses)), NOTHING)
    return np.maximum.accumulate(places)


def _screens(places: Sequence[NDArray[np.int64]], found: NDArray[np.int64]) -> list[Screens]:
    """Screens (1, n, 10) of each query from its keystrokes' places among distinct results (m, 10)."""
    # NOTHING, as a place, is the last one: an empty screen.
    padded = np.concatenate([found, np.full((1, DEPTH), NOTHING, np.int64)])
    return [padded[place][None] for place in places]
