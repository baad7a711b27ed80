from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.fakes import BruteForceIndex, MeanEncoder, WholeEncoder
from tests.server.falling import LONG, same, started
from typeahead.server.config import ConfigError, ServerConfig
from typeahead.server.observe.metrics import Reason, ServerMetrics
from typeahead.server.typing.fallback import AT_ONCE_CHARS, Fallback, came_at_once
from typeahead.server.typing.query import Stage, State


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "b", False),
        ("boil", "boil ", False),
        ("how to", "how to boil", False),
        ("how to boil", "how to bake", False),
        ("boil an egg", "boil", False),
        ("", "boil an", True),
        ("how to", "how to boil an egg", True),
        ("an egg", "an old hen's egg", True),
        ("aa", "aaaa", False),
        ("", "x" * (AT_ONCE_CHARS - 1), False),
        ("", "水" * AT_ONCE_CHARS, True),
        ("boil an egg", "boil an egg", False),
    ],
)
def test_a_text_came_at_once_where_two_words_or_many_characters_were_put_in(
    before: str, after: str, expected: bool
) -> None:
    assert came_at_once(before, after) is expected


@given(st.text("ab "), st.integers(0, 20), st.text("ab 水", max_size=1), st.integers(0, 3))
def test_a_key_never_came_at_once(text: str, at: int, key: str, deleted: int) -> None:
    assert not came_at_once(text, text[:at] + key + text[at + deleted :])


async def test_a_text_beyond_the_trained_length_is_encoded_whole_by_the_fallback() -> None:
    async with started(BruteForceIndex()) as desk:
        short, long = desk.ask("tea"), desk.ask(LONG, due=Stage.SEARCHED)
        assert (await short.answer()).encoder == "mean"
        query = await long.answer()
        assert query.encoder == "whole"
        assert same(query.embedding, WholeEncoder().encode([LONG])[0])
        assert query.hits != b"[]"
        assert desk.whole.texts == [LONG]
        assert desk.count(Reason.LONG, "served") == 1


@pytest.mark.parametrize(
    ("setting", "shape", "expected"), [(0, {}, 96), (0, {"trained_tokens": 60}, 60), (7, {"trained_tokens": 60}, 7)]
)
def test_the_trained_length_is_the_settings_or_the_models_or_that_of_the_recipes(
    setting: int, shape: dict[str, int], expected: int
) -> None:
    encoder = MeanEncoder()
    encoder.config = replace(encoder.config, shape=shape)
    fallback = Fallback(WholeEncoder(), encoder, ServerConfig(fallback_tokens=setting), ServerMetrics("mean"))
    assert fallback.wants(expected, best=False) is None
    assert fallback.wants(expected + 1, best=False) is Reason.LONG


async def test_the_best_is_the_fallbacks_but_not_for_a_text_without_a_token() -> None:
    async with started() as desk:
        assert (await desk.ask("tea pot", best=True).answer()).encoder == "whole"
        assert (await desk.ask(" ", best=True).answer()).encoder == "mean"
        assert desk.count(Reason.QUALITY, "served") == 1


