from __future__ import annotations

import json
import random

from typeahead.server.observe.metrics import STAGES
from typeahead.server.observe.slow import KEPT, MINUTES, SlowKeystrokes, merge_slow

SECOND = 10**9
NOTHING = (0, 0, 0, 0, 0)


def offer(slow: SlowKeystrokes, total_us: int, at_s: float) -> None:
    slow.keep(total_us * 1000, int(at_s * SECOND), 12, 3, False, (total_us * 1000, 0, 0, 0, 0))


def totals(slow: SlowKeystrokes, at_s: float) -> list[int]:
    return [reply["total_us"] for reply in slow.snapshot(int(at_s * SECOND), STAGES)]


def test_the_slowest_of_all_are_kept_the_slowest_first() -> None:
    chance = random.Random(1)
    slow = SlowKeystrokes()
    offered = [chance.randrange(1, 100_000) for _ in range(5000)]
    for number, total in enumerate(offered):
        offer(slow, total, number / 100)
    assert totals(slow, 50) == sorted(offered, reverse=True)[:KEPT]


def test_what_was_slow_is_forgotten_after_some_minutes() -> None:
    slow = SlowKeystrokes()
    offer(slow, 90_000, 0)
    for minute in range(1, MINUTES):
        offer(slow, minute, 61 * minute)
    assert totals(slow, 60 * MINUTES - 1)[0] == 90_000
    assert totals(slow, 60 * MINUTES + 1) == [4, 3, 2, 1]
    assert totals(slow, 60 * MINUTES * 9) == []


def test_a_quiet_minute_after_a_slow_one_has_its_own_slowest() -> None:
    slow = SlowKeystrokes()
    for _ in range(KEPT * 2):
        offer(slow, 50_000, 1)
    offer(slow, 7, 62)
    assert 7 not in totals(slow, 62)  # among the slowest of both minutes it is not
    assert 7 in totals(slow, 60 * MINUTES + 2)


def test_memory_is_bounded_whatever_comes() -> None:
    slow = SlowKeystrokes()
    for number in range(100_000):
        offer(slow, number, number / 100)
    assert sum(map(len, slow._minutes)) <= KEPT * MINUTES


def test_a_reply_is_plain_data_without_any_text() -> None:
    slow = SlowKeystrokes()
    slow.keep(5_000_000, SECOND, 40, 9, True, (1_000_000, 2000, 3_000_000, 900_000, 98_000), "its-name")
    (reply,) = slow.snapshot(3 * SECOND, STAGES)
    assert json.loads(json.dumps(reply)) == {
        "age_s": 2.0,
        "total_us": 5000,
        "chars": 40,
        "tokens": 9,
        "submit": True,
        "request_id": "its-name",
        "stages_us": {"queue": 1000, "tokenize": 2, "step": 3000, "search": 900, "serialize": 98},
    }


def test_the_slowest_of_several_processes_are_the_slowest_of_all() -> None:
    parts = []
    for first in (0, 1):
        slow = SlowKeystrokes()
        for total in range(first, 40, 2):
            offer(slow, total, 1)
        parts.append(slow.snapshot(SECOND, STAGES))
    assert [reply["total_us"] for reply in merge_slow(parts)] == list(range(39, 39 - KEPT, -1))
