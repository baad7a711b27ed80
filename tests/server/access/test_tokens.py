from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from typeahead.search.filters import Equal
from typeahead.server.access.revoked import Revoked
from typeahead.server.access.signing import KeyRing
from typeahead.server.access.tokens import Tokens
from typeahead.server.config import ConfigError, ServerConfig
from typeahead.wire.access import PlainTokens, TokenRefused

KEYS = KeyRing({"k": "s" * 32})
RING = "k:" + "s" * 32


def rights(given: bytes, **settings: Any) -> set[str] | str:
    """What a server of these settings grants, or the code of its refusal."""
    try:
        return set(Tokens.of(ServerConfig(**settings)).grant(given).rights)
    except TokenRefused as error:
        return error.code


EVERYTHING = {"search", "metrics", "dashboard"}


@pytest.mark.parametrize(
    ("settings", "given", "granted"),
    [
        ({}, b"", EVERYTHING),
        ({}, b"whatever", EVERYTHING),
        ({"host": "0.0.0.0"}, b"", {"search"}),
        ({"token": "t"}, b"", "invalid_api_key"),
        ({"token": "t"}, b"T", "invalid_api_key"),
        ({"token": "t"}, b"t", EVERYTHING),
        ({"token": "t", "operator_token": "o"}, b"t", {"search"}),
        ({"token": "t", "operator_token": "o"}, b"o", EVERYTHING),
        ({"operator_token": "o"}, b"", {"search"}),
        ({"write_token": "w"}, b"w", EVERYTHING | {"write"}),
        ({"write_token": "w"}, b"", EVERYTHING),
        ({"token": "t", "write_token": "w"}, b"w", {"write"}),
        ({"signing_keys": RING}, b"", "invalid_api_key"),
        ({"signing_keys": RING}, b"whatever", "invalid_api_key"),
        ({"signing_keys": RING, "token": "t"}, b"t", EVERYTHING),
        ({"signing_keys": RING, "write_token": "w"}, b"w", {"write"}),
        ({"signing_keys": RING}, b"a.b.c", "token_invalid"),
        ({"token": "t"}, b"a.b.c", "invalid_api_key"),
    ],
)
def test_each_token_grants_its_rights_and_no_more(
    settings: dict[str, Any], given: bytes, granted: set[str] | str
) -> None:
    assert rights(given, **settings) == granted


def test_a_signed_token_grants_its_scope_until_it_expires() -> None:
    now = 0.0
    tokens = Tokens(PlainTokens(closed=True), KEYS, clock=lambda: now)
    token = KEYS.sign(["search"], seconds=60, filter={"tenant": "a"}, now=time.time)[0].encode()
    grant = tokens.grant(token)
    assert grant.filter == Equal("tenant", "a")
    assert tokens.grant(token) is grant
    assert tokens.holds(grant)
    assert grant.expires is not None
    now = grant.expires
    assert not tokens.holds(grant)
    with pytest.raises(TokenRefused) as refused:
        tokens.grant(token)
    assert refused.value.code == "token_expired"


def test_a_revoked_token_is_refused_and_its_sessions_end(tmp_path: Path) -> None:
    (tmp_path / "revoked").write_text("")
    now = 0.0
    revoked = Revoked(tmp_path / "revoked", clock=lambda: now)
    tokens = Tokens(PlainTokens(closed=True), KEYS, revoked)
    token, name = KEYS.sign(["search"], seconds=60)
    grant = tokens.grant(token.encode())
    (tmp_path / "revoked").write_text(f"{name}\n")
    now += 10
    assert not tokens.holds(grant)
    with pytest.raises(TokenRefused) as refused:
        tokens.grant(token.encode())
    assert refused.value.code == "token_revoked"


def test_many_tokens_are_not_all_remembered() -> None:
    tokens = Tokens(PlainTokens(closed=True), KEYS)
    made = [KEYS.sign(["search"], seconds=60, indexes=[str(row)])[0].encode() for row in range(1100)]
    first = tokens.grant(made[0])
    for token in made:
        tokens.grant(token)
    assert tokens.grant(made[0]) is not first


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"signing_keys": "k:short"}, "signing_keys"),
        ({"signing_keys": ""}, "signing_keys"),
        ({"write_token": "t", "token": "t"}, "write_token"),
        ({"write_token": "o", "operator_token": "o"}, "write_token"),
        ({"write_token": "two\nlines"}, "write_token"),
        ({"revoked": Path("revoked")}, "revoked"),
        ({"revoked": Path("/nonexistent/revoked"), "signing_keys": RING}, "revoked"),
        ({"shared_cache": True, "token": "t", "signing_keys": RING}, "shared_cache"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as error:
        Tokens.of(ServerConfig(**settings))
    assert error.value.setting == named
    assert "short" not in str(error.value)
