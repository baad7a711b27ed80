"""Ids go to the database as one array, whatever they are."""

from __future__ import annotations

from tests.engines.postgres.conftest import Run
from typeahead.engines.postgres.statements import listed

STRANGE = ["", "a", '"', '","', "\\", '\\"', "NULL", "null", "{", "}", "a,b", " a ", "\n", "ä", "\U0001f600", "'", "%s"]


def test_the_database_reads_the_ids_that_were_listed(run: Run) -> None:
    for some in ([], ["a"], ["a", "b"], *([one] for one in STRANGE), STRANGE, STRANGE[::-1]):
        assert [key for (key,) in run("SELECT unnest(%s::text[])", [listed(some)])] == some
    assert [key for (key,) in run("SELECT unnest(%s::int8[])", [listed(["5", "-7"])])] == [5, -7]
