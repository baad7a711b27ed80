"""The fallback: a transformer that encodes what the incremental encoder should not, in a thread of its own.

It takes whole texts, one at a time, so a text's vector depends on no other text, and no keystroke of the event loop
waits for it. Three kinds of text are for it: those that are longer than the encoder was trained on, those that came at
once where the best answer is wanted, and those at which the encoder failed.

It has room for a bounded number of the first two. The rest is left to the encoder, so overload costs quality before it
costs answers. Texts of the third kind have no other place, so it always takes them; like searches, they are bounded by
the sessions and their pending replies.

A text has one encoder and one answer. Which encoder that is, is decided when the text arrives and never when it is
shown, so nothing that somebody reads is replaced by something better.

:mod:`typeahead.server.typing.stepper` gives it what is typed and searched, and :mod:`typeahead.server.http.embedder`
applies the same rules to embeddings over HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from itertools import takewhile
from operator import eq
from typing import Final

from typeahead.core.encoder import Encoder, IncrementalEncoder, Vectors
from typeahead.core.states import check_vectors
from typeahead.logs import LimitedLog
from typeahead.models.config import ModelConfig
from typeahead.models.teacher import same_teacher
from typeahead.server.config import ConfigError, ServerConfig
from typeahead.server.observe.metrics import Reason, ServerMetrics
from typeahead.server.typing.query import Query, State

log = logging.getLogger(__name__)

#: Tokens that an encoder is taken to be trained on, as in the students' recipes, where its configuration does not say
#: so in ``shape.trained_tokens``.
TRAINED_TOKENS: Final = 96

#: Code points that nobody types in one keystroke, even in scripts without spaces.
AT_ONCE_CHARS: Final = 16

#: Seconds in which all failures together get one line in the log.
_LOG_SECONDS: Final = 60.0


def came_at_once(before: str, after: str) -> bool:
    """Whether a change put in two words or more, or :data:`AT_ONCE_CHARS` code points: a paste, not a keystroke."""
    start = _common(before, after)
    end = _common(before[: start - 1 if start else None : -1], after[: start - 1 if start else None : -1])
    inserted = after[start : len(after) - end]
    return len(inserted) >= AT_ONCE_CHARS or len(inserted.split()) > 1


def _common(a: str, b: str) -> int:
    """How many code points two texts begin with alike."""
    return sum(takewhile(bool, map(eq, a, b)))


def check_fallback(encoder: ModelConfig, fallback: ModelConfig) -> None:
    """Raise :class:`~typeahead.server.config.ConfigError` for a fallback that cannot stand in for ``encoder``."""
    if fallback.name == encoder.name:
        raise ConfigError("fallback", f"is {fallback.name}, as the encoder is: replies tell them apart by their names")
    if fallback.family != "transformer":
        raise ConfigError("fallback", f"{fallback.name} is of family {fallback.family!r}: give a transformer")
    ours, theirs = encoder.teacher, fallback.teacher
    if not same_teacher(ours, theirs):
        raise ConfigError(
            "fallback",
            f"{fallback.name} answers in the space of {theirs.name!r} ({theirs.revision[:12]}), {encoder.name} in that "
            f"of {ours.name!r} ({ours.revision[:12]}): give a model of the same teacher",
        )
    if (encoder.dim, encoder.similarity) != (fallback.dim, fallback.similarity):
        raise ConfigError(
            "fallback",
            f"{fallback.name} has {fallback.dim} dimensions compared by {fallback.similarity}, {encoder.name} "
            f"{encoder.dim} by {encoder.similarity}: give a model of the same space",
        )


class Fallback:
    """A transformer's queue and thread, and the rules that say which texts are for it.

    Belongs to one event loop, like the pipeline. ``encoder`` encodes what is typed; ``clock`` tells nanoseconds. Raises
    :class:`~typeahead.server.config.ConfigError` for a ``model`` that cannot stand in for the encoder.
    """

    def __init__(
        self,
        model: Encoder,
        encoder: IncrementalEncoder,
        config: ServerConfig,
        metrics: ServerMetrics,
        *,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        check_fallback(encoder.config, model.config)
        self.model = model
        self.metrics = metrics
        self.name = model.config.name
        #: How many texts it takes at a time, not counting those at which the encoder failed.
        self.room = config.fallback_queue
        #: Tokens of the longest text that is left to the encoder.
        self.most_tokens = config.fallback_tokens or encoder.config.shape.get("trained_tokens", TRAINED_TOKENS)
        self._clock = clock
        self._log = LimitedLog(log, seconds=_LOG_SECONDS, clock=lambda: clock() * 1e-9)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._answered: Callable[[Query, Reason, bool], None] | None = None
        #: What somebody waits for, with the reason and the time: in the queue, in the thread, or on the way back.
        self._taken: dict[Query, tuple[Reason, int]] = {}
        self._queue: dict[Query, None] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def __contains__(self, query: Query) -> bool:
        return query in self._taken

    def start(self, answered: Callable[[Query, Reason, bool], None]) -> None:
        """Start the thread. ``answered`` is called on the running event loop, with whether the text was encoded."""
        self._loop = asyncio.get_running_loop()
        self._answered = answered
        self._thread = threading.Thread(target=self._run, name="typeahead-fallback", daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stop the thread, after the text that it is busy with."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout)

    def wants(self, tokens: int, *, best: bool) -> Reason | None:
        """Return why a text of so many tokens is for the fallback, None if it is the encoder's.

        ``best`` says that the best answer is wanted for it.
        """
        if not tokens:
            return None
        if best:
            return Reason.QUALITY
        return Reason.LONG if tokens > self.most_tokens else None

    def take(self, query: Query, reason: Reason) -> bool:
        """Queue a query's text and return True, unless the fallback failed at it before or has no room for it.

        There is always room for a text at which the encoder failed.
        """
        if query.state is State.LEFT:
            return False
        if reason is not Reason.FAILED and len(self._taken) >= self.room:
            self.metrics.fallback[reason, "shed"].add()
            return False
        self._taken[query] = reason, self._clock()
        with self._changed:
            self._queue[query] = None
            self._changed.notify()
        return True

    def drop(self, query: Query) -> None:
        """Forget a query that nobody wants; if the thread is busy with it, it goes on in vain."""
        taken = self._taken.pop(query, None)
        if taken is None:
            return
        self.metrics.fallback[taken[0], "dropped"].add()
        with self._changed:
            self._queue.pop(query, None)

    def log_failure(self, name: str, error: Exception) -> None:
        """Write at most one line a minute. It leaves out the error's message, which may quote the text."""
        self._log.error("%s failed (%s): see typeahead_fallback_texts_total for how often", name, type(error).__name__)

    def _run(self) -> None:
        assert self._loop is not None
        while (query := self._next()) is not None:
            started_ns = self._clock()
            result: Vectors | Exception
            try:
                result = self._encode(query.text)
            except Exception as error:
                result = error
            try:
                self._loop.call_soon_threadsafe(self._encoded, query, result, self._clock() - started_ns)
            except RuntimeError:  # the loop was closed meanwhile
                return

    def _encode(self, text: str) -> Vectors:
        vector: Vectors = self.model.encode([text])[0]
        check_vectors(vector)
        return vector

    def _next(self) -> Query | None:
        """Wait for a query and take it; None when it is time to stop."""
        with self._changed:
            while not self._queue and not self._stopped:
                self._changed.wait()
            if self._stopped:
                return None
            query = next(iter(self._queue))
            del self._queue[query]
            return query

    def _encoded(self, query: Query, result: Vectors | Exception, spent_ns: int) -> None:
        taken = self._taken.pop(query, None)
        if taken is None:  # dropped meanwhile
            return
        assert self._answered is not None
        reason, since_ns = taken
        if isinstance(result, Exception):
            self.metrics.fallback[reason, "error"].add()
            self.log_failure(self.name, result)
        else:
            self.metrics.fallback[reason, "served"].add()
            self.metrics.fallback_wait.observe((self._clock() - since_ns) * 1e-9)
            query.stepped(result, encoder=self.name, step_ns=spent_ns)
        self._answered(query, reason, not isinstance(result, Exception))
