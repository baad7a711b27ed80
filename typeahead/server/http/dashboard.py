"""What the page ``/dashboard`` asks for once a second: ``GET /v1/dashboard``.

The page does not use ``/metrics``, which is five times as large, is text that a browser would have to parse each
second, and has no place for slow keystrokes or the cost of the teacher. The page computes rates and percentiles itself,
from the differences between two answers. So the server keeps no history, and any number of pages may be open.

The answer is a JSON object::

    {"version": 1, "started": 1700000000.0, "at": 12.345, "bounds": [1.5e-05, …],
     "metrics": {"typeahead_keystroke_duration_seconds": [[{}, {"counts": […], "sum": 0.2}]],
                 "typeahead_submits_total": [[{"ready": "true"}, 3], [{"ready": "false"}, 0]], …},
     "slow": [{"age_s", "total_us", "chars", "tokens", "submit", "request_id", "stages_us": {…}}, …],
     "teacher": {"encoder", "runs", "points": [[code points, microseconds], …]} or null}

``started`` is the server's start in seconds since 1970. If it changes, the server was restarted and counts anew. ``at``
is the time of the answer in seconds since some fixed moment, for rates. ``counts`` are as in
:mod:`typeahead.server.observe.counters`. The answer holds no text that anybody typed.
"""

from __future__ import annotations

from typing import Any, Final

from typeahead.server.observe.counters import BUCKETS, Snapshot
from typeahead.server.observe.teacher_cost import TeacherCost

VERSION: Final = 1


def write_dashboard(
    snapshot: Snapshot, slow: list[dict[str, Any]], teacher: TeacherCost | None, *, started: float, at: float
) -> dict[str, Any]:
    """Build the answer from the snapshot of one process, or from the merged snapshots of several."""
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
