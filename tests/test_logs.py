from __future__ import annotations

import logging

import pytest

from typeahead.logs import LimitedLog, limit_library

logger = logging.getLogger("tests.server.logs")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def fail(log: LimitedLog, number: int) -> None:
    try:
        raise RuntimeError(f"failure {number}")
    except RuntimeError:
        log.exception("search %d failed", number)


def test_one_line_of_a_kind_a_second_tells_how_many_were_left_out(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = LimitedLog(logger, clock=clock)
    for number in range(10):
        log.warning("refused %d", number)
    log.warning("another kind")
    clock.now = 1.0
    log.warning("refused %d", 10)
    clock.now = 2.0
    log.warning("refused %d", 11)
    assert caplog.messages == [
        "refused 0",
        "another kind",
        "refused 10 (9 more such lines were left out)",
        "refused 11",
    ]
    assert {record.filename for record in caplog.records} == {"test_logs.py"}


def test_a_traceback_is_written_once_a_minute_and_its_line_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = LimitedLog(logger, clock=clock)
    for second in range(61):
        clock.now = float(second)
        fail(log, second)
        fail(log, second)
    assert len(caplog.records) == 61
    assert [second for second, record in enumerate(caplog.records) if record.exc_info] == [0, 60]


def test_a_librarys_lines_are_limited_anew_by_each_server(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        limit_library(logger.name)
        for _ in range(5):
            logger.warning("a client did something")
    assert len(logger.filters) == 1
    assert caplog.messages == ["a client did something"] * 2
    logger.filters.clear()
