"""All tokens that a server takes, and what each of them grants."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from typeahead.server.access.revoked import Revoked, RevokedUnreadable
from typeahead.server.access.signing import KeyRing
from typeahead.server.settings.access import Access
from typeahead.settings.declaring import ConfigError
from typeahead.wire.access import WANTS_TOKEN, Grant, PlainTokens, TokenRefused

#: Verified tokens that are remembered, so that a key or a request need not verify them again.
_REMEMBERED: Final = 1024

_EXPIRED: Final = ("token_expired", "this token has expired: get a new one")
_REVOKED: Final = ("token_revoked", "this token was revoked: get a new one")


class Tokens:
    """Plain tokens and signed ones.

    Where there are signing keys, nobody does anything without a token, because a search without one would see beyond
    every scope.
    """

    def __init__(
        self,
        plain: PlainTokens,
        keys: KeyRing | None = None,
        revoked: Revoked | None = None,
        *,
        writes: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._plain = plain
        self._keys = keys
        self._revoked = revoked
        self._clock = clock
        self._verified: OrderedDict[bytes, Grant] = OrderedDict()
        #: Whether there can be tokens with the right to write.
        self.writes = writes or keys is not None
        #: Whether whoever searches needs a token.
        self.asked_for = plain.anonymous is None

    @classmethod
    def of(cls, config: Access) -> Tokens:
        """The tokens that a server's settings name.

        Raises :class:`~typeahead.settings.declaring.ConfigError` for a file of revoked tokens that cannot be read.
        """
        keys = None if config.signing_keys is None else KeyRing.read(config.signing_keys)
        plain = PlainTokens(
            config.token, config.operator_token, config.write_token, public=config.public, closed=keys is not None
        )
        try:
            revoked = None if config.revoked is None else Revoked(config.revoked)
        except RevokedUnreadable as error:
            raise ConfigError("revoked", f"cannot be used: {error}") from None
        return cls(plain, keys, revoked, writes=config.writes)

    def grant(self, given: bytes) -> Grant:
        """Return what a token allows; ``given`` is empty for none.

        Raises :class:`~typeahead.wire.access.TokenRefused`.
        """
        if (known := self._plain.known(given)) is not None:
            return known
        if self._keys is None:
            return self._plain.grant(given)
        if given.count(b".") != 2:
            raise TokenRefused("invalid_api_key", WANTS_TOKEN)
        grant = self._verified.get(given)
        if grant is None:
            grant = self._keys.verify(given)
            self._verified[given] = grant
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)
        self._check(grant)
        return grant

    def holds(self, grant: Grant) -> bool:
        """Whether a grant of earlier is still good: its token has neither expired nor been revoked."""
        try:
            self._check(grant)
        except TokenRefused:
            return False
        return True

    def _check(self, grant: Grant) -> None:
        if grant.expires is not None and self._clock() >= grant.expires:
            raise TokenRefused(*_EXPIRED)
        if grant.name and self._revoked is not None and grant.name in self._revoked:
            raise TokenRefused(*_REVOKED)
