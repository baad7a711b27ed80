from __future__ import annotations

import logging

import pytest

from typeahead.server.config import ServerConfig
from typeahead.server.process.descriptors import fitted, raise_limit

resource = pytest.importorskip("resource", reason="this system has no limits on open files")


def test_sessions_and_connections_fit_under_the_limit_and_the_operator_is_told_the_number(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("typeahead.server.process.descriptors._open_files", lambda: 60)
    config = fitted(ServerConfig(), 1024)
    assert (config.max_connections, config.max_sessions, config.max_silent_connections) == (900, 772, 900)
    (message,) = caplog.messages
    assert "max_sessions is 10000" in message
    assert "1024 files" in message
    assert "772 sessions" in message


def test_what_fits_is_left_as_it_is_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    config = fitted(ServerConfig(), 1 << 20)
    assert (config.max_connections, config.max_sessions) == (12_000, 10_000)
    assert fitted(config, None) == config
    assert not caplog.messages


def test_a_worker_fits_too_but_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert fitted(ServerConfig(), 1024, warn=False).max_sessions < 1000
    assert not caplog.messages


def test_the_soft_limit_is_raised_to_the_hard_one(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = (256, 4096)

    def set_limit(_which: int, given: tuple[int, int]) -> None:
        nonlocal limits
        limits = given

    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", set_limit)
    assert raise_limit() == 4096
    assert limits == (4096, 4096)
