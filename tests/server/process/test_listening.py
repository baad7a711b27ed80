from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from typeahead.server import ListenError
from typeahead.server.process.listening import claim, listen, listener_port

pytestmark = pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="this system has no SO_REUSEPORT")


def kept(stack: ExitStack, sockets: list[socket.socket]) -> list[socket.socket]:
    for listener in sockets:
        stack.enter_context(listener)
    return sockets


def test_a_port_that_is_claimed_is_shared_by_those_who_ask_to_and_claimed_by_nobody_else() -> None:
    with ExitStack() as stack:
        claimed = kept(stack, claim("127.0.0.1", 0))
        port = listener_port(claimed)
        kept(stack, listen("127.0.0.1", port, shared=True))
        for _ in range(2):
            with pytest.raises(ListenError, match="the port is in use"):
                claim("127.0.0.1", port)
            with pytest.raises(ListenError, match="the port is in use"):
                listen("127.0.0.1", port)
            for listener in claimed:
                listener.close()
        kept(stack, listen("127.0.0.1", port, shared=True))


def test_a_port_that_somebody_has_alone_cannot_be_claimed_or_shared() -> None:
    with ExitStack() as stack:
        port = listener_port(kept(stack, listen("127.0.0.1", 0)))
        with pytest.raises(ListenError, match="the port is in use"):
            claim("127.0.0.1", port)
        with pytest.raises(ListenError, match="the port is in use"):
            listen("127.0.0.1", port, shared=True)


def test_connections_go_to_those_that_share_once_the_claim_is_closed() -> None:
    with ExitStack() as stack:
        claimed = claim("127.0.0.1", 0)
        port = listener_port(claimed)
        shares = [kept(stack, listen("127.0.0.1", port, shared=True))[0] for _ in range(2)]
        for listener in claimed:
            listener.close()
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(64)]
        taken = [0, 0]
        for number, share in enumerate(shares):
            try:
                while True:
                    stack.enter_context(share.accept()[0])
                    taken[number] += 1
            except BlockingIOError:
                continue
        assert sum(taken) == len(clients)
        assert all(taken)


def families(sockets: list[socket.socket]) -> set[str]:
    return {listener.getsockname()[0] for listener in sockets}


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize(
    ("host", "addresses"),
    [("localhost", {"127.0.0.1", "::1"}), ("LocalHost", {"127.0.0.1", "::1"}), ("::", {"0.0.0.0", "::"})],
)
def test_localhost_and_the_address_of_all_are_listened_on_in_both_families(host: str, addresses: set[str]) -> None:
    with ExitStack() as stack:
        sockets = kept(stack, listen(host, 0))
        assert families(sockets) == addresses
        port = listener_port(sockets)
        assert {listener.getsockname()[1] for listener in sockets} == {port}
        for address in ("127.0.0.1", "::1"):
            stack.enter_context(socket.create_connection((address, port)))


def test_without_ipv6_localhost_is_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    made = socket.socket

    def only_ipv4(family: int, *arguments: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return made(family, *arguments)

    monkeypatch.setattr(socket, "socket", only_ipv4)
    with ExitStack() as stack:
        assert families(kept(stack, listen("localhost", 0))) == {"127.0.0.1"}
