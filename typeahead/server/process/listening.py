"""The sockets that a server listens on: alone, or shared by the processes of one server.

The error for a port in use says what to do. Processes share a port by SO_REUSEPORT, and any server of the same user
could join them; :func:`claim` keeps a second one out.
"""

from __future__ import annotations

import errno
import socket
from typing import Any, Final

from typeahead.errors import TypeaheadError

#: Connections that may wait to be accepted.
BACKLOG: Final = 2048

#: Hosts that stand for one address of each family. The resolver is not asked: many machines, and most containers, know
#: "localhost" only as 127.0.0.1, while their browsers and proxies try ::1 first.
_BOTH_FAMILIES: Final = {"localhost": ("127.0.0.1", "::1"), "::": ("0.0.0.0", "::")}
#: Free ports to try until one is free in both families.
_TRIES: Final = 16


class ListenError(TypeaheadError):
    """An address that cannot be listened on. ``port`` is None for a unix socket, whose path is ``host``."""

    def __init__(self, host: str, port: int | None, message: str) -> None:
        super().__init__(f"cannot listen on {host if port is None else f'{host}:{port}'}: {message}")
        self.host = host
        self.port = port


def listen(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Listen on every address of ``host``: "localhost" is 127.0.0.1 and ::1, and "::" is every address of the machine.

    A family that the machine does not have is left out. ``shared`` lets other sockets of this user listen there too;
    the system gives each its part of the connections. Raises :class:`ListenError` if the address cannot be listened
    on, or not be shared.
    """
    if shared:
        _check_sharing(host, port)
    addresses = _addresses(host, port)
    tries = _TRIES if port == 0 and len(addresses) > 1 else 1
    for left in range(tries - 1, -1, -1):
        try:
            return _listen(host, port, addresses, shared)
        except ListenError as error:
            # The free port of the first address may be another server's on the second.
            taken = isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE
            if not (left and taken):
                raise
    raise AssertionError("the last try returns or raises")


def _addresses(host: str, port: int) -> list[Any]:
    """What ``getaddrinfo`` says about a host, or about both of its addresses."""
    found: list[Any] = []
    for name in _BOTH_FAMILIES.get(host.lower(), (host,)):
        try:
            found += socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except OSError as error:
            raise ListenError(host, port, f"{error.strerror}: give an address of this machine as host") from error
    return list(dict.fromkeys(found))


def _listen(host: str, port: int, addresses: list[Any], shared: bool) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    for family, kind, protocol, _, address in addresses:
        try:
            listener = socket.socket(family, kind, protocol)
        except OSError:  # a family that this machine does not have, such as IPv6 in a container
            continue
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # Port 0 means any port, but the same one for all addresses.
            listener.bind((address[0], listener_port(sockets) or port, *address[2:]))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRNOTAVAIL and family == socket.AF_INET6 and len(addresses) > 1:
                continue
            for other in sockets:
                other.close()
            raise ListenError(host, port, _advice(error, port)) from error
        listener.setblocking(False)
        sockets.append(listener)
    if not sockets:
        raise ListenError(host, port, "this machine has no such address: give another host")
    return sockets


def claim(host: str, port: int) -> list[socket.socket]:
    """Listen on a port that nobody else uses, so that this server's other sockets can join and no other server's.

    Sharing alone would let a second server of this user in unnoticed. These sockets are alone on the address when they
    begin to listen; the system decides that, even between two servers that start at once. Close them as soon as the
    others listen: connections that come to them are lost.
    """
    _check_sharing(host, port)
    sockets = listen(host, port)
    for listener in sockets:
        # From now on others may join who also share; a later claim finds the port in use.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return sockets


def listener_port(sockets: list[socket.socket]) -> int:
    """Return the port of the sockets, or 0 if there are none yet."""
    return int(sockets[0].getsockname()[1]) if sockets else 0


def _check_sharing(host: str, port: int) -> None:
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ListenError(host, port, "this system does not share a port among processes: use one worker")


def _advice(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is in use: stop what uses it, or give another port (0 takes a free one)"
    if error.errno == errno.EACCES:
        return f"no permission: ports below 1024 need a privileged user, so give one from 1024 up instead of {port}"
    return f"{error.strerror}: give an address of this machine as host"
