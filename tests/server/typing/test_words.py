"""Words over the wire: a key, Enter and the HTTP API read a text in the same way, and so find the same."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.server.fakes import BruteForceIndex, MeanEncoder
from tests.server.running import PATIENCE, Running, metric, running
from typeahead.server import ConfigError, ServerConfig, create_app


def posted(server: Running, text: str) -> Any:
    reply = httpx.post(f"{server.http}/v1/search", json={"query": text}, timeout=PATIENCE)
    return reply.json()["hits"]


@pytest.mark.parametrize("settings", [{}, {"words": "off"}, {"complete": 0}, {"words": "off", "complete": 0}])
@pytest.mark.parametrize("text", ["bake bre", "bake bread", "bake bread ", "boil an egf", '"an egg" boil', "tie -egg "])
def test_a_key_enter_and_a_request_find_the_same(settings: dict[str, Any], text: str) -> None:
    with running(BruteForceIndex(), **settings) as server, server.client() as client:
        client.say(seq=1, text=text)
        typed = client.hear()
        before = metric(server, 'typeahead_searches_total{source="computed"}')
        client.say(seq=2, submit=True)
        entered = client.hear()
        assert (entered["hits"], entered["ready"]) == (typed["hits"], True)
        # Enter shows what stands there.
        assert metric(server, 'typeahead_searches_total{source="computed"}') == before
        assert posted(server, text) == typed["hits"]


def test_enter_alone_finds_what_a_key_finds() -> None:
    with running(BruteForceIndex()) as server, server.client() as client:
        client.say(hello={"search": "submit"})
        client.hear()
        client.say(seq=1, text="bake bre")
        assert "hits" not in client.hear()
        client.say(seq=2, submit=True)
        assert client.hear()["hits"] == posted(server, "bake bre")


def test_a_half_typed_word_is_found_in_words_and_as_what_it_may_become() -> None:
    with running(BruteForceIndex()) as server, server.client() as client:
        client.say(seq=1, text="brea")
        best = client.hear()["hits"][0]
        assert (best["title"], best["arms"]) == ("bake bread", ["dense", "lexical"])
    with running(BruteForceIndex(), words="off", complete=0) as server, server.client() as client:
        client.say(seq=1, text="brea")
        plain = client.hear()["hits"]
        assert {tuple(hit["arms"]) for hit in plain} == {("dense",)}
    with running(BruteForceIndex(), words="off") as server, server.client() as client:
        client.say(seq=1, text="brea")
        completed = client.hear()["hits"]
        assert completed[0]["title"] == "bake bread"
        assert completed[0]["score"] > plain[0]["score"]


def test_the_embedding_that_a_client_gets_is_that_of_the_text_as_it_stands() -> None:
    with running(BruteForceIndex()) as server, server.client() as client:
        client.say(hello={"embedding": "float32"})
        client.hear()
        client.say(seq=1, text="bake bre")
        client.hear()
        frame = client.hear()
        assert frame.endswith(MeanEncoder().encode(["bake bre"])[0].tobytes())


@pytest.mark.parametrize(("hybrid", "words"), [("off", False), ("linear", True), ("rrf", True)])
def test_the_earlier_setting_still_turns_words_on_and_off(hybrid: Any, words: bool) -> None:
    config = ServerConfig(hybrid=hybrid, words="off" if words else "on")
    assert config.searches_words is words


def test_settings_that_make_no_sense_are_refused() -> None:
    refused: list[dict[str, Any]] = [{"words": "some"}, {"complete": 33}, {"hybrid": "sum"}]
    for settings in refused:
        with pytest.raises(ConfigError, match=next(iter(settings))):
            ServerConfig(**settings)


def test_a_server_without_an_index_needs_no_words() -> None:
    create_app(ServerConfig(), MeanEncoder())
