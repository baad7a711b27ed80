"""Vectors and words in one reply: both arms start together, and neither waits for the other beyond a limit."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.fakes import BruteForceIndex, MeanEncoder
from tests.server.running import PATIENCE, eventually, metric, running
from typeahead.index import Document, build_index, embed, open_index
from typeahead.search.fusion import Fusion
from typeahead.server import ConfigError, ServerConfig, create_app

#: Longer than any test: for those in which nothing may come late.
PATIENT: dict[str, Any] = {"lexical_wait_ms": 1000 * PATIENCE}


@pytest.mark.parametrize("method", ["linear", "rrf"])
def test_each_hit_says_which_arm_found_it(method: str) -> None:
    index = BruteForceIndex()
    with running(index, hybrid=method, **PATIENT) as server, server.client() as client:
        client.say(seq=1, text="tie bread")
        hits = client.hear()["hits"]
        arms = {hit["title"]: hit["arms"] for hit in hits}
        assert arms["bake bread"] == arms["how to tie a tie"] == ["dense", "lexical"]
        assert arms["café au lait"] == ["dense"]
        client.say(seq=2, submit=True)
        entered = client.hear()
        assert (entered["hits"], entered["ready"]) == (hits, True)
        reply = httpx.post(f"{server.http}/v1/search", json={"query": "tie bread"}, timeout=PATIENCE).json()
        assert reply["hits"] == hits


def test_without_a_hybrid_no_word_is_looked_up_and_no_hit_says_an_arm() -> None:
    index = BruteForceIndex()
    with running(index) as server, server.client() as client:
        client.say(seq=1, text="tie")
        assert "arms" not in client.hear()["hits"][0]
    assert index.matched == []


def test_words_that_are_late_are_left_out_and_there_at_the_next_key() -> None:
    index = BruteForceIndex()
    with running(index, hybrid="linear", lexical_wait_ms=20.0) as server, server.client() as client:
        index.words_gate.clear()
        client.say(seq=1, text="bread")
        assert {tuple(hit["arms"]) for hit in client.hear()["hits"]} == {("dense",)}
        assert metric(server, 'typeahead_word_searches_total{outcome="late"}') >= 1
        index.words_gate.set()

        seqs = itertools.count(2)

        def both() -> bool:
            seq = next(seqs)
            client.say(seq=seq, text="bread" + " " * seq)
            hits = client.hear_until(seq)[-1]["hits"]
            return any(hit["arms"] == ["dense", "lexical"] for hit in hits)

        eventually(both)


def test_the_words_of_a_key_are_looked_up_while_the_vectors_are_searched() -> None:
    index = BruteForceIndex()
    with running(index, hybrid="rrf", **PATIENT) as server, server.client() as client:
        index.gate.clear()
        client.say(seq=1, text="bread")
        eventually(lambda: "bread" in index.matched)  # before any search has ended
        index.gate.set()
        assert client.hear()["seq"] == 1


def test_words_of_a_key_that_a_newer_one_overtook_are_not_looked_up() -> None:
    index = BruteForceIndex()
    with running(index, hybrid="linear", **PATIENT) as server, server.client() as client:
        index.words_gate.clear()
        client.say(seq=1, text="bake")
        eventually(lambda: "bake" in index.matched)
        for seq, text in enumerate(("bake b", "bake br", "bake bread"), 2):
            client.say(seq=seq, text=text)
        client.say(seq=5, submit=True)
        # All were heard, and each but the last was overtaken, before a look-up could begin.
        eventually(lambda: metric(server, 'typeahead_keystrokes_total{outcome="superseded"}') == 3)
        index.words_gate.set()
        assert client.hear_until(5)[-1]["hits"][0]["title"] == "bake bread"
    assert index.matched[-2:] == ["bake", "bake bread"]


def test_words_that_cannot_be_looked_up_leave_the_vectors_hits(caplog: pytest.LogCaptureFixture) -> None:
    index = BruteForceIndex()
    with running(index, hybrid="linear", **PATIENT) as server, server.client() as client:
        index.words_broken = True
        with caplog.at_level(logging.ERROR):
            client.say(seq=1, text="bread")
            assert {tuple(hit["arms"]) for hit in client.hear()["hits"]} == {("dense",)}
    assert "could not be looked up" in caplog.text


def test_a_name_that_no_vector_knows_is_found_by_its_beginning(tmp_path: Path) -> None:
    documents = [Document(f"{row}", "", f"a passage on subject {row}") for row in range(200)]
    documents.append(Document("code", "", "ERR_X7431 is thrown here"))
    build_index(documents, tmp_path / "index", MeanEncoder())
    settings = {"hybrid": "linear", "lexical_weight": 0.6, **PATIENT}
    with open_index(tmp_path / "index") as index:
        with running(embed(index, lexical_wait=PATIENCE), **settings) as server, server.client() as client:
            client.say(seq=1, text="subject err_x74")
            found = {hit["id"]: hit["arms"] for hit in client.hear()["hits"]}
        assert found["code"] == ["lexical"]
        # The same as the index by itself.
        dense = index.rank(MeanEncoder().encode(["subject err_x74"]), 100)[0]
        both = Fusion("linear", 0.6).fuse(dense, index.match("subject err_x74", 100), 8)
        assert [document.id for document in index.documents([hit.key for hit in both])] == list(found)


def test_settings_that_make_no_sense_are_refused() -> None:
    refused: list[dict[str, Any]] = [{"hybrid": "sum"}, {"lexical_weight": 1.5}, {"lexical_wait_ms": -1.0}]
    for settings in refused:
        with pytest.raises(ConfigError, match=next(iter(settings))):
            ServerConfig(**settings)
    with pytest.raises(ConfigError, match="no index"):
        create_app(ServerConfig(hybrid="rrf"), MeanEncoder())
