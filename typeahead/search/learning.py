"""Learns what an index holds: its words, by which texts are read, and what similarities and scores mean in it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from typeahead.core.prefixes import Scope
from typeahead.search.asking import Asker
from typeahead.search.calibration import calibrate
from typeahead.search.port import Backend, Request
from typeahead.search.scoring import Scale
from typeahead.search.vocabulary import Vocabulary

#: Texts that are encoded together where nobody is typing.
TOGETHER: Final = 64
#: Words of one text that are stepped at once where somebody is.
_AT_ONCE: Final = 6


async def learn(backend: Backend, asker: Asker, deadline: float, *, together: int = TOGETHER) -> Scale:
    """Teach ``asker`` the words of ``backend``, and return the scale of its scores.

    The event loop gets its turn whenever ``together`` texts were encoded. ``deadline`` is in seconds of
    :func:`time.monotonic`. Raises what the back end and the encoder raise.
    """
    await learn_words([backend], asker)

    async def ask(texts: Sequence[str]) -> Sequence[Request]:
        made: list[Request] = []
        scope = asker.engine.scope()
        for first in range(0, len(texts), together):
            if together == 1:
                await _step_beginnings(texts[first], asker, scope)
            made += asker.ask(texts[first : first + together], 1, scope=scope)
            await asyncio.sleep(0)
        return made

    return await calibrate(backend, ask, deadline)


async def _step_beginnings(text: str, asker: Asker, scope: Scope) -> None:
    """Step a text a few words at a time: all at once, 24 words take 9 ms of the encoder minilm-causal."""
    words = text.split()
    for end in range(_AT_ONCE, len(words), _AT_ONCE):
        asker.engine.session(max_chars=len(text), scope=scope).update(" ".join(words[:end]))
        await asyncio.sleep(0)


async def learn_words(backends: Sequence[Backend], asker: Asker) -> None:
    """Teach ``asker`` the words of some back ends together, as far as they tell."""
    if not asker.reads:
        return
    counted = [await count() for backend in backends if (count := backend.capabilities.vocabulary) is not None]
    if counted:
        # A million words take seconds to sort.
        asker.learn(await asyncio.to_thread(_vocabulary, counted))


def _vocabulary(counted: Sequence[Mapping[str, int]]) -> Vocabulary:
    if len(counted) == 1:
        return Vocabulary.of(counted[0])
    counts: dict[str, int] = {}
    for one in counted:
        for form, number in one.items():
            counts[form] = counts.get(form, 0) + number
    return Vocabulary.of(counts)
