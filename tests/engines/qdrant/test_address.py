"""Addresses of collections."""

from __future__ import annotations

from pathlib import Path

import pytest

from typeahead.engines.qdrant.address import read_address
from typeahead.errors import AddressError


def test_an_address_names_a_server_and_a_collection() -> None:
    read = read_address("qdrant://one.example/news?title=metadata.title&fields=year,tags&vector=body&ef=200&words=no")
    assert (read.url, read.folder, read.collection) == ("http://one.example:6333", None, "news")
    assert (read.keys, read.fields, read.vector) == ({"title": "metadata.title"}, ("year", "tags"), "body")
    assert (read.ef, read.words, read.unverified) == (200, False, False)


def test_tls_ports_and_ipv6_are_read() -> None:
    assert read_address("qdrants://[::1]:7000/a%20b").url == "https://[::1]:7000"
    assert read_address("qdrants://[::1]:7000/a%20b").collection == "a b"


def test_a_folder_is_local_mode() -> None:
    read = read_address("qdrant:///var/some%20where?collection=news")
    assert (read.url, read.folder, read.collection) == (None, Path("/var/some where"), "news")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("qdrant://secret@host/news", "TYPEAHEAD_QDRANT_API_KEY"),
        ("qdrant://user:secret@host/news", "TYPEAHEAD_QDRANT_API_KEY"),
        ("qdrant://host/news?api_key=secret", "TYPEAHEAD_QDRANT_API_KEY"),
        ("qdrant://host/news?tittle=a", "did you mean title"),
        ("qdrant://host/news?colour=secret", "there is no parameter 'colour'"),
        ("qdrant://host", "the path is the collection"),
        ("qdrant://host/a/b", "the path is the collection"),
        ("qdrant://host/a?collection=b", "the path is the collection"),
        ("qdrant://host:port/a", "the port is no number"),
        ("qdrant://:6333/a", "names no host"),
        ("qdrant:///folder", "local mode is a folder and a collection"),
        ("qdrant:///?collection=a", "local mode is a folder and a collection"),
        ("qdrant://host/a?similarity=l2", "give cosine or dot"),
        ("qdrant://host/a?ef=0", "give a number from 1"),
        ("qdrant://host/a?words=maybe", "give yes or no"),
    ],
)
def test_what_cannot_be_read_is_told_without_secrets(address: str, said: str) -> None:
    with pytest.raises(AddressError, match=said) as told:
        read_address(address)
    assert "secret" not in str(told.value)
