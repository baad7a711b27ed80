"""Who may do what: whoever brings no token, clients, and operators.

A client types and searches. An operator may also see how the server is, down to the microseconds of a single key: exact
timings tell strangers more than they should know, so ordinary clients do not get them. The websocket's hello
(:mod:`typeahead.wire.protocol`) and the headers of HTTP (:mod:`typeahead.server.http.api`) both ask here.
"""

from __future__ import annotations

import hmac
from enum import IntEnum


class Access(IntEnum):
    """What a token opens, the more the higher."""

    NONE = 0
    CLIENT = 1
    OPERATOR = 2


class Tokens:
    """A server's tokens. Without one for clients everybody is a client; without one for operators nobody is one."""

    def __init__(self, client: str | None = None, operator: str | None = None) -> None:
        self._client = None if client is None else client.encode()
        self._operator = None if operator is None else operator.encode()

    @property
    def asked_for(self) -> bool:
        """Whether a client has to bring a token."""
        return self._client is not None

    def access(self, given: bytes) -> Access:
        """What a token opens, empty for none, in a time that does not tell how much of it was right."""
        if self._operator is not None and hmac.compare_digest(given, self._operator):
            return Access.OPERATOR
        if self._client is None or hmac.compare_digest(given, self._client):
            return Access.CLIENT
        return Access.NONE
