"""Measures what similarities and scores mean in one index, for one encoder.

Two kinds of text are searched for: strings of consonants, which mean nothing, and the beginnings of the index's own
passages. The best similarity that the first reach counts nothing, and the one that the second reach counts in full: so
encoders whose similarities all lie close together weigh as much beside words as others do. The best scores of strings
without meaning give the threshold below which a reply is weak.

It uses the back end as every query does, so it works for all of them. The strings are the same every time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from typeahead.search.port import Backend, Candidates, Request
from typeahead.search.ranking import DEPTH
from typeahead.search.scoring import UNCALIBRATED, Scale, score

#: Texts of either kind. More of them change the threshold by less than its own spread and make a start slower.
_STRINGS: Final = 128
_PASSAGES: Final = 48
#: Words of a passage that are typed.
_WORDS: Final = 24
_CONSONANTS: Final = "bcdfghjklmnpqrstvwxz"
#: The part of the strings without meaning whose replies are weak.
_WEAK: Final = 0.95
#: At least this far apart: an index of a few passages may have none that is like its own words.
_LEAST: Final = 0.05

#: Texts that are searched for together: those of people wait no longer than for as many others.
_TOGETHER: Final = 8

#: Makes the request of each text, as a key does.
Requests = Callable[[Sequence[str]], Awaitable[Sequence[Request]]]


async def calibrate(backend: Backend, requests: Requests, deadline: float) -> Scale:
    """Measure the scale of ``backend`` for the encoder and the reading behind ``requests``.

    ``deadline`` is in seconds of :func:`time.monotonic`. Raises what the back end raises.
    """
    if not backend.count:
        return UNCALIBRATED
    strings = await _candidates(backend, await requests(meaningless(_STRINGS)), DEPTH, deadline)
    nearest = [found for found in strings if not np.isnan(found.similarities).all()]
    low = float(np.median([np.nanmax(found.similarities) for found in nearest])) if nearest else 0.0
    keys = [found.keys[int(np.nanargmax(found.similarities))] for found in nearest]
    documents = await backend.fetch(list(dict.fromkeys(keys))[:_PASSAGES], deadline)
    beginnings = [" ".join(document.passage.split()[:_WORDS]) for document in documents.values()]
    own = [replace(one, words=None) for one in await requests(beginnings) if one.vector is not None]
    best = [found.similarities.max() for found in await _candidates(backend, own, 1, deadline) if len(found.keys)]
    high = float(np.median(best)) if best else 1.0
    scale = Scale(low, max(high, low + _LEAST))
    # The same candidates as before, since a scale changes no evidence.
    scores = []
    for number, found in enumerate(strings):
        if len(found.keys):
            scores.append(scale.unit(float(score(found, backend.count, scale).max())))
        if number % _TOGETHER == 0:
            await asyncio.sleep(0)
    return replace(scale, weak=float(np.quantile(scores, _WEAK)) if scores else 0.0)


def meaningless(count: int) -> list[str]:
    """Strings of one or two words of 4 to 9 consonants, the same every time."""
    draw = random.Random(count)
    return [
        " ".join("".join(draw.choices(_CONSONANTS, k=draw.randint(4, 9))) for _ in range(draw.randint(1, 2)))
        for _ in range(count)
    ]


async def _candidates(backend: Backend, requests: Sequence[Request], k: int, deadline: float) -> list[Candidates]:
    """The candidates of each request, ``k`` of each arm. A few requests at a time, so people are served in between."""
    found: list[Candidates] = []
    for first in range(0, len(requests), _TOGETHER):
        some = [replace(one, k=k) for one in requests[first : first + _TOGETHER]]
        found += await backend.candidates(some, deadline)
    return found
