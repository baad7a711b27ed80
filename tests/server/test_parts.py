"""An index in parts, one of which goes away, as clients see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from tests.server.running import PATIENCE, metric, running
from tests.server.shelf import DOCUMENTS, Shelf
from typeahead.engines.parts.backend import PartedBackend
from typeahead.errors import BackendAway
from typeahead.search.port import Candidates, Request


class Leaving(Shelf):
    """Documents that cannot be searched while it is away."""

    away = False

    async def candidates(self, requests: Sequence[Request], deadline: float) -> list[Candidates]:
        if self.away:
            raise BackendAway(self.address, "it is gone")
        return await super().candidates(requests, deadline)


def test_a_key_enter_and_a_request_say_that_hits_may_be_missing_until_the_part_is_back() -> None:
    leaving = Leaving(DOCUMENTS[9:])
    with running(PartedBackend([Shelf(DOCUMENTS[:9]), leaving])) as server, server.client() as client:

        def replies(seq: int, text: str) -> list[Any]:
            client.say(seq=seq, text=text)
            typed = client.hear_until(seq)[-1]
            client.say(seq=seq + 1, submit=True)
            posted = httpx.post(f"{server.http}/v1/search", json={"query": text}, timeout=PATIENCE).json()
            return [typed, client.hear_until(seq + 1)[-1], posted]

        assert not any("partial" in one for one in replies(1, "recipe"))
        leaving.away = True
        for one in replies(3, "apricot jam"):
            assert one["partial"] is True
            assert {hit["id"][0] for hit in one["hits"]} == {"a"}
        assert metric(server, "typeahead_partial_searches_total") == 2
        leaving.away = False
        # What was found without it does not stand for the next key.
        for one in replies(5, "apricot jam "):
            assert "partial" not in one
            assert "b" in {hit["id"][0] for hit in one["hits"]}


def test_where_all_parts_are_away_a_key_is_an_error_and_the_server_goes_on() -> None:
    parts = [Leaving(DOCUMENTS[:9]), Leaving(DOCUMENTS[9:])]
    with running(PartedBackend(parts)) as server, server.client() as client:
        for one in parts:
            one.away = True
        client.say(seq=1, text="apple")
        assert client.hear_until(1)[-1]["error"]["code"] == "internal"
        for one in parts:
            one.away = False
        client.say(seq=2, text="apple p")
        assert client.hear_until(2)[-1]["hits"]
