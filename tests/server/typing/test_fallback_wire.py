"""The fallback as clients of a whole server meet it."""

from __future__ import annotations

import pytest

from tests.server.fakes import BruteForceIndex, WholeEncoder
from tests.server.running import Client, metric, running


def hear_one(client: Client, **message: object) -> tuple[int, str, list[str]]:
    """Say something; the one reply's seq, encoder and titles."""
    client.say(**message)
    reply = client.hear()
    return reply["seq"], reply["encoder"], [hit["title"] for hit in reply["hits"]]


def test_the_fallback_gives_the_only_answer_of_a_text_that_came_at_once_and_enter_reorders_nothing() -> None:
    whole = WholeEncoder()
    with running(BruteForceIndex(), fallback=whole) as server, server.client() as client:
        client.say(hello={"quality": "best", "k": 3})
        agreed = client.hear()["hello"]
        assert (agreed["encoder"], agreed["fallback"], agreed["quality"]) == ("mean", "whole", "best")
        pasted = hear_one(client, seq=1, text="boil an egg")
        entered = hear_one(client, seq=2, submit=True)
        typed = hear_one(client, seq=3, text="boil an eggs")
        submitted = hear_one(client, seq=4, submit=True)
        assert [reply[:2] for reply in (pasted, entered, typed, submitted)] == [
            (1, "whole"),
            (2, "whole"),
            (3, "mean"),
            (4, "mean"),
        ]
        assert entered[2] == pasted[2]
        assert submitted[2] == typed[2]
        assert metric(server, 'typeahead_fallback_texts_total{reason="quality",outcome="served"}') == 1
        assert metric(server, "typeahead_fallback_duration_seconds_count") == 1
        assert metric(server, 'typeahead_submits_total{ready="true"}') == 2


def test_a_newer_key_overtakes_the_fallback_and_others_do_not_wait_for_it() -> None:
    whole = WholeEncoder()
    with running(BruteForceIndex(), fallback=whole) as server, server.client() as client, server.client() as other:
        whole.await_text()  # warming up
        client.say(hello={"quality": "best"})
        client.hear()
        whole.gate.clear()
        client.say(seq=1, text="boil an egg")
        whole.await_text()
        assert hear_one(other, seq=1, text="boil an egg")[:2] == (1, "mean")
        assert hear_one(client, seq=2, text="boil an eg")[:2] == (2, "mean")
        client.say(seq=3, text="bake some bread")
        client.say(seq=4, submit=True)
        client.say(seq=5, text="bake some breads")
        client.say(seq=6, submit=True)
        whole.gate.set()
        heard = [(reply["seq"], reply["encoder"]) for reply in client.hear_until(6)]
        # The submit of what was pasted has to be answered, so the paste's own answer is what it brings.
        assert heard == [(4, "whole"), (5, "mean"), (6, "mean")]


@pytest.mark.parametrize("how", ["broken", "sick"])
def test_when_the_encoder_fails_no_keystroke_is_lost(how: str, caplog: pytest.LogCaptureFixture) -> None:
    with running(BruteForceIndex(), fallback=WholeEncoder()) as server, server.client() as client:
        encoder = server.server.app._pipeline.engine.encoder
        assert hear_one(client, seq=1, text="tea")[1] == "mean"
        setattr(encoder, how, True)
        for seq, text in enumerate(["tea p", "tea po", "tea pot"], 2):
            assert hear_one(client, seq=seq, text=text)[:2] == (seq, "whole")
        assert hear_one(client, seq=5, submit=True)[1] == "whole"
        setattr(encoder, how, False)
        assert hear_one(client, seq=6, text="tea pots")[1] == "mean"
        assert metric(server, 'typeahead_fallback_texts_total{reason="failed",outcome="served"}') == 3
    failures = [record.getMessage() for record in caplog.records if record.name.startswith("typeahead")]
    assert len(failures) == 1
    assert "mean failed" in failures[0]
    assert "tea" not in failures[0]


def test_without_a_fallback_the_best_is_refused_and_a_sick_encoder_is_an_error() -> None:
    with running(BruteForceIndex()) as server, server.client() as client:
        client.say(hello={"quality": "best"})
        assert client.hear()["error"]["code"] == "bad_hello"
        client.say(hello={})
        assert client.hear()["hello"]["fallback"] is None
        server.server.app._pipeline.engine.encoder.sick = True  # type: ignore[attr-defined]
        client.say(seq=1, text="tea")
        assert client.hear()["error"]["code"] == "internal"
