"""Origins and host names: which pages a request comes from, and which server it is meant for."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

#: Names of this machine that no page elsewhere can have: addresses, and a name that browsers resolve themselves.
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def parse_origin(origin: str) -> tuple[str, str, int] | None:
    """Split an origin (RFC 6454) into scheme, host and port; None for "null" and for anything that is not an origin."""
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


def host_name(host: str) -> str | None:
    """The name in a Host header, in lower case and without brackets or port; None if there is none."""
    origin = parse_origin(f"http://{host}")
    return None if origin is None else origin[1]


def is_bare_host(name: str) -> bool:
    """Whether this is a name or an address without a port."""
    return host_name(name) is not None and (":" not in name or name.endswith("]"))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on ``host``."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
