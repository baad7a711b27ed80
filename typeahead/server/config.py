"""Every limit of the server in one frozen dataclass, checked when it is made.

Which origins may connect, and which names the server answers to, is decided here too, since it is configuration and
nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from typeahead.core.completion import MAX_COUNT
from typeahead.errors import TypeaheadError
from typeahead.search.fusion import METHODS
from typeahead.search.reuse import THRESHOLD
from typeahead.search.snippets import MIN_SNIPPET
from typeahead.server.process.addresses import read_networks

_DEFAULT_PORTS = {"http": 80, "https": 443}

#: Connections beside those of sessions, unless a number is given.
_OTHER_CONNECTIONS = 2000

#: Names of this machine that no page elsewhere can have: an address, or a name that browsers resolve themselves.
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class ConfigError(TypeaheadError, ValueError):
    """A setting that cannot be used; ``setting`` is its name."""

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(f"{setting} {message}")
        self.setting = setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Settings of a server. Raises :class:`ConfigError` for one that makes no sense."""

    host: str = "127.0.0.1"
    #: 0 takes a free port.
    port: int = 8765
    #: Whether the port is shared with another server of this user that shares it too: for upgrades, as both are
    #: searched meanwhile.
    share_port: bool = False
    #: Folder of the pages at ``/``; None for those that come with the package.
    web: Path | None = None

    #: Origins such as ``https://example.org`` whose pages may connect, beside the server's own; ``*`` for all of them.
    #: A request without an Origin header does not come from a page and is let through.
    allowed_origins: tuple[str, ...] = ()
    #: Names, without a port, that the Host header may hold beside ``localhost``, ``127.0.0.1``, ``[::1]``, ``host`` and
    #: the hosts of ``allowed_origins``. On a loopback address these are all: a page whose name was made to point here
    #: (DNS rebinding) is of its own origin, and only the name gives it away. On other addresses an empty tuple accepts
    #: any name, so put the public names here, and for a proxy that passes them on to a loopback address as well.
    allowed_hosts: tuple[str, ...] = ()
    #: Bearer token that sessions, searches and embeddings ask for, if any.
    token: str | None = field(default=None, repr=False)
    #: Bearer token of operators: it opens metrics, dashboard and exact timings, and all that :attr:`token` opens.
    #: Without one the first two go by :attr:`token`. Where strangers may come (:attr:`public`) and there is no token at
    #: all, nobody gets them.
    operator_token: str | None = field(default=None, repr=False)
    #: Whether every client is told with each reply where its time went, to the microsecond; otherwise operators alone.
    timings: bool = False
    #: Whether all who bring :attr:`token` share what is remembered of typed texts. That saves steps where many type the
    #: same, and lets each of them find out, by the time of a reply, what another has typed.
    shared_cache: bool = False

    #: Code points of a typed text.
    max_chars: int = 512
    #: Bytes of a websocket message. 512 code points written as JSON escapes take 6,144.
    max_frame_bytes: int = 16 << 10
    #: Websocket sessions at a time; further ones are closed with 1013.
    max_sessions: int = 10_000
    #: Connections of all kinds at a time; 0 for 2,000 more than sessions. Where all are taken a new one takes the place
    #: of the oldest silent one, or gets 503 where nobody is silent.
    max_connections: int = 0
    #: Connections at a time that have no request under way; beyond, the oldest makes room.
    max_silent_connections: int = 1000
    #: Connections of one address, or of one /64 under IPv6; 0 for any number.
    max_connections_per_address: int = 0
    #: Addresses or networks of proxies whose ``X-Forwarded-For`` or ``Forwarded`` says whose a connection is.
    trusted_proxies: tuple[str, ...] = ()
    #: Bytes of a request's head: its line and its headers. A trailer and the framing of a chunk have the same bound.
    max_head_bytes: int = 64 << 10
    #: Replies that one session may wait for. A client that asks for more is not read until some were sent.
    max_pending: int = 32
    #: Queries in one call of the index.
    max_search_batch: int = 64
    #: Queries that may wait for a search; beyond, keystrokes are answered with ``overloaded``.
    max_waiting_searches: int = 256
    #: Milliseconds that the server reads from its clients in one turn before keystrokes that need a step are answered
    #: with ``overloaded``: people wait at most about twice as long.
    max_turn_ms: float = 15.0
    #: Cosine of the embedding to that of the session's last search from which what that found is shown for a keystroke;
    #: 1 for no other embedding than the same. Enter always shows what its own search found.
    anytime: float = THRESHOLD
    #: Whether keystrokes are answered with what the whole text is going to find, where the encoder guesses that. Enter
    #: always shows what the text itself finds.
    look_ahead: bool = False
    #: Words of the index that a word which is being typed is taken for, so that keystrokes are answered with what the
    #: finished text is going to find; 0 for none. See :mod:`typeahead.core.completion`. Enter as above.
    complete: int = 0
    #: Whether words are searched beside vectors, and how both rankings become one: "off", "linear" or "rrf", see
    #: :mod:`typeahead.search.fusion`. With words every key is searched, as every key may change them.
    hybrid: Literal["off", "linear", "rrf"] = "off"
    #: Weight of the words in that, from 0 to 1.
    lexical_weight: float = 0.3
    #: Milliseconds that a search of the vectors waits for that of the words, at most.
    lexical_wait_ms: float = 5.0
    #: Hits for a client that does not say how many, and the most that it may ask for.
    default_k: int = 8
    max_k: int = 100
    #: Code points of a hit's text that are sent: its beginning, or what stands round the first match beyond that.
    snippet_chars: int = 300
    #: Queries that the search box offers while its field is empty.
    examples: tuple[str, ...] = ()
    #: Bytes of the cache of token prefixes.
    cache_bytes: int = 256 << 20

    #: Tokens beyond which a text is left to the fallback, if there is one; 0 for the length that the encoder was
    #: trained on, by its configuration.
    fallback_tokens: int = 0
    #: Texts that may be with the fallback at a time; further ones are left to the encoder, unless that has failed.
    fallback_queue: int = 16

    #: Bytes of an HTTP request's body.
    max_body_bytes: int = 1 << 20
    #: Texts in one request to ``/v1/embeddings``.
    max_inputs: int = 256
    #: Texts in one request to ``/v1/embed``; lines are not counted.
    max_batch: int = 4096
    #: Code points of each text in either.
    max_input_chars: int = 20_000
    #: HTTP requests for embeddings and searches at a time; further ones get 503.
    max_requests: int = 64
    #: Bodies of such requests that are read at a time, before they count as requests; further ones get 503.
    max_bodies: int = 256

    #: Reports of browsers on what people felt that are read in a second; further ones get 429. 0 reads none.
    client_reports: int = 100

    #: Whether OpenTelemetry traces are sent, to where ``OTEL_EXPORTER_OTLP_ENDPOINT`` says; needs the ``otel`` extra.
    otel: bool = False

    #: Seconds that a connection may go without a whole request head, at first and between requests.
    head_seconds: float = 10.0
    #: Seconds that the body of an HTTP request may take to come.
    body_seconds: float = 10.0
    #: Seconds without a message after which a session is closed.
    idle_seconds: float = 600.0
    #: Seconds that a client has for its hello, where there is a token.
    hello_seconds: float = 10.0
    #: Seconds without progress after which a client that does not read what it is sent is cut off.
    stall_seconds: float = 20.0
    #: Seconds between keep-alive pings, and to wait for an answer. Proxies cut what is silent for 60.
    ping_seconds: float = 20.0
    #: Seconds that pending replies have when the server is told to stop. It is gone at most 3 seconds later.
    drain_seconds: float = 5.0

    def __post_init__(self) -> None:
        if not self.host:
            raise ConfigError("host", "is empty: give an address to listen on, such as 127.0.0.1")
        if not 0 <= self.port <= 65535:
            raise ConfigError("port", f"is {self.port}: it has to be from 0 to 65535")
        for name in (
            "max_chars",
            "max_sessions",
            "max_silent_connections",
            "max_pending",
            "max_search_batch",
            "max_waiting_searches",
            "default_k",
            "max_k",
            "cache_bytes",
            "fallback_queue",
            "max_body_bytes",
            "max_inputs",
            "max_batch",
            "max_input_chars",
            "max_requests",
            "max_bodies",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(name, f"is {getattr(self, name)}: it has to be at least 1")
        for name in (
            "head_seconds",
            "body_seconds",
            "idle_seconds",
            "hello_seconds",
            "stall_seconds",
            "ping_seconds",
            "drain_seconds",
        ):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(name, f"is {getattr(self, name)}: it has to be a positive number of seconds")
        if not 0 < self.max_turn_ms < float("inf"):
            raise ConfigError("max_turn_ms", f"is {self.max_turn_ms}: it has to be a positive number of milliseconds")
        if not 0 < self.anytime <= 1:
            raise ConfigError("anytime", f"is {self.anytime}: a cosine above 0, and 1 at most")
        if self.hybrid not in ("off", *METHODS):
            raise ConfigError("hybrid", f"is {self.hybrid!r}: it has to be one of off, {', '.join(METHODS)}")
        if not 0 <= self.lexical_weight <= 1:
            raise ConfigError("lexical_weight", f"is {self.lexical_weight}: it has to be from 0 to 1")
        if not 0 <= self.lexical_wait_ms < float("inf"):
            raise ConfigError("lexical_wait_ms", f"is {self.lexical_wait_ms}: it cannot be negative or endless")
        if not 0 <= self.complete <= MAX_COUNT:
            raise ConfigError("complete", f"is {self.complete}: give 0 for no words, and {MAX_COUNT} at most")
        if self.client_reports < 0:
            raise ConfigError("client_reports", f"is {self.client_reports}: give 0 to read none")
        if self.fallback_tokens < 0:
            raise ConfigError("fallback_tokens", f"is {self.fallback_tokens}: give 0 for the encoder's own length")
        if self.max_connections_per_address < 0:
            number = self.max_connections_per_address
            raise ConfigError("max_connections_per_address", f"is {number}: give 0 for any number")
        if self.max_connections and self.max_connections < self.max_sessions:
            raise ConfigError(
                "max_connections",
                f"is {self.max_connections}, fewer than max_sessions, which is {self.max_sessions}: give more, or 0",
            )
        if self.max_head_bytes < 1024:
            raise ConfigError("max_head_bytes", f"is {self.max_head_bytes}: a browser's request alone may take 1024")
        try:
            read_networks(self.trusted_proxies)
        except ValueError as error:
            raise ConfigError("trusted_proxies", f"holds what is no address or network: {error}") from None
        if self.max_frame_bytes < 256:
            raise ConfigError("max_frame_bytes", f"is {self.max_frame_bytes}: a hello alone may take 256")
        if self.snippet_chars < MIN_SNIPPET:
            raise ConfigError("snippet_chars", f"is {self.snippet_chars}: it has to be at least {MIN_SNIPPET}")
        if self.default_k > self.max_k:
            raise ConfigError("default_k", f"is {self.default_k}, more than max_k, which is {self.max_k}")
        for name in ("token", "operator_token"):
            token = getattr(self, name)
            if token is not None and (not token or not token.isascii() or not token.isprintable()):
                raise ConfigError(name, "has to be printable ASCII, and not empty: it travels in an HTTP header")
        if self.operator_token is not None and self.operator_token == self.token:
            raise ConfigError("operator_token", "is that of clients too: give operators one of their own")
        if self.shared_cache and self.token is None:
            raise ConfigError("shared_cache", "is for people who trust each other: give them a token")
        for origin in self.allowed_origins:
            if origin != "*" and parse_origin(origin) is None:
                raise ConfigError(
                    "allowed_origins", f"holds {origin!r}: an origin is scheme://host[:port] without a path, or *"
                )
        for name in self.allowed_hosts:
            if _host_name(name) is None or (":" in name and not name.endswith("]")):
                raise ConfigError("allowed_hosts", f"holds {name!r}: give a name or an address, such as example.org")

    @property
    def public(self) -> bool:
        """Whether others than this machine's own users may reach the server, by its address or through a proxy."""
        return bool(self.allowed_hosts or self.allowed_origins) or not _is_loopback(self.host)

    @property
    def connections(self) -> int:
        """Connections of all kinds at a time."""
        return self.max_connections or self.max_sessions + _OTHER_CONNECTIONS

    @property
    def exposed(self) -> bool:
        """Whether other machines reach the server by its address, and need no token."""
        return self.token is None and not _is_loopback(self.host)

    def allows_host(self, host: str | None) -> bool:
        """Whether a request with this Host header is meant for this server, whoever sent it."""
        if "*" in self.allowed_origins or not (self.allowed_hosts or _is_loopback(self.host)):
            return True
        name = None if host is None else _host_name(host)
        if name is None:
            return False
        origins = (parse_origin(origin) for origin in self.allowed_origins)
        return (
            name in _LOOPBACK_NAMES
            or name == self.host.lower()
            or any(name == _host_name(allowed) for allowed in self.allowed_hosts)
            or any(origin is not None and name == origin[1] for origin in origins)
        )

    def allows(self, origin: str | None, host: str | None) -> bool:
        """Whether a request with these Origin and Host headers may be served.

        Behind a proxy that ends TLS the scheme is not known here, so the same origin means the same host and port.
        """
        if origin is None or "*" in self.allowed_origins:
            return True
        parsed = parse_origin(origin)
        if parsed is None:
            return False
        if any(parsed == parse_origin(allowed) for allowed in self.allowed_origins):
            return True
        scheme = parsed[0]
        return host is not None and parsed == parse_origin(f"{scheme}://{host}") and self.allows_host(host)


def _host_name(host: str) -> str | None:
    """Take the name out of a Host header, in lower case and without brackets; None for what is none."""
    origin = parse_origin(f"http://{host}")
    return None if origin is None else origin[1]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def parse_origin(origin: str) -> tuple[str, str, int] | None:
    """Split an origin (RFC 6454) into scheme, host and port; None for "null" and for what is none."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        return None
    if parts.path or parts.query or parts.fragment:
        return None
    return parts.scheme, parts.hostname, _DEFAULT_PORTS[parts.scheme] if port is None else port
