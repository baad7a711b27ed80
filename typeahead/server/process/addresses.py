"""The address of a client: the peer's own, or the one that a trusted proxy gives.

``X-Forwarded-For`` and ``Forwarded`` (RFC 7239) are believed only as far as trusted proxies wrote them. Each proxy
appends the address that it was called from. So the client is the first address from the right that is not a trusted
proxy; that client wrote everything to the left of it, and may have written anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Under IPv6 a household or a server has a network of this size, and may use any address in it.
_IPV6_PREFIX: Final = 64
#: One parameter of RFC 7239: a name, and a token or a quoted string.
_FOR: Final = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;,"\s]*))', re.IGNORECASE)


def read_networks(names: Iterable[str]) -> tuple[Network, ...]:
    """Read addresses and networks such as ``10.0.0.0/8``. Raises ``ValueError`` for anything else."""
    return tuple(ip_network(name, strict=False) for name in names)


def read_address(text: str) -> Address | None:
    """Read an address, with or without a port and brackets. Return None for anything else, such as ``unknown``."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def group(address: Address) -> str:
    """Return what the addresses of one client have in common: the address itself, or its /64 under IPv6."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, _IPV6_PREFIX), strict=False))


def is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    """Return whether the address belongs to a trusted proxy."""
    return any(address in network for network in trusted)


def forwarded_client(
    proxy: Address | None, headers: Iterable[tuple[bytes, bytes]], trusted: Sequence[Network]
) -> Address | None:
    """Return the address of the client whose request came through the trusted ``proxy``.

    The proxy behind a unix socket is None, and so is its client where no header names one. A hop without an address
    counts as the proxy that reported it. Raises ``ValueError`` if both headers are there and name different clients: a
    proxy writes only one of them, so the client may have written the other.
    """
    chains: dict[bytes, list[str]] = {b"x-forwarded-for": [], b"forwarded": []}
    for name, value in headers:
        if name in chains:
            chains[name] += value.decode("latin-1").split(",")
    plain = chains[b"x-forwarded-for"]
    found = {_rightmost(proxy, plain, trusted)} if plain else set()
    if elements := chains[b"forwarded"]:
        matches = (_FOR.search(element.strip()) for element in elements)
        found.add(_rightmost(proxy, ["" if m is None else m[1] or m[2] or "" for m in matches], trusted))
    if len(found) > 1:
        raise ValueError("X-Forwarded-For and Forwarded name different clients: let the proxy drop one of them")
    return found.pop() if found else proxy


def _rightmost(proxy: Address | None, chain: Sequence[str], trusted: Sequence[Network]) -> Address | None:
    client = proxy
    for hop in reversed(chain):
        address = read_address(hop)
        if address is None:
            return client
        client = address
        if not is_trusted(client, trusted):
            return client
    return client
