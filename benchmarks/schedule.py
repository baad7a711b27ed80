"""When keys are due: at a constant rate, or with the gaps of people who really typed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.typed import Trace, typed_texts

Schedule = tuple[NDArray[np.int64], NDArray[np.int32]]


def constant(rate: float, seconds: float, connections: int, *, seed: int = 0) -> Schedule:
    """Evenly spaced moments in ns, int64 (n,), and connections that take turns in a random order, int32 (n,)."""
    count = int(rate * seconds)
    order = np.random.default_rng(seed).permutation(connections).astype(np.int32)
    return (np.arange(count) * (1e9 / rate)).astype(np.int64), order[np.arange(count) % connections]


def stages(phases: Sequence[tuple[float, float]], connections: int) -> Schedule:
    """Constant rates one after the other, each as (rate, seconds)."""
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

    Returns the schedule and what each person types, from the first due key on. People begin at random places of their
    traces, so the rate is the same from the start. ``pause`` is in seconds.
    """
    rng = np.random.default_rng(seed)
    moments: list[NDArray[np.int64]] = []
    who: list[NDArray[np.int32]] = []
    texts = typed_texts(traces, people)
    for person in range(people):
        trace = traces[person % len(traces)]
        # Press times of a recording can run slightly backwards where two keys overlap.
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
