"""Measures what similarities and scores mean in one index, for one encoder.

Two kinds of text are searched for: strings of consonants, which mean nothing, and the beginnings of the index's own
passages. The best similarity that the first reach counts nothing, and the one that the second reach counts in full: so
encoders whose similarities all lie close together weigh as much beside words as others do. The best scores of strings
without meaning give the threshold below which a reply is weak.

It uses the back end as every query does, so it works for all of them. The strings are the same every time.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from typeahead.search.port import Backend, Key, Request
from typeahead.search.ranking import find
from typeahead.search.scoring import UNCALIBRATED, Scale

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

    ``deadline`` is in seconds of :func:`time.monotonic`. Raises what :func:`~typeahead.search.ranking.find` raises.
    """
    if not backend.count:
        return UNCALIBRATED
    strings = await requests(meaningless(_STRINGS))
    similarities, keys = await _nearest(backend, strings, deadline)
    low = float(np.median(similarities)) if similarities else 0.0
    documents = await backend.fetch(list(dict.fromkeys(key.document for key in keys))[:_PASSAGES], deadline)
    beginnings = [" ".join(document.passage.split()[:_WORDS]) for document in documents.values()]
    similarities, _ = await _nearest(backend, await requests(beginnings), deadline)
    high = float(np.median(similarities)) if similarities else 1.0
    scale = Scale(low, max(high, low + _LEAST))
    best = []
    for some in _batches(strings):
        found = await find(backend, some, deadline, scale)
        best += [one.hits[0].score for one in found if one.hits]
    return replace(scale, weak=float(np.quantile(best, _WEAK)) if best else 0.0)


def meaningless(count: int) -> list[str]:
    """Strings of one or two words of 4 to 9 consonants, the same every time."""
    draw = random.Random(count)
    return [
        " ".join("".join(draw.choices(_CONSONANTS, k=draw.randint(4, 9))) for _ in range(draw.randint(1, 2)))
        for _ in range(count)
    ]


async def _nearest(backend: Backend, requests: Sequence[Request], deadline: float) -> tuple[list[float], list[Key]]:
    """The similarity and the key of the nearest passage to each request that has one."""
    similarities: list[float] = []
    keys: list[Key] = []
    for some in _batches([replace(one, words=None, k=1) for one in requests if one.vector is not None]):
        for found in await backend.candidates(some, deadline):
            if len(found.keys):
                nearest = int(np.nanargmax(found.similarities))
                similarities.append(float(found.similarities[nearest]))
                keys.append(found.keys[nearest])
    return similarities, keys


def _batches(requests: Sequence[Request]) -> Iterator[Sequence[Request]]:
    return (requests[first : first + _TOGETHER] for first in range(0, len(requests), _TOGETHER))
