"""How many connections the system lets this process have, and the settings fitted to that."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Final

from typeahead.server.config import ServerConfig

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

#: Descriptors that are left for files: pages that are being sent, SQLite's, and connections that are being closed.
_RESERVE: Final = 64
#: Connections that sessions leave to everything else, such as probes and pages; a quarter where there are few.
_OTHERS: Final = 128


def raise_limit() -> int | None:
    """Raise the limit on open files as far as this user may; return it, or None where there is none."""
    if resource is None:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):  # macOS gives a hard limit without end, and takes none
            pass
    return None if soft == resource.RLIM_INFINITY else soft


def room(limit: int) -> int:
    """Return how many connections fit under a limit on open files, besides the files that are open now."""
    return max(1, limit - _open_files() - _RESERVE)


def fitted(config: ServerConfig, limit: int | None, *, warn: bool = True) -> ServerConfig:
    """Lower the numbers of connections and sessions to fit ``limit``, and ``warn`` if there will be fewer sessions."""
    if limit is None:
        return config
    connections = room(limit)
    sessions = max(1, connections - min(_OTHERS, connections // 4))
    if warn and sessions < config.max_sessions:
        log.warning(
            "max_sessions is %d, but this process may have only %d files open: it takes %d sessions. Raise ulimit -n",
            config.max_sessions,
            limit,
            sessions,
        )
    return replace(
        config,
        max_sessions=min(config.max_sessions, sessions),
        max_silent_connections=min(config.max_silent_connections, connections),
        max_connections=min(config.connections, connections),
    )


def _open_files() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        if Path(folder).is_dir():
            return sum(1 for _ in Path(folder).iterdir())
    return _RESERVE
