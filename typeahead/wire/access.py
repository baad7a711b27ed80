"""Who may do what: strangers, clients and operators.

A client types and searches. An operator may also see the state of the server, down to the microseconds of a single key.
Ordinary clients do not get exact timings, because these tell strangers more than they should know. Both the websocket's
hello (:mod:`typeahead.wire.conversation`) and the headers of HTTP (:mod:`typeahead.server.http.api`) are checked here.
"""

from __future__ import annotations

import hmac
from enum import IntEnum


class Access(IntEnum):
    """What a token allows; a higher level allows more."""

    NONE = 0
    CLIENT = 1
    OPERATOR = 2


class Tokens:
    """A server's tokens. Without a client token all are clients; without an operator token there are no operators."""

    def __init__(self, client: str | None = None, operator: str | None = None) -> None:
        self._client = None if client is None else client.encode()
        self._operator = None if operator is None else operator.encode()

    @property
    def asked_for(self) -> bool:
        """Whether clients need a token."""
        return self._client is not None

    def access(self, given: bytes) -> Access:
        """Return what a token allows. ``given`` is empty for none.

        The time that this takes does not tell how much of the token was right.
        """
        if self._operator is not None and hmac.compare_digest(given, self._operator):
            return Access.OPERATOR
        if self._client is None or hmac.compare_digest(given, self._client):
            return Access.CLIENT
        return Access.NONE
