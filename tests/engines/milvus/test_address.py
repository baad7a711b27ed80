"""Addresses of collections, read; nothing is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from typeahead.engines.milvus.address import TOKEN, read_address
from typeahead.errors import AddressError


def test_an_address_names_a_server_and_a_collection() -> None:
    read = read_address("milvus://host/articles?title=headline&fields=year,tags&ef=200&database=news")
    assert (read.uri, read.file, read.collection, read.database) == ("http://host:19530", None, "articles", "news")
    assert (read.keys, read.fields, read.ef, read.nprobe) == ({"title": "headline"}, ("year", "tags"), 200, None)
    assert read_address("milvuss://host:1/a").uri == "https://host:1"
    assert read_address("milvus://[::1]/a").uri == "http://[::1]:19530"


def test_an_address_without_a_host_names_a_file() -> None:
    read = read_address("milvus:///data/milvus.db?collection=articles&words=no")
    assert (read.uri, read.file, read.collection, read.words) == (None, Path("/data/milvus.db"), "articles", False)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("milvus://host", "the path is the collection"),
        ("milvus://host/a/b", "the path is the collection"),
        ("milvus://host:x/a", "the port is no number"),
        ("milvus://:19530/a", "it names no host"),
        ("milvus:///data/milvus.db", "a file and a collection"),
        ("milvus:///data?collection=a", "a file and a collection"),
        ("milvus://host/a?ef=0", "ef is '0': give a number from 1 to 32768"),
        ("milvus://host/a?nprob=8", "did you mean nprobe"),
        ("milvus://host/a?similarity=l2", "give cosine or dot"),
        ("milvus://host/a?words=maybe", "give yes or no"),
    ],
)
def test_what_an_address_lacks_is_told(address: str, said: str) -> None:
    with pytest.raises(AddressError, match=said):
        read_address(address)


@pytest.mark.parametrize("address", ["milvus://root:secret@host/a", "milvus://host/a?token=secret"])
def test_secrets_are_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(AddressError, match=TOKEN) as told:
        read_address(address)
    assert "secret" not in str(told.value)
