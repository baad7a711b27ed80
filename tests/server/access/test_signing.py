from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest

from typeahead.errors import FilterError
from typeahead.search.filters import Equal, read_filter
from typeahead.server.access.signing import MOST_BYTES, KeyRing, SigningError
from typeahead.wire.access import TokenRefused

SECRET = "s" * 32
OTHER = "o" * 32
KEYS = KeyRing({"new": SECRET, "old": OTHER})
FAR = 4_000_000_000


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def made(given: dict[str, Any], *, key: str = SECRET, kid: str | None = "new", algorithm: str = "HS256") -> bytes:
    """A token as a foreign program makes it."""
    return jwt.encode(given, key, algorithm, headers={} if kid is None else {"kid": kid}).encode()


def code(token: bytes, keys: KeyRing = KEYS) -> str:
    with pytest.raises(TokenRefused) as refused:
        keys.verify(token)
    return refused.value.code


def test_a_token_grants_what_it_was_signed_for() -> None:
    tree = {"tenant": "a", "year": {"gte": 2019}}
    token, name = KEYS.sign(["search", "write"], seconds=60, filter=tree, indexes=["docs"], now=lambda: FAR - 60)
    grant = KEYS.verify(token.encode())
    assert grant.rights == {"search", "write"}
    assert grant.filter == read_filter(tree)
    assert grant.indexes == frozenset({"docs"})
    assert (grant.expires, grant.name, grant.timings) == (FAR, name, False)


def test_the_holder_of_a_token_cannot_read_its_filter() -> None:
    token, _ = KEYS.sign(["search"], seconds=60, filter={"tenant": "zebra"})
    assert "zebra" not in json.dumps(claims(token))
    assert b"zebra" not in base64.urlsafe_b64decode(claims(token)["sealed"])


def test_grants_of_1_and_of_true_have_different_scopes() -> None:
    scopes = {KEYS.verify(made({"rights": ["search"], "exp": FAR, "filter": {"n": n}})).scope for n in (1, True, "1")}
    assert len(scopes) == 3


def test_the_first_key_signs_and_every_key_is_believed() -> None:
    first, _ = KEYS.sign(["search"], seconds=60)
    second, _ = KEYS.sign(["search"], seconds=60, filter={"a": 1}, key="old")
    assert jwt.get_unverified_header(first)["kid"] == "new"
    assert KEYS.verify(second.encode()).filter == Equal("a", 1)


def test_a_token_whose_key_was_removed_is_refused() -> None:
    token, _ = KEYS.sign(["search"], seconds=60, key="old")
    assert code(token.encode(), KeyRing({"new": SECRET})) == "token_key_unknown"


@pytest.mark.parametrize("seconds", [-5, 0])
def test_a_token_that_has_expired_is_refused(seconds: int) -> None:
    assert code(made({"rights": ["search"], "exp": 1_000_000 + seconds})) == "token_expired"


def test_no_changed_byte_of_a_token_goes_unnoticed() -> None:
    token = KEYS.sign(["search"], seconds=60, filter={"tenant": "a"})[0].encode()
    # The last character of a part has bits that stand for nothing.
    places = [place for place in range(0, len(token), 7) if token[place : place + 1] != b"."]
    ends = {place - 1 for place in range(len(token)) if token[place : place + 1] == b"."} | {len(token) - 1}
    for place in set(places) - ends:
        changed = bytearray(token)
        changed[place] = ord("A") if changed[place] != ord("A") else ord("B")
        assert code(bytes(changed)) in ("token_invalid", "token_key_unknown")


@pytest.mark.parametrize(
    "given",
    [
        {"rights": ["search"]},
        {"exp": FAR},
        {"rights": [], "exp": FAR},
        {"rights": "search", "exp": FAR},
        {"rights": ["search", 1], "exp": FAR},
        {"rights": ["fly"], "exp": FAR},
        {"rights": ["search"], "exp": "soon"},
        {"rights": ["search"], "exp": None},
        {"rights": ["search"], "exp": FAR, "filter": None},
        {"rights": ["search"], "exp": FAR, "filter": {}},
        {"rights": ["search"], "exp": FAR, "filter": {"a": None}},
        {"rights": ["search"], "exp": FAR, "indexes": None},
        {"rights": ["search"], "exp": FAR, "indexes": "docs"},
        {"rights": ["search"], "exp": FAR, "sealed": "rubbish"},
        {"rights": ["search"], "exp": FAR, "sealed": 1},
        {"rights": ["search"], "exp": FAR, "sealed": "x", "filter": {"a": 1}},
        {"rights": ["search", "metrics"], "exp": FAR, "filter": {"a": 1}},
        {"rights": ["dashboard"], "exp": FAR, "indexes": ["docs"]},
    ],
)
def test_a_signed_token_that_makes_no_sense_opens_nothing(given: dict[str, Any]) -> None:
    assert code(made(given)) == "token_invalid"


