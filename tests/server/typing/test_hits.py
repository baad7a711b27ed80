from __future__ import annotations

import json

from tests.server.fakes import BruteForceIndex
from tests.server.watching import Watched, started
from typeahead.search.ranking import Hit
from typeahead.server.typing.hits import MAX_TITLE, MAX_URL, HitWriter
from typeahead.server.typing.query import Stage


def test_hits_are_cut_to_what_fits_on_a_page() -> None:
    writer = HitWriter(20)
    long = Hit("a", 0.123456789, "t" * 1_000_000, "🙂" * 21, "https://example.org/" + "u" * MAX_URL)
    short = Hit("b", 1.0, "t", "🙂" * 20, "u")
    first, second = json.loads(writer.write([long, short], "tea"))
    assert first == {
        "id": "a",
        "score": 0.123457,
        "title": "t" * (MAX_TITLE - 1) + "…",
        "text": "🙂" * 19 + "…",
        "url": "",
        "marks": {"title": [], "text": []},
    }
    assert (second["text"], second["url"]) == ("🙂" * 20, "u")


def test_marks_are_places_in_the_title_and_text_that_are_sent() -> None:
    writer = HitWriter(40)
    hit = Hit("a", 1.0, "🙂 Kettles for two", "on and on " * 20 + "until the kettle boils" + " and on" * 20, "")
    (sent,) = json.loads(writer.write([hit], "green kettle"))
    assert sent["marks"]["title"] == [[2, 8]]
    ((start, end),) = sent["marks"]["text"]
    assert sent["text"][start:end] == "kettle"


async def test_a_hit_shows_what_stands_round_the_querys_words() -> None:
    async with started(BruteForceIndex(text="it goes on and on until the tea is ready to drink")) as pipeline:
        query = await Watched(pipeline, "ready").reach(Stage.SEARCHED)
        assert {hit["text"] for hit in json.loads(query.hits)} == {"… is ready to drink"}
