"""Addresses of tables: what is ours, what is libpq's, and no password in what is shown."""

from __future__ import annotations

import pytest

from typeahead.engines.postgres.address import read_address, shown
from typeahead.errors import AddressError

LIBPQ = ("host", "sslmode", "target_session_attrs", "password")


def test_our_parameters_are_taken_and_the_others_are_those_of_libpq() -> None:
    read = read_address(
        "postgresql://me@one,two:5433/shop?table=news.articles&title=headline&fields=year,tags&sslmode=require"
        "&ef_search=80&words=no&target_session_attrs=any&hot=no&notify=changes",
        LIBPQ,
    )
    assert read.conninfo == "postgresql://me@one,two:5433/shop?sslmode=require&target_session_attrs=any"
    assert (read.schema_and_name, dict(read.columns), read.fields) == (
        ("news", "articles"),
        {"title": "headline"},
        ("year", "tags"),
    )
    assert (read.ef_search, read.probes, read.words) == (80, None, False)
    assert (read.hot, read.notify) == (0, "changes")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql://h/db", r"it names no table: add \?table=NAME"),
        ("postgresql://h/db?tabel=articles", "there is no parameter 'tabel': did you mean table?"),
        ("postgresql://h/db?table=a&ef_search=many", "ef_search is 'many': give a number from 1 to 1000"),
        ("postgresql://h/db?table=a&hot=all", "hot is 'all': give no, or a number from 0 to 10000000"),
        ("postgresql://h/db?table=a&words=perhaps", "words is 'perhaps': give yes or no"),
        ("postgresql://h/db?table=a&similarity=l2", "similarity is 'l2': give cosine or dot"),
    ],
)
def test_a_wrong_parameter_is_told_with_its_remedy(address: str, message: str) -> None:
    with pytest.raises(AddressError, match=message):
        read_address(address, LIBPQ)


@pytest.mark.parametrize(
    "address",
    ["postgresql://me:secret@host/db?table=a", "postgresql://me@host/db?table=a&password=secret"],
)
def test_what_is_shown_has_no_password(address: str) -> None:
    assert "secret" not in shown(address)
    assert "table=a" in shown(address)
    with pytest.raises(AddressError) as caught:
        read_address(address.replace("table", "x"), LIBPQ)
    assert "secret" not in str(caught.value)
