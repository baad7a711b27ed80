"""Bounds of everything that clients can make the server hold, and how long it waits for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from typeahead.settings.declaring import ConfigError, Group, setting

SESSIONS: Final = Group("limits of typing sessions")
CONNECTIONS: Final = Group("limits of connections")
REQUESTS: Final = Group("limits of HTTP requests")
WRITES: Final = Group("limits of writes")
FALLBACK: Final = Group("limits of the fallback")
TIMEOUTS: Final = Group("timeouts")

#: Connections beside those of sessions, unless a number is given.
_OTHER_CONNECTIONS: Final = 2000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Settings that bound memory, work and waiting."""

    max_chars: int = setting(512, "Longest typed text, in code points.", group=SESSIONS, least=1)
    max_frame_bytes: int = setting(
        16 << 10,
        "Longest websocket message, in bytes. 512 code points written as JSON escapes take 6,144.",
        group=SESSIONS,
        least=256,
        why="a hello alone may take 256",
    )
    max_sessions: int = setting(
        10_000, "Typing sessions at a time. Further ones are closed with code 1013.", group=SESSIONS, least=1
    )
    max_rooms: int = setting(
        64,
        "Filters of signed tokens, and combinations of indexes, that can be searched at a time. Each takes memory for "
        "its documents and words. The one that nobody has used for the longest time is closed when another is needed.",
        group=SESSIONS,
        least=1,
    )
    max_pending: int = setting(
        32,
        "Replies that one session may wait for. The server stops reading from a client that has reached this.",
        group=SESSIONS,
        least=1,
    )
    max_search_batch: int = setting(16, "Queries in one call of the index.", group=SESSIONS, least=1)
    max_waiting_searches: int = setting(
        256,
        "Queries that may wait for a search. Beyond that, keystrokes are answered with 'overloaded'.",
        group=SESSIONS,
        least=1,
    )
    search_seconds: float = setting(
        10.0,
        "Longest time for one search, in seconds. After that its queries fail, and the log says so.",
        group=SESSIONS,
        above=0,
        unit="seconds",
    )
    max_turn_ms: float = setting(
        15.0,
        "Time the server reads from clients in one turn, in milliseconds. After that, keystrokes that need an encoder "
        "step are answered with 'overloaded'. Nobody waits much more than twice this long.",
        group=SESSIONS,
        above=0,
        unit="milliseconds",
    )
    cache_bytes: int = setting(256 << 20, "Size of the cache of typed texts, in bytes.", group=SESSIONS, least=1)

    max_connections: int = setting(
        0,
        "Connections of all kinds at a time. 0 allows 2,000 more than max_sessions. When all are taken, a new "
        "connection replaces the oldest silent one, or gets 503 if none is silent.",
        group=CONNECTIONS,
        least=0,
        why="0 allows 2,000 more than max_sessions",
    )
    max_silent_connections: int = setting(
        1000,
        "Connections without a request in progress. Beyond that, the oldest is closed.",
        group=CONNECTIONS,
        least=1,
    )
    max_connections_per_address: int = setting(
        0,
        "Connections from one address, or from one /64 network under IPv6. 0 sets no limit.",
        group=CONNECTIONS,
        least=0,
        why="0 sets no limit",
    )
    max_head_bytes: int = setting(
        64 << 10,
        "Longest head of a request, in bytes: its first line and its headers. Trailers and chunk framing have the same "
        "limit.",
        group=CONNECTIONS,
        least=1024,
        why="a browser's request alone may take 1024",
    )

    max_body_bytes: int = setting(1 << 20, "Longest body of an HTTP request, in bytes.", group=REQUESTS, least=1)
    max_inputs: int = setting(256, "Texts in one request to /v1/embeddings.", group=REQUESTS, least=1)
    max_batch: int = setting(
        4096, "Texts in one request to /v1/embed. Texts sent as lines are not counted.", group=REQUESTS, least=1
    )
    max_input_chars: int = setting(
        20_000, "Longest text in a request for embeddings, in code points.", group=REQUESTS, least=1
    )
    max_requests: int = setting(
        64, "HTTP searches and embedding requests at a time. Further ones get 503.", group=REQUESTS, least=1
    )
    max_bodies: int = setting(
        256,
        "Request bodies that are read at a time, before they count as requests. Further ones get 503.",
        group=REQUESTS,
        least=1,
    )

    max_write_bytes: int = setting(
        256 << 20,
        "Longest body of a request that writes documents, in bytes. The documents are read as they come.",
        group=WRITES,
        least=1,
    )
    max_document_bytes: int = setting(
        10 << 20,
        "Longest document in such a body, in bytes of JSON. A longer one is refused, and the others are written.",
        group=WRITES,
        least=1,
    )
    max_write_documents: int = setting(
        100_000, "Documents in one request that writes, good or bad.", group=WRITES, least=1
    )
    max_writes: int = setting(
        16, "Requests at a time that read or change documents. Further ones get 429.", group=WRITES, least=1
    )

    fallback_tokens: int = setting(
        0,
        "Leave texts of more tokens than this to the fallback, if there is one. 0 takes the length that the encoder "
        "was trained on.",
        group=FALLBACK,
        least=0,
        why="0 takes the encoder's own length",
    )
    fallback_queue: int = setting(
        16,
        "Texts that the fallback may have at a time. The encoder takes further ones, unless it has failed on them.",
        group=FALLBACK,
        least=1,
    )

    head_seconds: float = setting(
        10.0,
        "Seconds that a connection has to send a whole request head, at first and between requests.",
        group=TIMEOUTS,
        above=0,
        unit="seconds",
    )
    body_seconds: float = setting(
        10.0, "Seconds that a client has to send a request body.", group=TIMEOUTS, above=0, unit="seconds"
    )
    hello_seconds: float = setting(
        10.0,
        "Seconds that a client has to send its hello, where a token is needed.",
        group=TIMEOUTS,
        above=0,
        unit="seconds",
    )
    idle_seconds: float = setting(
        600.0, "Seconds without a message after which a session is closed.", group=TIMEOUTS, above=0, unit="seconds"
    )
    stall_seconds: float = setting(
        20.0,
        "Seconds without progress after which a client that does not read its replies is cut off.",
        group=TIMEOUTS,
        above=0,
        unit="seconds",
    )
    ping_seconds: float = setting(
        20.0,
        "Seconds between keep-alive pings, and to wait for the answer. Many proxies cut connections that are silent "
        "for 60 seconds.",
        group=TIMEOUTS,
        above=0,
        unit="seconds",
    )
    notice_seconds: float = setting(
        0.0,
        "Seconds that a server goes on as before when it is told to stop. Only /readyz says 503 meanwhile, for proxies "
        "that send people on when they see it.",
        group=TIMEOUTS,
        least=0,
        unit="seconds",
    )
    drain_seconds: float = setting(
        5.0,
        "Seconds that the sessions have to end when the server is told to stop. They are closed a few at a time within "
        "half of it, and the server ends at most 3 seconds after it.",
        group=TIMEOUTS,
        above=0,
        unit="seconds",
    )

    @property
    def connections(self) -> int:
        """Connections of all kinds at a time."""
        return self.max_connections or self.max_sessions + _OTHER_CONNECTIONS

    def check_limits(self) -> None:
        """Raise :class:`ConfigError` for settings that contradict each other."""
        if self.max_connections and self.max_connections < self.max_sessions:
            raise ConfigError(
                "max_connections",
                f"is {self.max_connections}, less than max_sessions, which is {self.max_sessions}: raise it, or set 0",
                others=("max_sessions",),
            )
