"""Filters, facets and offsets: in a hello, beside a text or an edit, and alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.errors import ProtocolError
from typeahead.search.filters import MOST_LEVELS, MOST_NODES, MOST_VALUES, Equal
from typeahead.search.narrowing import MAX_OFFSET, MOST_FACETS, NOTHING, Narrowing
from typeahead.wire.conversation import Conversation
from typeahead.wire.narrowing import Change
from typeahead.wire.protocol import Edit, Hello, Limits, Narrow, Submit, Text

FRANCE = Equal("country", "France")


def read(**message: Any) -> Any:
    return Conversation(Limits()).receive(json.dumps(message))


def refused(frame: str, *before: str) -> ProtocolError:
    conversation = Conversation(Limits())
    for one in before:
        conversation.receive(one)
    with pytest.raises(ProtocolError) as error:
        conversation.receive(frame)
    # The conversation goes on.
    assert conversation.receive('{"seq": 9, "text": "a"}') == Text(9, "a")
    return error.value


def test_a_hello_says_what_the_session_begins_with() -> None:
    hello = read(hello={"filter": {"country": "France"}, "facets": ["tags", "tags"], "offset": 8})
    assert isinstance(hello, Hello)
    assert hello.narrowing == Narrowing(FRANCE, ("tags",), 8)
    assert read(hello={}).narrowing == read(hello={"filter": None, "facets": []}).narrowing == NOTHING


def test_a_filter_stands_beside_a_text_or_an_edit_or_alone() -> None:
    change = Change(FRANCE)
    assert read(seq=1, text="a", filter={"country": "France"}) == Text(1, "a", change)
    edit = {"at": 0, "del": 0, "ins": "a"}
    assert read(seq=1, edit=edit, filter={"country": "France"}) == Edit(1, 0, 0, "a", change)
    assert read(seq=1, filter={"country": "France"}) == Narrow(1, change)
    assert read(seq=1, filter=None, facets=[], offset=0) == Narrow(1, Change(None, (), 0))
    assert read(seq=1, submit=True) == Submit(1)


def test_filter_and_facets_last_and_an_offset_counts_for_its_message_alone() -> None:
    before = Narrowing(FRANCE, ("tags",), 0)
    assert Change(offset=8).kept(before) is before
    assert Change(offset=8).moved(before) == Narrowing(FRANCE, ("tags",), 8)
    assert Change(None).kept(before) == Narrowing(None, ("tags",))
    assert Change(facets=()).kept(before) == Narrowing(FRANCE)


def test_filters_that_python_takes_for_the_same_are_not() -> None:
    assert Narrowing(Equal("odd", 1)) != Narrowing(Equal("odd", True))
    assert Narrowing(Equal("odd", True)) == Narrowing(Equal("odd", True))
    assert len({Narrowing(Equal("odd", 1)), Narrowing(Equal("odd", True)), Narrowing(Equal("odd", 1))}) == 2


def nested(levels: int) -> str:
    return '{"not": ' * levels + '{"a": 1}' + "}" * levels


BAD_FILTERS = {
    "no object": '["a"]',
    "a text": '"country"',
    "a number": "3",
    "no value": '{"country": null}',
    "a list of lists": '{"tags": [["a"]]}',
    "unknown bounds": '{"year": {"from": 3}}',
    "no bounds": '{"year": {}}',
    "any of an object": '{"any": {}}',
    "any of texts": '{"any": ["a"]}',
    "not of a list": '{"not": []}',
    "a little too deep": nested(MOST_LEVELS),
    "far too deep": nested(600),
    "any, too deep": '{"any": [' * 100 + "{}" + "]}" * 100,
    "too many conditions": json.dumps({f"field {number}": 1 for number in range(MOST_NODES)}),
    "too many values": json.dumps({"a": list(range(MOST_VALUES + 1))}),
    "a lone surrogate as a value": '{"a": "\\ud800"}',
    "a lone surrogate as a name": '{"\\ud800": 1}',
    "a lone surrogate in a list": '{"a": ["b", "\\ud800"]}',
}


@pytest.mark.parametrize("name", BAD_FILTERS)
@pytest.mark.parametrize("started", [False, True])
def test_a_bad_filter_is_refused_wherever_it_stands(name: str, started: bool) -> None:
    before = ['{"seq": 0, "text": ""}'] if started else []
    tree = BAD_FILTERS[name]
    for frame in ('{"seq": 1, "text": "a", "filter": ' + tree + "}", '{"seq": 1, "filter": ' + tree + "}"):
        error = refused(frame, *before)
        assert (error.code, error.seq) == ("bad_filter", 1)
        # Whatever was sent, the error is short, and can be written.
        assert len(json.dumps(str(error)).encode()) < 1000
        str(error).encode()
    error = refused('{"hello": {"filter": ' + tree + "}}")
    assert (error.code, error.seq) == ("bad_filter", None)


def test_a_filter_nested_beyond_what_json_may_be_is_refused() -> None:
    assert refused('{"seq": 1, "filter": ' + nested(5000) + "}").code in ("bad_json", "bad_filter", "bad_message")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ('"offset": -1', '"offset" has to be an integer from 0 to'),
        (f'"offset": {MAX_OFFSET + 1}', '"offset" has to be an integer from 0 to'),
        ('"offset": 1.5', '"offset" has to be an integer from 0 to'),
        ('"offset": null', '"offset" has to be an integer from 0 to'),
        (f'"facets": {json.dumps(["a"] * (MOST_FACETS + 1))}', '"facets" has to be a list of at most'),
        ('"facets": "a"', '"facets" has to be a list of at most'),
        ('"facets": [1]', '"facets" has to be a list of at most'),
        ('"facets": ["\\ud800"]', '"facets" has a name with a lone surrogate'),
    ],
)
def test_facets_and_offsets_are_bounded(fields: str, message: str) -> None:
    for frame, code in (('{"seq": 1, "text": "", %s}', "bad_message"), ('{"hello": {%s}}', "bad_hello")):
        error = refused(frame % fields)
        assert error.code == code
        assert message in str(error)


@pytest.mark.parametrize("fields", ['"filter": {}', '"filter": null', '"facets": []', '"offset": 0'])
def test_nothing_stands_beside_a_submit(fields: str) -> None:
    error = refused('{"seq": 1, "submit": true, ' + fields + "}")
    assert error.code == "bad_message"
    assert 'cannot stand beside "submit"' in str(error)


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
anything = st.recursive(values, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(filter=anything, facets=anything, offset=anything, started=st.booleans())
def test_whatever_narrows_a_message_it_is_read_or_refused_with_its_seq(
    filter: Any, facets: Any, offset: Any, started: bool
) -> None:
    conversation = Conversation(Limits())
    if started:
        conversation.receive('{"seq": 0, "text": ""}')
    refusal = None
    try:
        message = conversation.receive(json.dumps({"seq": 1, "filter": filter, "facets": facets, "offset": offset}))
    except ProtocolError as error:
        refusal = error
    else:
        assert isinstance(message, Narrow)
        assert message.change.offset == offset
    assert refusal is None or (refusal.code in ("bad_filter", "bad_message") and refusal.seq == 1)
