"""The lexical arm of a hybrid search: looks up the words of what is typed, in a thread of its own.

It begins when a text arrives, while the encoder steps, so that both arms are under way together. The search thread
meanwhile searches the vectors. It waits for the words until ``wait_ms`` after it has begun itself. A ranking that comes
later is left out of that answer; the index remembers what it looked up, so the next key has it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from typeahead.core.encoder import Vectors
from typeahead.search.fusion import Fused, Fusion, Ranking
from typeahead.search.hit import Hit

log = logging.getLogger(__name__)


class HybridIndex(Protocol):
    """What a hybrid search needs of an index."""

    def match(self, text: str, depth: int, scope: int) -> Ranking:
        """Return the ``depth`` best rows for the words of a text, with scores, best first. Any thread may call it.

        What is remembered of one scope must not make another's search faster.
        """

    def rank(self, queries: Vectors, k: int) -> Sequence[Ranking]:
        """Return the rows of the ``k`` best hits for each row of float32 (n, dim), with their scores, best first."""

    def hits(self, fused: Sequence[Sequence[Fused]]) -> Sequence[Sequence[Hit]]:
        """Return the hits of fused rankings."""


class ErrorLog(Protocol):
    """Where failures are written: a logger, or what limits one."""

    def exception(self, message: str, *values: object) -> None:
        """Write a message and the exception that is being handled."""


class LookUp:
    """The words of one text: where they are looked up for a query, and what that found.

    ``text`` and ``scope`` say what to look up. :attr:`ranking` is None until the arm's thread has set it.
    """

    __slots__ = ("ranking", "scope", "text")

    def __init__(self, text: str, scope: int) -> None:
        self.text = text
        self.scope = scope
        self.ranking: Ranking | None = None


class LexicalArm:
    """Looks words up, one text after the other. A look-up that nobody wants any more is dropped before it begins.

    A look-up that fails finds nothing, and is written to ``errors``.
    """

    def __init__(self, index: HybridIndex, fusion: Fusion, *, wait_ms: float, errors: ErrorLog = log) -> None:
        self.fusion = fusion
        self._index = index
        self._wait_seconds = wait_ms / 1000
        self._waiting: dict[LookUp, None] = {}
        #: Those that wait, and the one that is under way: what a search waits for.
        self._awaited: set[LookUp] = set()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._errors = errors
        #: Texts that were answered with their words, and texts whose words came too late.
        self.found = 0
        self.late = 0

    def start(self) -> None:
        """Start the thread."""
        # A daemon, as a look-up that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="typeahead-words", daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stop the thread after its present look-up, and wait for that at most ``timeout`` seconds."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)

    def ask(self, text: str, scope: int) -> LookUp:
        """Queue the look-up of a text's words."""
        words = LookUp(text, scope)
        with self._changed:
            self._waiting[words] = None
            self._awaited.add(words)
            self._changed.notify_all()
        return words

    def drop(self, words: LookUp) -> None:
        """Forget a look-up that nobody wants; a search that needed it waits for it no longer."""
        with self._changed:
            self._waiting.pop(words, None)
            if words in self._awaited:
                self._awaited.remove(words)
                self._changed.notify_all()

    def search(self, words: Sequence[LookUp], vectors: Vectors, k: int) -> Sequence[Sequence[Hit]]:
        """Find the ``k`` best hits of both arms: for each look-up, and the row of float32 (n, dim) that goes with it.

        The search thread calls it.
        """
        deadline = time.monotonic() + self._wait_seconds
        dense = self._index.rank(vectors, max(k, self.fusion.depth))
        rankings = self._rankings(words, deadline)
        return self._index.hits(
            [self.fusion.fuse(one, other or (), k) for one, other in zip(dense, rankings, strict=True)]
        )

    def _rankings(self, words: Sequence[LookUp], deadline: float) -> list[Ranking | None]:
        """Return the ranking of each look-up, None for one that is late or was dropped."""
        with self._changed:
            while not self._awaited.isdisjoint(words) and not self._stopped:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            found = [one.ranking for one in words]
            self.late += len(self._awaited.intersection(words))
        self.found += len(found) - found.count(None)
        return found

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopped:
                    self._changed.wait()
                if self._stopped:
                    return
                words = next(iter(self._waiting))
                del self._waiting[words]
            ranking: Ranking = ()
            try:
                ranking = self._index.match(words.text, self.fusion.depth, words.scope)
            except Exception:
                self._errors.exception("the words of a query could not be looked up")
            with self._changed:
                words.ranking = ranking
                self._awaited.discard(words)
                self._changed.notify_all()
