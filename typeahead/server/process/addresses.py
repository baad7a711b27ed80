"""Whose connection it is: the peer's address, or what a trusted proxy says of it.

``X-Forwarded-For`` and ``Forwarded`` (RFC 7239) are believed only as far as trusted proxies wrote them: each appends
the address that it was called from, so from the right end the first address that is no trusted proxy counts. What
stands left of it was written by that client, who may write anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: A household or a server has a network of this size under IPv6, and any address in it.
_IPV6_PREFIX: Final = 64
#: One parameter of RFC 7239: a name, and a token or a quoted string.
_FOR: Final = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;,"\s]*))', re.IGNORECASE)


def read_networks(names: Iterable[str]) -> tuple[Network, ...]:
    """Read addresses and networks such as ``10.0.0.0/8``; ``ValueError`` for what is neither."""
    return tuple(ip_network(name, strict=False) for name in names)


def read_address(text: str) -> Address | None:
    """Read an address with or without a port and brackets; None for what is none, such as ``unknown``."""
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
    """What addresses of one client have in common: the address itself, or its /64 under IPv6."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, _IPV6_PREFIX), strict=False))


def is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    """Whether it is that of a trusted proxy."""
    return any(address in network for network in trusted)


def forwarded_client(proxy: Address, headers: Iterable[tuple[bytes, bytes]], trusted: Sequence[Network]) -> Address:
    """The address of the client that a request came from by way of the trusted ``proxy``.

    A hop that gives no address counts as the proxy that reported it. Raises ``ValueError`` where both headers are there
    and name different clients: a proxy writes one of them, and whoever calls it may have written the other.
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


def _rightmost(proxy: Address, chain: Sequence[str], trusted: Sequence[Network]) -> Address:
    client = proxy
    for hop in reversed(chain):
        address = read_address(hop)
        if address is None:
            return client
        client = address
        if not is_trusted(client, trusted):
            return client
    return client
