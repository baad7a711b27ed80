"""What the page ``/dashboard`` asks for once a second: ``GET /v1/dashboard``.

An endpoint of its own rather than ``/metrics``: that is five times as large, text that a browser would have to parse
each second, and has no place for the slow keystrokes, nor for what the teacher costs. The page takes differences of
counts from one answer to the next and computes rates and percentiles itself, so the server keeps no history, and any
number of pages may look.

The answer is a JSON object::

    {"version": 1, "started": 1700000000.0, "at": 12.345, "bounds": [1.5e-05, …],
     "metrics": {"typeahead_keystroke_duration_seconds": [[{}, {"counts": […], "sum": 0.2}]],
                 "typeahead_submits_total": [[{"ready": "true"}, 3], [{"ready": "false"}, 0]], …},
     "slow": [{"age_s", "total_us", "chars", "tokens", "submit", "stages_us": {…}}, …],
     "teacher": {"encoder", "runs", "points": [[code points, microseconds], …]} or null}

``started`` is the server's start in seconds since 1970, the same in each answer until it is restarted and counts anew;
``at`` is the time of the answer in seconds since some moment, for rates. ``counts`` are as in
:mod:`typeahead.server.observe.counters`. Nothing in it holds any text that somebody typed.
"""

from __future__ import annotations

from typing import Any, Final

from typeahead.server.observe.counters import BUCKETS, Snapshot
from typeahead.server.observe.teacher_cost import TeacherCost

VERSION: Final = 1


def write_dashboard(
    snapshot: Snapshot, slow: list[dict[str, Any]], teacher: TeacherCost | None, *, started: float, at: float
) -> dict[str, Any]:
    """Put together the answer, from the snapshot of one process or the merged ones of several."""
    return {
        "version": VERSION,
        "started": started,
        "at": at,
        "bounds": BUCKETS,
        "metrics": {
            family["name"]: [[dict(labels), value] for labels, value in family["series"]] for family in snapshot
        },
        "slow": slow,
        "teacher": None if teacher is None else teacher.snapshot(),
    }
