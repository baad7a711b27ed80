from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.server.fakes import MeanEncoder, WholeEncoder
from typeahead.core.encoder import Encoder
from typeahead.errors import EncoderError, TextError
from typeahead.server.config import ServerConfig
from typeahead.server.http.embedder import ENCODE_CHUNK, Embedder
from typeahead.server.observe.metrics import Reason, ServerMetrics
from typeahead.server.typing.fallback import Fallback

LONG = "one two three four"


class Desk:
    """An embedder whose fallback takes texts of more than three tokens, and one request at a time."""

    def __init__(self) -> None:
        self.mean = MeanEncoder()
        self.whole = WholeEncoder()
        self.metrics = ServerMetrics("mean")
        config = ServerConfig(fallback_tokens=3, fallback_queue=1)
        self.embedder = Embedder(self.mean, Fallback(self.whole, self.mean, config, self.metrics))

    def count(self, reason: Reason, outcome: str) -> int:
        return self.metrics.fallback[reason, outcome].value

    async def check(self, texts: list[str], names: list[str], *, best: bool = False) -> None:
        """Every text's vector is that of the encoder which is expected for it."""
        vectors, found, tokens = await self.embedder.embed(self.mean, texts, best=best)
        assert found == names
        encoders: dict[str, Encoder] = {"mean": MeanEncoder(), "whole": WholeEncoder()}
        for text, name, vector in zip(texts, names, vectors, strict=True):
            assert vector.tolist() == encoders[name].encode([text])[0].tolist()
        assert tokens == sum(len(text.split()) for text in texts)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.whole.gate.set()
    desk.embedder.close()


async def test_each_text_of_a_request_has_the_encoder_that_its_length_asks_for(desk: Desk) -> None:
    texts = ["tea", LONG] * ENCODE_CHUNK
    await desk.check(texts, ["mean", "whole"] * ENCODE_CHUNK)
    assert desk.count(Reason.LONG, "served") == ENCODE_CHUNK


async def test_the_best_is_the_fallbacks(desk: Desk) -> None:
    await desk.check(["tea", LONG], ["whole", "whole"], best=True)


async def test_an_encoder_that_is_not_typed_to_is_left_alone(desk: Desk) -> None:
    assert not desk.embedder.has_fallback(desk.whole)
    _, names, _ = await desk.embedder.embed(MeanEncoder("passages"), [LONG])
    assert names == ["passages"]


@pytest.mark.parametrize("how", ["broken", "sick"])
async def test_what_the_encoder_fails_at_is_the_fallbacks(
    desk: Desk, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    setattr(desk.mean, how, True)
    await desk.check(["tea", LONG, "pot"], ["whole"] * 3)
    assert (desk.count(Reason.FAILED, "served"), desk.count(Reason.LONG, "served")) == (2, 1)
    assert len(caplog.records) == 1
    desk.whole.broken = True
    with pytest.raises(EncoderError):
        await desk.embedder.embed(desk.mean, ["tea"])


@pytest.mark.parametrize("how", ["broken", "sick"])
async def test_what_the_fallback_fails_at_is_the_encoders(
    desk: Desk, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    setattr(desk.whole, how, True)
    await desk.check(["tea", LONG], ["mean"] * 2)
    assert desk.count(Reason.LONG, "error") == 1
    (record,) = caplog.records
    assert LONG not in record.getMessage()


async def test_when_more_requests_run_than_it_takes_the_encoder_answers(desk: Desk) -> None:
    desk.whole.gate.clear()
    first = asyncio.create_task(desk.embedder.embed(desk.mean, [LONG]))
    await asyncio.to_thread(desk.whole.await_text)
    second = asyncio.create_task(desk.embedder.embed(desk.mean, [LONG]))
    await asyncio.sleep(0)
    desk.whole.gate.set()
    assert [(await task)[1] for task in (first, second)] == [["whole"], ["mean"]]
    assert desk.count(Reason.LONG, "shed") == 1


async def test_a_text_that_is_none_is_refused(desk: Desk) -> None:
    with pytest.raises(TextError):
        await desk.embedder.embed(desk.mean, ["tea", "\ud800"])
