"""When keys are due: at a constant rate, or with the gaps of people who really typed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.typed import Trace, typed_texts

Schedule = tuple[NDArray[np.int64], NDArray[np.int32]]


def constant(rate: float, seconds: float, connections: int, *, seed: int = 0) -> Schedule:
    """Moments in ns, int64 (n,), evenly spaced, and connections, int32 (n,), in turn in a random order."""
    count = int(rate * seconds)
    order = np.random.default_rng(seed).permutation(connections).astype(np.int32)
    return (np.arange(count) * (1e9 / rate)).astype(np.int64), order[np.arange(count) % connections]


def stages(phases: Sequence[tuple[float, float]], connections: int) -> Schedule:
    """Constant rates one after the other, as (rate, seconds)."""
    moments, people = [], []
    start = 0.0
    for rate, seconds in phases:
        due, who = constant(rate, seconds, connections)
        moments.append(due + int(start * 1e9))
        people.append(who)
        start += seconds
    return np.concatenate(moments), np.concatenate(people)


def human(
    traces: Sequence[Trace], people: int, seconds: float, *, pause: float = 2.0, seed: int = 0
) -> tuple[Schedule, list[list[str]]]:
    """Each of ``people`` types a trace with its own gaps, pauses, empties the box, pauses, and types it again.

    Gives the schedule and what each types, from its first key that is due. People begin at random places of their
    traces, so that the rate is the same from the start. ``pause`` is in seconds.
    """
    rng = np.random.default_rng(seed)
    moments: list[NDArray[np.int64]] = []
    who: list[NDArray[np.int32]] = []
    texts = typed_texts(traces, people)
    for person in range(people):
        trace = traces[person % len(traces)]
        # Press times of a recording may run backwards by a little where two keys overlap.
        at = np.maximum.accumulate([key.at / 1000 for key in trace])
        once = np.append(at - at[0], at[-1] - at[0] + pause)
        length = once[-1] + pause
        start = -rng.uniform(0, length)
        laps = int((seconds - start) / length) + 1
        moment = (start + np.arange(laps)[:, None] * length + once).ravel()
        first = int(np.searchsorted(moment, 0.0)) % len(once)
        texts[person] = texts[person][first:] + texts[person][:first]
        due = moment[(moment >= 0) & (moment < seconds)]
        moments.append((due * 1e9).astype(np.int64))
        who.append(np.full(len(due), person, np.int32))
    due_ns, connection = np.concatenate(moments), np.concatenate(who)
    order = np.argsort(due_ns, kind="stable")
    return (due_ns[order], connection[order]), texts
