"""Unfinished words over the wire: a key finds what the finished text finds, Enter what the text finds as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.fakes import MeanEncoder
from tests.server.running import eventually, metric, running
from typeahead.index import Document, build_index, embed, open_index
from typeahead.server import ConfigError, ServerConfig, create_app

TEXTS = ["boil an egg", "bake bread", "break an egg", "bread and butter", "how to tie a tie"]


def test_a_key_finds_what_the_finished_text_finds_and_enter_what_the_text_finds(tmp_path: Path) -> None:
    build_index([Document(text, "", text) for text in TEXTS], tmp_path / "index", MeanEncoder())
    with open_index(tmp_path / "index") as index:
        # Two documents hold "bread", one "break".
        two, one = (MeanEncoder().encode([f"bake {word}"])[0] for word in ("bread", "break"))
        guess = two * 2**0.5 + one
        expected = index.rank((guess / (guess @ guess) ** 0.5)[None], 5)[0]
        ids = [document.id for document in index.documents([row for row, _ in expected])]
        with running(embed(index), complete=8) as server, server.client() as client:
            client.say(seq=1, text="bake bre")
            typed = client.hear()["hits"]
            assert [hit["id"] for hit in typed] == ids
            assert typed[0]["score"] == pytest.approx(expected[0][1], abs=1e-5)
            # The server's first, the guess's, and behind it the text's own, which Enter asks for.
            eventually(lambda: metric(server, 'typeahead_searches_total{source="computed"}') == 3)
            client.say(seq=2, submit=True)
            entered = client.hear()
            plain = index.search(MeanEncoder().encode(["bake bre"]), 5)[0]
            assert entered["ready"]
            assert [hit["score"] for hit in entered["hits"]] == pytest.approx([hit.score for hit in plain], abs=1e-5)


def test_without_an_index_there_are_no_words() -> None:
    with pytest.raises(ConfigError, match="no index that has words"):
        create_app(ServerConfig(complete=8), MeanEncoder())
