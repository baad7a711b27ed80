from __future__ import annotations

from ipaddress import ip_address

import pytest

from typeahead.server.process.addresses import forwarded_client, group, read_address, read_networks

PROXIES = read_networks(["10.0.0.0/8", "2001:db8:ffff::1"])
PROXY = ip_address("10.0.0.1")


def client(*headers: tuple[str, str]) -> str:
    return str(forwarded_client(PROXY, [(name.encode(), value.encode()) for name, value in headers], PROXIES))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1:4711 ", "192.0.2.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unknown", "None"),
        ("_hidden", "None"),
        ("", "None"),
    ],
)
def test_an_address_is_read_with_or_without_a_port(text: str, expected: str) -> None:
    assert str(read_address(text)) == expected


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        # Whoever sent it wrote what stands on the left.
        ("198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("198.51.100.1, 192.0.2.7, 10.1.1.1", "192.0.2.7"),
        ("10.9.9.9, 10.1.1.1", "10.9.9.9"),
        ("192.0.2.7, unknown", "10.0.0.1"),
        ("192.0.2.7, unknown, 10.1.1.1", "10.1.1.1"),
        ("2001:db8::5, 2001:db8:ffff::1", "2001:db8::5"),
    ],
)
def test_the_rightmost_address_that_is_no_trusted_proxys_counts(chain: str, expected: str) -> None:
    assert client(("x-forwarded-for", chain)) == expected
    elements = ", ".join(f'for="[{hop}]"' if ":" in hop else f"for={hop};proto=https" for hop in chain.split(", "))
    assert client(("forwarded", elements)) == expected


def test_several_lines_are_one_list() -> None:
    assert client(("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "192.0.2.7")) == "192.0.2.7"


def test_without_a_header_the_proxy_itself_is_the_client() -> None:
    assert client() == "10.0.0.1"


def test_two_headers_that_disagree_are_refused() -> None:
    assert client(("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=192.0.2.7")) == "192.0.2.7"
    with pytest.raises(ValueError, match="different clients"):
        client(("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=192.0.2.8"))


def test_addresses_of_one_ipv6_network_are_one_clients() -> None:
    assert group(ip_address("2001:db8::1")) == group(ip_address("2001:db8::2:3:4:5")) == "2001:db8::/64"
    assert group(ip_address("192.0.2.1")) != group(ip_address("192.0.2.2"))
