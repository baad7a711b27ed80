"""The sockets that a server listens on: alone, or shared by the processes of one server.

The error for a port in use says what to do. Processes share a port by SO_REUSEPORT, and any server of the same user
could join them; :func:`claim` keeps a second one out.
"""

from __future__ import annotations

import errno
import socket

from typeahead.errors import TypeaheadError


class ListenError(TypeaheadError):
    """An address that cannot be listened on."""

    def __init__(self, host: str, port: int, message: str) -> None:
        super().__init__(f"cannot listen on {host}:{port}: {message}")
        self.host = host
        self.port = port


def listen(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Listen on every address of ``host``, so that clients find "localhost" by IPv4 and IPv6.

    ``shared`` lets other sockets of this user listen there too; the system gives each its part of the connections.
    Raises :class:`ListenError` if the address cannot be listened on, or not be shared.
    """
    if shared:
        _check_sharing(host, port)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ListenError(host, port, f"{error.strerror}: give an address of this machine as host") from error
    sockets: list[socket.socket] = []
    for family, kind, protocol, _, address in dict.fromkeys(found):
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
            listener.listen(2048)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRNOTAVAIL and family == socket.AF_INET6 and len(found) > 1:
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
