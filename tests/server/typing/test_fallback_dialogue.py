"""A dialogue, the pipeline and the fallback together, whatever is typed and whatever fails."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.fakes import MeanEncoder, WholeEncoder
from tests.server.falling import same, started
from typeahead.core.encoder import Encoder
from typeahead.server.typing.dialogue import Dialogue
from typeahead.wire.conversation import Conversation
from typeahead.wire.protocol import Limits
from typeahead.wire.replies import Reply, read_embedding

WORDS = st.lists(st.sampled_from(["tea", "pot", "x"]), max_size=8).map(" ".join)
ACTIONS: st.SearchStrategy[Any] = st.one_of(
    st.builds(dict, text=WORDS),
    st.builds(dict, edit=st.builds(lambda ins: {"at": 0, "del": 0, "ins": ins}, WORDS | st.sampled_from("ab"))),
    st.just({"submit": True}),
    st.sampled_from(["take", "turn", "hold", "go", "break encoder", "break whole", "mend"]),
)


@settings(max_examples=150)
@given(st.lists(ACTIONS, max_size=30), st.integers(1, 3))
async def test_whatever_fails_each_seq_has_one_answer_in_order_and_it_is_the_named_encoders(
    script: list[Any], room: int
) -> None:
    async with started(fallback_queue=room) as desk:
        news = asyncio.Event()
        dialogue = Dialogue(
            Conversation(Limits(fallback="whole")),
            desk.pipeline.engine.session(),
            desk.pipeline,
            desk.metrics,
            room=desk.room,
            greet=lambda _: b"{}",
            wake=news.set,
            clock=lambda: 0,
            max_pending=10**6,
        )
        dialogue.receive('{"hello": {"embedding": "float32", "quality": "best"}}')
        dialogue.take()
        taken: list[Reply] = []
        text, texts, keystroke, submits = "", {}, None, set()
        for seq, action in enumerate(script):
            if isinstance(action, dict):
                dialogue.receive(json.dumps({"seq": seq} | action))
                text = action.get("text", action["edit"]["ins"] + text if "edit" in action else text)
                texts[seq] = text
                if "submit" in action:
                    submits.add(seq)
                else:
                    keystroke = seq
            elif action == "take":
                taken += filter(None, (dialogue.take(),))
            elif action == "turn":
                await asyncio.sleep(0)
            elif action in ("hold", "go"):
                (desk.whole.gate.clear if action == "hold" else desk.whole.gate.set)()
            else:
                desk.encoder.broken = action == "break encoder"
                desk.whole.broken = action == "break whole"
        desk.whole.gate.set()
        dialogue.close(1012, "the end")
        async with asyncio.timeout(10):
            while not dialogue.finished:
                if reply := dialogue.take():
                    taken.append(reply)
                else:
                    await news.wait()
                    news.clear()
        replies = [json.loads(text) for text, _ in taken]
        numbers = [reply["seq"] for reply in replies]
        assert numbers == sorted(set(numbers))
        assert {keystroke, *submits} - {None} <= set(numbers)
        vectors = dict(read_embedding(b"".join(binary)) for _, binary in taken if binary is not None)
        encoders: dict[str, Encoder] = {"mean": MeanEncoder(), "whole": WholeEncoder()}
        for answer in replies:
            words = texts[answer["seq"]]
            if "error" in answer:
                assert answer["error"]["code"] == "internal"
            elif words:
                assert same(vectors[answer["seq"]], encoders[answer["encoder"]].encode([words])[0])
