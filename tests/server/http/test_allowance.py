from __future__ import annotations

from typeahead.server.http.allowance import Allowance


def test_requests_beyond_the_rate_are_refused_and_the_rate_comes_back() -> None:
    now = 0.0
    allowance = Allowance(10, lambda: now)
    assert [allowance.take() for _ in range(12)] == [True] * 10 + [False] * 2
    now = 0.35
    assert [allowance.take() for _ in range(4)] == [True] * 3 + [False]
    now = 1000.0
    assert [allowance.take() for _ in range(11)] == [True] * 10 + [False]
    assert not Allowance(0).take()
