from __future__ import annotations

from typing import Any

import pytest

from typeahead.server.config import ConfigError, ServerConfig


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("host", ""),
        ("port", -1),
        ("port", 65536),
        ("max_chars", 0),
        ("max_sessions", 0),
        ("max_pending", 0),
        ("max_frame_bytes", 10),
        ("max_k", 0),
        ("default_k", 101),
        ("cache_bytes", -5),
        ("fallback_tokens", -1),
        ("fallback_queue", 0),
        ("idle_seconds", 0),
        ("stall_seconds", float("inf")),
        ("ping_seconds", float("nan")),
        ("drain_seconds", -1),
        ("token", ""),
        ("token", "käse"),
        ("token", "two\nlines"),
        ("operator_token", ""),
        ("shared_cache", True),
        ("anytime", 0),
        ("anytime", 1.1),
        ("hybrid", "linaer"),
        ("words", "some"),
        ("lexical_wait_ms", float("inf")),
        ("max_turn_ms", 0),
        ("client_reports", -1),
        ("snippet_chars", 15),
        ("max_bodies", 0),
        ("head_seconds", 0),
        ("max_head_bytes", 100),
        ("max_silent_connections", 0),
        ("max_connections", 100),
        ("max_connections_per_address", -1),
        ("trusted_proxies", ("proxy.example",)),
        ("body_seconds", 0),
        ("complete", -1),
        ("complete", 33),
        ("allowed_hosts", ("https://example.org",)),
        ("allowed_hosts", ("example.org:8765",)),
        ("allowed_hosts", ("",)),
        ("allowed_origins", ("example.org",)),
        ("allowed_origins", ("https://example.org/path",)),
        ("allowed_origins", ("null",)),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(setting: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=setting) as caught:
        ServerConfig(**{setting: value})
    assert caught.value.setting == setting


def test_tokens_are_not_shown_and_operators_have_one_of_their_own() -> None:
    assert "s3cret" not in repr(ServerConfig(token="s3cret", operator_token="0s3cret"))
    with pytest.raises(ConfigError, match="operator_token"):
        ServerConfig(token="s3cret", operator_token="s3cret")


@pytest.mark.parametrize(
    ("settings", "public"),
    [
        ({}, False),
        ({"host": "::1"}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host": "search.example"}, True),
        ({"allowed_hosts": ("search.example",)}, True),
        ({"allowed_origins": ("https://example.org",)}, True),
    ],
)
def test_a_server_that_others_than_this_machine_reach_is_public(settings: dict[str, Any], public: bool) -> None:
    assert ServerConfig(**settings).public is public


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "expected"),
    [
        (None, "127.0.0.1:8765", (), True),
        ("http://127.0.0.1:8765", "127.0.0.1:8765", (), True),
        ("https://example.org", "example.org", (), True),
        ("https://example.org", "EXAMPLE.ORG:443", (), True),
        ("http://127.0.0.1:9999", "127.0.0.1:8765", (), False),
        ("http://localhost:8765", "127.0.0.1:8765", (), False),
        ("https://evil.org", "example.org", (), False),
        ("https://example.org.evil.org", "example.org", (), False),
        ("null", "example.org", (), False),
        ("https://example.org", None, (), False),
        ("https://a.org", "example.org", ("https://b.org", "https://a.org"), True),
        ("http://a.org", "example.org", ("https://a.org",), False),
        ("https://a.org:444", "example.org", ("https://a.org",), False),
        ("https://evil.org", "example.org", ("*",), True),
    ],
)
def test_the_same_origin_and_those_that_are_allowed_may_connect(
    origin: str | None, host: str | None, allowed: tuple[str, ...], expected: bool
) -> None:
    config = ServerConfig(allowed_origins=allowed, allowed_hosts=("example.org",))
    assert config.allows(origin, host) is expected


def test_a_page_whose_name_was_made_to_point_here_is_not_of_the_same_origin() -> None:
    assert not ServerConfig().allows("http://evil.example:8765", "evil.example:8765")


@pytest.mark.parametrize(
    ("bound", "host", "expected"),
    [
        ("127.0.0.1", "127.0.0.1:8765", True),
        ("127.0.0.1", "localhost:8765", True),
        ("127.0.0.1", "LOCALHOST", True),
        ("127.0.0.1", "[::1]:8765", True),
        ("127.0.0.2", "127.0.0.2:8765", True),
        ("127.0.0.1", "a.example:8765", True),
        ("127.0.0.1", "b.example", True),
        ("127.0.0.1", "evil.example:8765", False),
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1", "127.0.0.1@evil.example", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", None, False),
        ("127.0.0.2", "evil.example", False),
        ("::1", "evil.example", False),
        ("localhost", "evil.example", False),
        ("0.0.0.0", "a.example", True),
        ("0.0.0.0", "localhost", True),
        ("0.0.0.0", "evil.example", False),
    ],
)
def test_only_the_names_of_the_server_are_answered(bound: str, host: str | None, expected: bool) -> None:
    config = ServerConfig(host=bound, allowed_hosts=("a.example",), allowed_origins=("https://b.example",))
    assert config.allows_host(host) is expected


@pytest.mark.parametrize("settings", [{"host": "0.0.0.0"}, {"host": "10.0.0.1"}, {"allowed_origins": ("*",)}])
def test_any_name_is_answered_off_the_loopback_without_a_list_and_where_any_page_may_ask(
    settings: dict[str, Any],
) -> None:
    assert ServerConfig(**settings).allows_host("any.example")


@pytest.mark.parametrize(
    ("host", "token", "expected"),
    [("127.0.0.1", None, False), ("localhost", None, False), ("0.0.0.0", None, True), ("0.0.0.0", "s3cret", False)],
)
def test_a_server_is_exposed_where_other_machines_need_no_token(host: str, token: str | None, expected: bool) -> None:
    assert ServerConfig(host=host, token=token).exposed is expected
