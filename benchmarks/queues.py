"""How long keys wait for servers when many people type: arrivals are drawn person by person, and pass through queues.

A worker is a core with one process that answers one key after the other. The real server searches for several keys at
once and leaves out a key that a newer one overtook, so it does better than this when it is busy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.typed import Trace

Seconds = NDArray[np.float64]

#: Nobody pauses within a query for longer than this many seconds, as in :mod:`benchmarks.crowds`.
_LONGEST_GAP: Final = 2.0
#: Nodes whose queues are drawn.
_DRAWN: Final = 16
#: A node gets at most this many times the average: ``hash-balance-factor 150``.
_MOST_SHARE: Final = 1.5


@dataclass(frozen=True)
class Query:
    """When a query's texts are sent, and how long typing takes, in seconds from its first key."""

    at: Seconds
    lasts: float


def by_key(traces: Sequence[Trace]) -> list[Query]:
    """Send every key of some traces."""
    return [Query(moments, float(moments[-1])) for moments in map(_moments, traces)]


def by_pause(traces: Sequence[Trace], pause: float) -> list[Query]:
    """Send a text whenever no key has come for ``pause`` seconds."""
    found = []
    for moments in map(_moments, traces):
        paused = np.append(np.diff(moments) > pause, True)
        found.append(Query(moments[paused] + pause, float(moments[-1])))
    return found


def _moments(trace: Trace) -> Seconds:
    at = np.maximum.accumulate([key.at / 1000 for key in trace])
    return np.concatenate(([0.0], np.cumsum(np.minimum(np.diff(at), _LONGEST_GAP))))


def rate(queries: Sequence[Query], reading: float) -> float:
    """Texts that one person sends in a second, who reads for ``reading`` seconds between queries."""
    return sum(len(query.at) for query in queries) / sum(query.lasts + reading for query in queries)


def arrivals(
    queries: Sequence[Query], people: int, seconds: float, reading: float, draw: np.random.Generator
) -> Seconds:
    """Draw the moments at which the texts of some people come, ascending, shape (n,).

    Each begins at a random moment and types queries drawn at random. They read from 0.2 to 1.8 of ``reading``.
    """
    found: list[Seconds] = []
    longest = max(query.lasts for query in queries) + 2 * reading
    for _ in range(people):
        now = -draw.uniform(0, longest)
        while now < seconds:
            query = queries[int(draw.integers(len(queries)))]
            found.append(now + query.at)
            now += query.lasts + reading * draw.uniform(0.2, 1.8)
    moments = np.concatenate(found) if found else np.empty(0)
    return np.sort(moments[(moments >= 0) & (moments < seconds)])


def responses(moments: Seconds, service: Seconds) -> Seconds:
    """From arrival to answer at one worker that serves in turn; all of shape (n,)."""
    if not len(moments):
        return np.empty(0)
    # Lindley's recursion: each waits for what the one before left, less the time since.
    steps = np.concatenate(([0.0], np.cumsum(service[:-1] - np.diff(moments))))
    waits: Seconds = steps - np.minimum.accumulate(steps)
    return waits + service


def spread(people: int, nodes: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """Draw how many people each node gets by the hash of their addresses, int64 (nodes,)."""
    counts = draw.multinomial(people, np.full(nodes, 1 / nodes))
    most = int(np.ceil(_MOST_SHARE * people / nodes))
    over = int(np.maximum(counts - most, 0).sum())
    counts = np.minimum(counts, most)
    while over:
        free = np.flatnonzero(counts < most)
        chosen = draw.choice(free, min(over, len(free)), replace=False)
        counts[chosen] += 1
        over -= len(chosen)
    return counts


@dataclass(frozen=True)
class Load:
    """What people send, what it costs a core, and the bound."""

    queries: Sequence[Query]
    #: Seconds of a core that single texts took, to draw from.
    service: Seconds
    reading: float
    #: Milliseconds within which 99% of the answers have to come.
    bound_ms: float
    #: Cores of a node, each with a process.
    cores: int = 1
    seconds: float = 60.0

    @property
    def busy(self) -> float:
        """Cores that one person keeps busy."""
        return rate(self.queries, self.reading) * float(self.service.mean())

    def p99_ms(self, typing: int, nodes: int, draw: np.random.Generator, *, fullest: bool = False) -> float:
        """The 99th percentile of all answers, or of those of the fullest node alone, in milliseconds.

        Where there are many nodes, some are drawn; few are drawn several times.
        """
        found: list[Seconds] = []
        drawn = 0
        while drawn < _DRAWN:
            counts = spread(typing, nodes, draw)
            if fullest:
                counts = counts.max(keepdims=True)
            elif nodes > _DRAWN:
                counts = draw.choice(counts, _DRAWN, replace=False)
            drawn += len(counts)
            for at_node in counts.tolist():
                found += self._answers(at_node, draw)
        every = np.concatenate(found)
        return 1000 * float(np.percentile(every, 99)) if len(every) else 0.0

    def _answers(self, people: int, draw: np.random.Generator) -> Iterator[Seconds]:
        """How long the answers of each process of a node take."""
        # The system deals a node's connections out among its processes.
        for share in draw.multinomial(people, np.full(self.cores, 1 / self.cores)).tolist():
            moments = arrivals(self.queries, share, self.seconds, self.reading, draw)
            yield responses(moments, draw.choice(self.service, len(moments)))

    def nodes_for(self, typing: int, draw: np.random.Generator) -> int:
        """The fewest nodes that keep the bound, within 2%.

        Raises :class:`ValueError` if no number of them keeps it, because single texts take too long.
        """
        if 1000 * float(np.percentile(self.service, 99)) > self.bound_ms:
            raise ValueError("the bound is below the time that single texts take")
        least = max(int(typing * self.busy / self.cores), 1)
        return fewest(lambda nodes: self.p99_ms(typing, nodes, draw) <= self.bound_ms, least)

    def people_a_node(self, draw: np.random.Generator) -> int:
        """How many people one node bears."""
        most = max(int(self.cores / self.busy), 1)
        return max(most - fewest(lambda less: self.p99_ms(most - less, 1, draw) <= self.bound_ms, 0, most - 1), 1)


def fewest(enough: Callable[[int], bool], least: int, most: int | None = None) -> int:
    """Return the lowest number from ``least`` on that is enough, within 2%; ``most`` counts as enough."""
    low, width = least - 1, 1
    while (most is None or low + width < most) and not enough(low + width):
        low, width = low + width, 2 * width
    high = low + width if most is None else min(low + width, most)
    while high - low > max(1, high // 50):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
