"""Signed tokens: JSON Web Tokens (RFC 7519) that carry rights, a filter, names of indexes and an expiry.

The signature is HMAC-SHA256 (``HS256``) and no other; the header's ``kid`` names the key. Claims::

    {"rights": ["search"], "exp": 1767225600, "iat": 1767222000, "jti": "8c2f…",
     "sealed": "…" or "filter": {"tenant": "a"}, "indexes": ["docs"], "role": "reader"}

``sealed`` is the filter as JSON, encrypted (Fernet: AES-128-CBC with HMAC-SHA256) with a key that is derived from the
signing key. The holder of a token can read its claims, but not the filter. Programs that make tokens by another JWT
library may put a readable ``filter`` there instead. ``role`` is a role of the database, whose row-level security
applies. ``rights`` and ``exp`` are required.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import jwt
import orjson
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from typeahead.errors import FilterError, TypeaheadError
from typeahead.search.filters import And, Filter, read_filter
from typeahead.wire.access import DASHBOARD, METRICS, RIGHTS, WRITE, Grant, TokenRefused

#: Shortest secret, in bytes: RFC 7518 asks for as many as the hash has.
LEAST_SECRET: Final = 32
#: Longest token that is looked at, in bytes.
MOST_BYTES: Final = 8 << 10

_ALGORITHM: Final = "HS256"
#: Rights that no token with a scope has: these pages tell of everybody's keys and documents.
_UNSCOPED: Final = frozenset({METRICS, DASHBOARD})

#: Longest name of a role, in bytes, as PostgreSQL has it.
_MOST_ROLE: Final = 63

#: What an empty filter becomes.
_ALL: Final = And(())

_ALTERED: Final = ("token_invalid", "this token was not made by this server's operator, or was altered: get a new one")
_UNKNOWN_KEY: Final = ("token_key_unknown", "the key of this token is not in use here, or no more: get a new token")
_EXPIRED: Final = ("token_expired", "this token has expired: get a new one")
_EARLY: Final = (
    "token_not_yet_valid",
    "this token is not valid yet: wait, or set the clock of the machine that made it",
)


class SigningError(TypeaheadError, ValueError):
    """Signing keys that cannot be used, or a token that must not be made."""


class KeyRing:
    """Signing keys by name. The first of them signs; all of them are believed."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        """Raises :class:`SigningError` for a name that is empty and for a secret that is too short."""
        if not keys:
            raise SigningError("there is no key: give kid:secret")
        for name, secret in keys.items():
            if not name:
                raise SigningError("a key has no name: write kid:secret")
            if len(secret.encode()) < LEAST_SECRET:
                raise SigningError(
                    f"the secret of the key {name!r} has less than {LEAST_SECRET} bytes: make a longer one"
                )
        self._keys = {name: secret.encode() for name, secret in keys.items()}
        self._seals = {name: _seal(secret) for name, secret in self._keys.items()}

    @classmethod
    def read(cls, text: str) -> KeyRing:
        """Read ``kid:secret,kid:secret``, separated by commas or ends of line. Raises :class:`SigningError`."""
        keys: dict[str, str] = {}
        for part in text.replace("\n", ",").split(","):
            if not part.strip():
                continue
            name, colon, secret = part.strip().partition(":")
            if not colon:
                # What has no colon may be the secret: it is not repeated.
                raise SigningError("a key has no name: write kid:secret, and commas between keys")
            if name in keys:
                raise SigningError(f"two keys have the name {name!r}: give each another one")
            keys[name] = secret
        return cls(keys)

    def sign(
        self,
        rights: Collection[str],
        *,
        seconds: float,
        filter: Any = None,
        indexes: Collection[str] = (),
        role: str | None = None,
        key: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> tuple[str, str]:
        """Make a token that ends after some seconds; returns it and its name, by which it can be revoked.

        ``filter`` is JSON (:mod:`typeahead.search.filters`), None for no scope. ``role`` is a role of the database.
        Raises :class:`SigningError` for rights that do not exist or that a scope or a role forbids, and
        :class:`~typeahead.errors.FilterError`.
        """
        name = next(iter(self._keys)) if key is None else key
        if name not in self._keys:
            raise SigningError(f"there is no key {name!r}: known are {', '.join(self._keys)}")
        _check_rights(rights, scoped=filter is not None or bool(indexes), role=role)
        if not seconds > 0:
            raise SigningError(f"the token would end after {seconds:g} seconds: let it live longer")
        made = int(now())
        jti = secrets.token_hex(8)
        claims: dict[str, Any] = {"rights": sorted(rights), "iat": made, "exp": int(made + seconds), "jti": jti}
        if filter is not None:
            if read_filter(filter) == _ALL:
                raise SigningError("the filter is empty and would admit all documents: leave it out if that is meant")
            claims["sealed"] = self._seals[name].encrypt(orjson.dumps(filter)).decode()
        if indexes:
            claims["indexes"] = sorted(indexes)
        if role is not None:
            claims["role"] = role
        token = jwt.encode(claims, self._keys[name], _ALGORITHM, headers={"kid": name})
        if len(token) > MOST_BYTES:
            raise SigningError(
                f"the token would have {len(token)} bytes, the limit is {MOST_BYTES}: shorten the filter"
            )
        return token, jti

    def verify(self, token: bytes) -> Grant:
        """Return what a token allows. Raises :class:`~typeahead.wire.access.TokenRefused`."""
        if len(token) > MOST_BYTES:
            raise TokenRefused(*_ALTERED)
        try:
            name = jwt.get_unverified_header(token).get("kid")
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise TokenRefused(*_ALTERED) from None
        if not isinstance(name, str) or name not in self._keys:
            raise TokenRefused(*_UNKNOWN_KEY)
        try:
            claims = jwt.decode(
                token, self._keys[name], algorithms=[_ALGORITHM], options={"require": ["exp"], "verify_iat": False}
            )
            return self._read(name, claims)
        except jwt.ExpiredSignatureError:
            raise TokenRefused(*_EXPIRED) from None
        except jwt.ImmatureSignatureError:
            raise TokenRefused(*_EARLY) from None
        except (jwt.PyJWTError, FilterError, InvalidToken, ValueError, TypeError, OverflowError, RecursionError):
            raise TokenRefused(*_ALTERED) from None

    def _read(self, key: str, claims: Mapping[str, Any]) -> Grant:
        """Read the claims of a token whose signature is right. Raises ``ValueError`` for any that is not understood."""
        rights, tree = _names(claims.get("rights")), self._filter(key, claims)
        # A claim of null is a mistake in the program that made the token, and must not open everything.
        indexes = _names(claims["indexes"]) if "indexes" in claims else None
        role = claims.get("role")
        if "role" in claims and not isinstance(role, str):
            raise ValueError("no role")
        _check_rights(rights, scoped=tree is not None or indexes is not None, role=role)
        jti = claims.get("jti", "")
        return Grant(
            rights,
            tree,
            indexes,
            float(claims["exp"]),
            role=role or "",
            name=jti if isinstance(jti, str) else "",
        )

    def _filter(self, key: str, claims: Mapping[str, Any]) -> Filter | None:
        if "sealed" in claims and "filter" in claims:
            raise ValueError("two filters")
        if "sealed" in claims:
            tree = read_filter(orjson.loads(self._seals[key].decrypt(claims["sealed"])))
        elif "filter" in claims:
            tree = read_filter(claims["filter"])
        else:
            return None
        if tree == _ALL:
            raise ValueError("a filter that admits everything")
        return tree


def _seal(secret: bytes) -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=b"typeahead filter").derive(secret)
    return Fernet(base64.urlsafe_b64encode(derived))


def _names(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("no list of names")
    return frozenset(value)


def _check_rights(rights: Collection[str], *, scoped: bool, role: str | None = None) -> None:
    if not rights:
        raise SigningError(f"a token needs a right: {', '.join(RIGHTS)}")
    if unknown := set(rights) - set(RIGHTS):
        raise SigningError(f"there is no right {min(unknown)!r}: known are {', '.join(RIGHTS)}")
    if role is not None:
        # PostgreSQL takes "none" for the role of the server itself.
        if not role or role.lower() == "none" or "\0" in role or len(role.encode()) > _MOST_ROLE:
            raise SigningError(f"{role[:80]!r} is no name of a role: give one that the database has")
        if refused := {WRITE, METRICS, DASHBOARD} & set(rights):
            raise SigningError(
                f"a token with a role cannot have the right to {' and '.join(sorted(refused))}, which is not that of "
                "the role: make two tokens"
            )
    if scoped and (forbidden := _UNSCOPED & set(rights)):
        raise SigningError(
            f"a token with a filter or with indexes cannot open {' and '.join(sorted(forbidden))}, which tell of "
            "everybody: make two tokens"
        )
