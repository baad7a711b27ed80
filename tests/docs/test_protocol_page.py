"""``docs/protocol.md`` against the protocol itself: what it lets a client send is accepted, and no code is missing."""

from __future__ import annotations

import json
import re
from itertools import takewhile

from tests.conftest import ROOT
from tests.docs.documents import blocks
from typeahead.wire import protocol
from typeahead.wire.conversation import Conversation
from typeahead.wire.protocol import Dtype, Limits, SearchMode

PAGE = ROOT / "docs" / "protocol.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_messages_of_the_example_are_a_conversation() -> None:
    spoken = [block for block in blocks(PAGE) if block.language == "json" and block.text.startswith('{"hello": {"')]
    clients = [block for block in spoken if '"protocol"' not in block.text]
    assert len(clients) == 2
    for client in clients:
        conversation = Conversation(Limits())
        for line in client.text.splitlines():
            conversation.receive(line)


def test_every_field_of_a_hello_is_explained() -> None:
    hello = TEXT.partition("The hello:")[2]
    rows = takewhile(lambda line: not line or line.startswith("|"), hello.splitlines())
    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    assert explained == {"k", "embedding", "search", "quality", "min_score", "filter", "facets", "offset", "token"}
    assert all(f"`{mode.value}`" in hello for mode in SearchMode)
    assert all(f"`{dtype.name.lower()}` | {dtype.value} |" in TEXT for dtype in Dtype)


def test_every_error_code_and_close_code_is_there() -> None:
    specification = protocol.__doc__ or ""
    codes = set(re.findall(r"^``(\w+)``  ", specification, re.MULTILINE))
    assert len(codes) > 8
    assert codes == set(re.findall(r"^\| `(\w+)` \| .* \| (?:stays|closes)", TEXT, re.MULTILINE))
    for code in (protocol.CLOSE_IDLE, protocol.CLOSE_POLICY, protocol.CLOSE_RESTART, protocol.CLOSE_FULL):
        assert str(code) in TEXT


def test_the_answers_of_the_example_are_objects() -> None:
    answers = [block for block in blocks(PAGE) if block.language == "json"][1:]
    assert all(json.loads(line) for block in answers for line in block.text.splitlines())