@pytest.mark.parametrize("how", ["broken", "sick"])
async def test_what_the_encoder_fails_at_is_answered_by_the_fallback_with_one_line_a_minute(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(BruteForceIndex()) as desk:
        setattr(desk.encoder, how, True)
        together = [desk.ask(text, due=Stage.SEARCHED) for text in ("private tea", "private pot")]
        for asked in together:
            query = await asked.answer()
            assert (query.encoder, query.state) == ("whole", State.FOUND)
            assert same(query.embedding, WholeEncoder().encode([query.text])[0])
        assert desk.count(Reason.FAILED, "served") == 2
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert "mean failed" in record.getMessage()
        assert record.exc_info is None
        desk.now_ns += 60 * 10**9
        await desk.ask("private cup").answer()
        assert len(caplog.records) == 2
        assert "private" not in caplog.text
        setattr(desk.encoder, how, False)
        assert (await desk.ask("private tea").answer()).encoder == "mean"


@pytest.mark.parametrize("how", ["broken", "sick"])
async def test_what_the_fallback_fails_at_is_the_encoders_although_more_was_typed(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with started() as desk:
        setattr(desk.whole, how, True)
        desk.whole.gate.clear()
        asked = desk.ask("private tea pot", best=True)
        await asyncio.to_thread(desk.whole.await_text)
        asked.session.set_text("something else")
        desk.whole.gate.set()
        query = await asked.answer()
        assert query.encoder == "mean"
        assert same(query.embedding, MeanEncoder().encode(["private tea pot"])[0])
        assert desk.count(Reason.QUALITY, "error") == 1
        assert "whole failed" in caplog.text
        assert "private" not in caplog.text


async def test_where_both_fail_the_query_fails_and_may_be_tried_again() -> None:
    async with started() as desk:
        desk.encoder.broken = desk.whole.broken = True
        for best in (False, True):
            asked = desk.ask("tea pot", best=best)
            assert (await asked.answer()).state.failed
            assert len(desk.whole.texts) == 1 + best
        desk.whole.broken = False
        assert asked.query.entered(Stage.STEPPED)
        desk.pipeline.step(asked.query)
        assert (await asked.answer()).encoder == "whole"


async def test_when_it_is_full_the_encoder_answers_at_once_unless_it_fails() -> None:
    async with started(fallback_queue=2) as desk:
        desk.whole.gate.clear()
        waiting = [desk.ask(LONG), desk.ask("tea pot", best=True)]
        for asked in (desk.ask(LONG), desk.ask("tea pot", best=True), desk.ask("tea")):
            assert (await asked.answer()).encoder == "mean"
        assert (desk.count(Reason.LONG, "shed"), desk.count(Reason.QUALITY, "shed")) == (1, 1)
        desk.encoder.broken = True
        waiting += [desk.ask("new"), desk.ask(LONG + " new")]  # they have no other place
        await asyncio.sleep(0)
        desk.whole.gate.set()
        for asked in waiting:
            assert (await asked.answer()).encoder == "whole"


async def test_a_text_that_found_no_room_stays_the_encoders_although_there_is_room_when_enter_comes() -> None:
    async with started(fallback_queue=1) as desk:
        desk.whole.gate.clear()
        busy, asked = desk.ask(LONG), desk.ask("tea pot", best=True)
        desk.pipeline.drop(busy.query)
        desk.pipeline.step(asked.query)
        assert asked.query not in desk.fallback
        assert (await asked.answer()).encoder == "mean"


async def test_a_text_that_nobody_wants_is_not_encoded_and_makes_room() -> None:
    async with started(BruteForceIndex(), fallback_queue=2) as desk:
        desk.whole.gate.clear()
        busy, waiting = desk.ask(LONG, due=Stage.SEARCHED), desk.ask(LONG + " more")
        await asyncio.to_thread(desk.whole.await_text)
        desk.pipeline.drop(busy.query)
        desk.pipeline.drop(waiting.query)
        last = desk.ask(LONG + " last")
        desk.whole.gate.set()
        assert (await last.answer()).encoder == "whole"
        assert desk.whole.texts == [LONG, LONG + " last"]
        assert (busy.query.stage, waiting.query.stage) == (Stage.TYPED, Stage.TYPED)
        assert desk.count(Reason.LONG, "dropped") == 2
        assert desk.count(Reason.LONG, "served") == 1


async def test_keystrokes_of_others_are_answered_while_it_is_busy() -> None:
    async with started(BruteForceIndex()) as desk:
        desk.whole.gate.clear()
        busy = desk.ask(LONG, due=Stage.SEARCHED)
        await asyncio.to_thread(desk.whole.await_text)
        for text in ("t", "te", "tea"):
            assert (await desk.ask(text, due=Stage.SEARCHED).answer()).encoder == "mean"
        assert busy.query.stage is Stage.TYPED
        desk.whole.gate.set()
        assert (await busy.answer()).encoder == "whole"


async def test_stepping_or_asking_again_leaves_a_text_with_the_fallback() -> None:
    async with started() as desk:
        desk.whole.gate.clear()
        asked = desk.ask(LONG)
        await asyncio.to_thread(desk.whole.await_text)
        desk.pipeline.step_now(asked.query)
        desk.pipeline.step(asked.query)
        assert asked.query.stage is Stage.TYPED
        desk.whole.gate.set()
        assert (await asked.answer()).encoder == "whole"
        assert desk.whole.texts == [LONG]


async def test_latency_counts_from_the_arrival() -> None:
    async with started() as desk:
        desk.whole.gate.clear()
        asked = desk.ask(LONG)
        await asyncio.to_thread(desk.whole.await_text)
        desk.now_ns += 2 * 10**9
        desk.whole.gate.set()
        assert (await asked.answer()).step_ns == 2 * 10**9
        assert "typeahead_fallback_duration_seconds_sum 2.0" in desk.metrics.registry.render()


@pytest.mark.parametrize(
    ("fallback", "named"),
    [
        (WholeEncoder("mean"), "is mean, as the encoder is"),
        (MeanEncoder("fold"), "fold is of family 'recurrent'"),
        (WholeEncoder(teacher="other"), r"'other'.*'teacher'"),
        (WholeEncoder(dim=8), "8 dimensions"),
    ],
)
def test_a_model_that_cannot_stand_in_is_refused(fallback: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        Fallback(fallback, MeanEncoder(), ServerConfig(), ServerMetrics("mean"))
    assert caught.value.setting == "fallback"
