"""Who may do what: rights, and the grant that a token gives.

Both the websocket's hello (:mod:`typeahead.wire.conversation`) and the headers of HTTP
(:mod:`typeahead.server.http.api`) turn a token into a :class:`Grant`. :mod:`typeahead.server.access` knows the tokens
of a server; :class:`PlainTokens` are those that are simply compared.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final, Protocol

from typeahead.search.filters import Filter

#: Rights. SEARCH opens typing, searches and embeddings. WRITE opens documents, to read and to change them.
SEARCH: Final = "search"
WRITE: Final = "write"
METRICS: Final = "metrics"
DASHBOARD: Final = "dashboard"
RIGHTS: Final = (SEARCH, WRITE, METRICS, DASHBOARD)

#: What a client hears whose token is missing, or is none that the server knows.
WANTS_TOKEN: Final = "the token is missing or wrong"


class TokenRefused(Exception):
    """A token that grants nothing. ``code`` names the reason for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows."""

    rights: frozenset[str]
    #: Only documents that pass exist for the holder. None for all documents.
    filter: Filter | None = None
    #: The names of the indexes that the holder may use. None for all of them.
    indexes: frozenset[str] | None = None
    #: When it ends, in seconds since 1970. None for never.
    expires: float | None = None
    #: Whether replies say how long their stages took. That tells more than strangers should know.
    timings: bool = False
    #: The role of the database whose row-level security decides which documents exist for the holder. Empty for the
    #: role of the server.
    role: str = ""
    #: Name of the signed token, by which it is revoked. Empty for a token without a name.
    name: str = ""

    @property
    def scope(self) -> str:
        """Names the filter: two grants have the same name only if they have the same filter. Empty without a filter.

        Filters themselves make bad keys, because Python takes 1 and True for the same.
        """
        return "" if self.filter is None else repr(self.filter)

    def admits_index(self, name: str) -> bool:
        """Whether the holder may use the index of this name."""
        return self.indexes is None or name in self.indexes


class Tokens(Protocol):
    """The tokens that a server takes."""

    def grant(self, given: bytes) -> Grant:
        """Return what a token allows; ``given`` is empty for none. Raises :class:`TokenRefused`."""

    def holds(self, grant: Grant) -> bool:
        """Whether a grant of earlier is still good: its token has neither expired nor been revoked."""


class PlainTokens:
    """Tokens that are compared, and never expire.

    Args:
        client: opens search. None lets everybody search.
        operator: opens search, metrics, dashboard and exact timings. Without one, whoever may search sees metrics and
            dashboard, too.
        writer: opens writes. What is open to everybody is open to its holder, too.
        public: whether other machines reach the server. If they do, metrics and dashboard stay shut without a token.
        closed: whether nothing is open without a token, even if there is no ``client``.
    """

    def __init__(
        self,
        client: str | None = None,
        operator: str | None = None,
        writer: str | None = None,
        *,
        public: bool = False,
        closed: bool = False,
    ) -> None:
        watching = frozenset({METRICS, DASHBOARD})
        searching = frozenset({SEARCH})
        #: What is granted without a token; None where clients need one.
        self.anonymous: Grant | None = None
        if client is None and not closed:
            self.anonymous = Grant(searching if public or operator is not None else searching | watching)
        open_to_all = frozenset() if self.anonymous is None else self.anonymous.rights
        self._grants = [
            (token.encode(), grant)
            for token, grant in (
                (operator, Grant(searching | watching, timings=True)),
                (writer, Grant(open_to_all | {WRITE})),
                (client, Grant(searching if operator is not None else searching | watching)),
            )
            if token is not None
        ]

    def known(self, given: bytes) -> Grant | None:
        """Return what a token allows, None if it is not one of these.

        The time that this takes does not tell how much of the token was right.
        """
        found = None
        for token, grant in self._grants:
            if hmac.compare_digest(given, token) and found is None:
                found = grant
        return found

    def grant(self, given: bytes) -> Grant:
        """Return what a token allows. One that nobody asked for is ignored, whatever it is."""
        found = self.known(given) or self.anonymous
        if found is None:
            raise TokenRefused("invalid_api_key", WANTS_TOKEN)
        return found

    def holds(self, grant: Grant) -> bool:  # noqa: ARG002 - these tokens never end
        """Whether a grant is still good: always."""
        return True