def test_only_hs256_with_the_named_key_is_believed() -> None:
    good = {"rights": ["search"], "exp": FAR}
    assert KEYS.verify(made(good)).rights == {"search"}
    assert code(made(good, algorithm="HS512", key=SECRET * 2)) == "token_invalid"
    assert code(jwt.encode(good, None, "none", headers={"kid": "new"}).encode()) == "token_invalid"  # type: ignore[arg-type]
    assert code(made(good, key=OTHER)) == "token_invalid"
    assert code(made(good, kid=None)) == "token_key_unknown"
    assert code(made(good, kid="../../etc/passwd")) == "token_key_unknown"


@pytest.mark.parametrize("token", [b"", b"..", b"a.b.c", b"\xff.\xff.\xff", b"e30.e30.", b"." * (MOST_BYTES + 1)])
def test_what_is_no_token_is_refused(token: bytes) -> None:
    assert code(token) in ("token_invalid", "token_key_unknown")


def test_a_token_that_is_not_valid_yet_is_refused() -> None:
    assert code(made({"rights": ["search"], "exp": FAR, "nbf": FAR - 1})) == "token_not_yet_valid"


@pytest.mark.parametrize("text", ["", "a", "a:short", f":{SECRET}", f"a:{SECRET},a:{OTHER}", SECRET])
def test_keys_that_cannot_be_used_are_refused_without_repeating_the_secret(text: str) -> None:
    with pytest.raises(SigningError) as error:
        KeyRing.read(text)
    assert SECRET not in str(error.value)


def test_keys_are_separated_by_commas_or_lines() -> None:
    for text in (f"a:{SECRET},b:{OTHER}", f"a:{SECRET}\nb:{OTHER}\n", f" a:{SECRET} ,\n b:{OTHER}"):
        token, _ = KeyRing.read(text).sign(["search"], seconds=60, key="b")
        assert KeyRing({"b": OTHER}).verify(token.encode()).rights == {"search"}


def test_no_token_is_made_that_would_be_refused() -> None:
    for rights, options in (
        ([], {}),
        (["fly"], {}),
        (["metrics"], {"filter": {"a": 1}}),
        (["search"], {"filter": {}}),
        (["search"], {"key": "lost"}),
        (["search"], {"seconds": 0}),
        (["search"], {"filter": {"a": "x" * MOST_BYTES}}),
    ):
        with pytest.raises(SigningError):
            KEYS.sign(rights, **{"seconds": 60, **options})  # type: ignore[arg-type]
    with pytest.raises(FilterError):
        KEYS.sign(["search"], seconds=60, filter={"a": None})


def test_a_token_may_have_a_role_of_the_database() -> None:
    token, _ = KEYS.sign(["search"], seconds=60, role="reader")
    assert KEYS.verify(token.encode()).role == "reader"
    assert KEYS.verify(KEYS.sign(["search"], seconds=60)[0].encode()).role == ""


@pytest.mark.parametrize("role", ["", "none", "None", "a\0b", "r" * 64])
def test_a_role_that_means_the_server_itself_or_that_no_database_has_is_refused(role: str) -> None:
    with pytest.raises(SigningError, match="is no name of a role"):
        KEYS.sign(["search"], seconds=60, role=role)
    assert code(made({"rights": ["search"], "exp": FAR, "role": role})) == "token_invalid"


@pytest.mark.parametrize("right", ["write", "metrics", "dashboard"])
def test_a_token_with_a_role_can_only_search(right: str) -> None:
    with pytest.raises(SigningError, match=f"cannot have the right to {right}"):
        KEYS.sign(["search", right], seconds=60, role="reader")
    assert code(made({"rights": ["search", right], "exp": FAR, "role": "reader"})) == "token_invalid"


@pytest.mark.parametrize("role", [None, 7, ["reader"]])
def test_a_role_of_the_wrong_type_opens_nothing(role: Any) -> None:
    assert code(made({"rights": ["search"], "exp": FAR, "role": role})) == "token_invalid"
