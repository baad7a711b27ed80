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


def test_hits_below_the_least_score_are_left_out_and_negative_ones_only_then() -> None:
    writer = HitWriter(40)
    hits = [Hit("a", 0.5, "t", "x", ""), Hit("b", 0.4999999, "t", "y", ""), Hit("c", -0.1, "t", "z", "")]

    def shown(least: float) -> list[str]:
        return [hit["id"] for hit in json.loads(writer.write(hits, "tea", min_score=least))]

    assert shown(0.0) == ["a", "b", "c"]
    # What counts is the score as it is sent.
    assert shown(0.5) == ["a", "b"]
    assert shown(0.6) == []


def test_a_row_says_how_many_copies_there_are_where_there_are_several() -> None:
    alone, copied = json.loads(HitWriter(40).write([Hit("a", 1.0, "", "", ""), Hit("b", 1.0, "", "", "", (), 3)], ""))
    assert "copies" not in alone
    assert copied["copies"] == 3


def test_corrected_words_are_marked_and_weighed() -> None:
    hit = Hit("a", 1.0, "Python", "and on " * 20 + "with files " + "and on " * 20 + "with python", "")
    (sent,) = json.loads(HitWriter(40).write([hit], "files pyhton", also=["python"], weights={"python": 5.0}))
    assert sent["marks"]["title"] == [[0, 6]]
    assert sent["text"].endswith("python")
