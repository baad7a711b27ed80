from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.errors import ProtocolError
from typeahead.wire.access import PlainTokens
from typeahead.wire.conversation import Conversation, State
from typeahead.wire.protocol import (
    MAX_SEQ,
    Dtype,
    Edit,
    Hello,
    Limits,
    Quality,
    SearchMode,
    Submit,
    Text,
    close_code,
)


def talk(token: str | None = None, limits: Limits | None = None) -> Conversation:
    return Conversation(limits or Limits(), PlainTokens(token))


def refused(conversation: Conversation, frame: str | bytes) -> ProtocolError:
    """The refusal of a frame: of a text frame given as text, of a binary one given as bytes."""
    with pytest.raises(ProtocolError) as caught:
        conversation.receive(frame) if isinstance(frame, str) else conversation.receive_binary()
    return caught.value


def test_the_three_messages_of_the_contract_are_read() -> None:
    conversation = talk()
    assert conversation.receive('{"seq": 1, "text": "how t"}') == Text(1, "how t")
    assert conversation.receive('{"seq": 2, "edit": {"at": 5, "del": 0, "ins": "o"}}') == Edit(2, 5, 0, "o")
    assert conversation.receive('{"seq": 3, "submit": true}') == Submit(3)
    assert conversation.state is State.OPEN


def test_a_hello_sets_what_comes_back_and_its_fields_are_optional() -> None:
    wish = '{"hello": {"k": 3, "embedding": "float16", "search": "word"}}'
    assert talk().receive(wish) == Hello(3, Dtype.FLOAT16, SearchMode.WORD)
    assert talk().receive('{"hello": {"min_score": 0.25}}') == Hello(8, min_score=0.25)
    assert talk().receive('{"hello": {"min_score": 1}}') == Hello(8, min_score=1.0)
    assert talk(limits=Limits(default_k=5)).receive('{"hello": {}}') == Hello(5, None, SearchMode.KEYSTROKE)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", "bad_json"),
        ("{", "bad_json"),
        ('{"seq": 1, "text": "a"} x', "bad_json"),
        ('{"seq": 1, "text": "a",}', "bad_json"),
        ('{"seq": NaN, "text": "a"}', "bad_json"),
        ('{"seq": Infinity, "text": "a"}', "bad_json"),
        ('{"seq": NaN, "text": "\\ud800"}', "bad_json"),
        ('{"seq": 1, "text": "\\ud800', "bad_json"),
        ("[" * 5000 + "]" * 5000, "bad_json"),
        ("[" * 100_000 + '"\\ud800"' + "]" * 100_000, "bad_json"),
        (b'{"seq": 1, "text": "a"}', "bad_frame"),
        ("[]", "bad_message"),
        ("null", "bad_message"),
        ('"text"', "bad_message"),
        ("{}", "bad_message"),
        ('{"text": "a"}', "bad_message"),
        ('{"seq": 1}', "bad_message"),
        ('{"seq": true, "text": "a"}', "bad_message"),
        ('{"seq": 1.0, "text": "a"}', "bad_message"),
        ('{"seq": "1", "text": "a"}', "bad_message"),
        ('{"seq": -1, "text": "a"}', "bad_message"),
        ('{"seq": 4294967296, "text": "a"}', "bad_message"),
        ('{"seq": 1e400, "text": "a"}', "bad_json"),
        ('{"seq": 1, "text": null}', "bad_message"),
        ('{"seq": 1, "text": 1}', "bad_message"),
        ('{"seq": 1, "txt": "a"}', "bad_message"),
        ('{"seq": 1, "text": "a", "more": 1}', "bad_message"),
        ('{"seq": 1, "text": "a", "submit": true}', "bad_message"),
        ('{"seq": 1, "submit": false}', "bad_message"),
        ('{"seq": 1, "submit": 1}', "bad_message"),
        ('{"seq": 1, "edit": null}', "bad_message"),
        ('{"seq": 1, "edit": {"at": 0, "del": 0}}', "bad_message"),
        ('{"seq": 1, "edit": {"at": 0, "del": 0, "ins": "", "x": 1}}', "bad_message"),
        ('{"seq": 1, "edit": {"at": 0, "del": 0, "inst": ""}}', "bad_message"),
        ('{"seq": 1, "edit": {"at": false, "del": 0, "ins": ""}}', "bad_message"),
        ('{"seq": 1, "edit": {"at": 0, "del": 0.0, "ins": ""}}', "bad_message"),
        ('{"seq": 1, "edit": {"at": 0, "del": 0, "ins": 7}}', "bad_message"),
        ('{"hello": 1}', "bad_hello"),
        ('{"hello": {}, "seq": 1}', "bad_hello"),
        ('{"hello": {"k": 0}}', "bad_hello"),
        ('{"hello": {"k": 101}}', "bad_hello"),
        ('{"hello": {"k": true}}', "bad_hello"),
        ('{"hello": {"k": "8"}}', "bad_hello"),
        ('{"hello": {"embedding": "float64"}}', "bad_hello"),
        ('{"hello": {"embedding": null}}', "bad_hello"),
        ('{"hello": {"search": "never"}}', "bad_hello"),
        ('{"hello": {"search": ["word"]}}', "bad_hello"),
        ('{"hello": {"quality": "good"}}', "bad_hello"),
        ('{"hello": {"quality": null}}', "bad_hello"),
        ('{"hello": {"quality": "best"}}', "bad_hello"),
        ('{"hello": {"min_score": -0.1}}', "bad_hello"),
        ('{"hello": {"min_score": 1.1}}', "bad_hello"),
        ('{"hello": {"min_score": true}}', "bad_hello"),
        ('{"hello": {"min_score": "0.5"}}', "bad_hello"),
        ('{"hello": {"min_score": null}}', "bad_hello"),
        ('{"hello": {"lang": "en"}}', "bad_hello"),
    ],
)
def test_what_breaks_the_contract_is_refused_and_the_conversation_goes_on(frame: str | bytes, code: str) -> None:
    conversation = talk()
    error = refused(conversation, frame)
    assert error.code == code
    assert close_code(error) is None
    assert conversation.receive('{"seq": 2, "text": "a"}') == Text(2, "a")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ('{"seq": 1, "txt": "a"}', "unknown field 'txt': known are seq, text, edit, submit"),
        ('{"seq": 1, "text": 1}', '"text" has to be a string'),
        ('{"seq": 1, "edit": []}', '"edit" has to be an object with "at", "del" and "ins"'),
        ('{"seq": 1, "edit": {"at": 0, "del": "1", "ins": ""}}', '"edit.del" has to be an integer'),
        ('{"seq": 1, "edit": {"at": 0, "del": 1}}', 'the field "ins" is missing in "edit"'),
        ('{"seq": 1, "edit": {"at": 0, "del": 1, "ins": "", "é`": 1}}', "unknown field '\\xe9`' in \"edit\""),
        ('{"seq": 1, "submit": "yes"}', '"submit" has to be true'),
        ('{"hello": {"search": "never"}}', '"search" has to be "keystroke", "word" or "submit"'),
        ('{"hello": {"k": 1.5}}', '"k" has to be an integer'),
        ('{"hello": {"k": 101}}', '"k" has to be from 1 to 100'),
        ('{"seq": 1', "not JSON: unexpected end of data at character 9"),
    ],
)
@pytest.mark.parametrize("first", [None, '{"seq": 0, "text": ""}'])
def test_an_error_names_the_field_that_is_wrong(frame: str, message: str, first: str | None) -> None:
    conversation = talk()
    if first is not None and "hello" not in frame:
        conversation.receive(first)
    assert str(refused(conversation, frame)) == message


def test_an_error_repeats_no_more_of_a_name_than_40_characters_in_ascii() -> None:
    assert len(str(refused(talk(), json.dumps({"seq": 1, "🙂" * 500: 1})))) < 500
    assert len(str(refused(talk(), json.dumps({"seq": 1, "edit": {"a" * 500: 1}})))) < 100


@pytest.mark.parametrize("at", [2**63, -(2**63) - 1, 10**100])
def test_a_place_beyond_64_bits_is_no_edit(at: int) -> None:
    conversation = talk()
    conversation.receive('{"seq": 0, "text": ""}')
    assert refused(conversation, f'{{"seq": 1, "edit": {{"at": {at}, "del": 0, "ins": ""}}}}').code == "bad_message"
    frame = f'{{"seq": 2, "edit": {{"at": {2**63 - 1}, "del": 0, "ins": ""}}}}'
    assert conversation.receive(frame) == Edit(2, 2**63 - 1, 0, "")


def test_of_a_field_that_is_there_twice_the_last_one_counts() -> None:
    conversation = talk()
    for first in ('"a"', "1"):
        assert conversation.receive(f'{{"seq": 9, "seq": 1, "text": {first}, "text": "b"}}') == Text(1, "b")
        conversation = talk()
        conversation.receive('{"seq": 0, "text": ""}')


def test_a_refused_message_has_used_up_its_seq() -> None:
    conversation = talk()
    assert refused(conversation, '{"seq": 7, "text": 1}').seq == 7
    assert refused(conversation, '{"seq": 7, "text": "a"}').code == "bad_seq"


@pytest.mark.parametrize("seq", [5, 4, 0])
def test_a_seq_that_repeats_or_runs_backwards_is_refused_without_a_seq_of_its_own(seq: int) -> None:
    conversation = talk()
    conversation.receive('{"seq": 5, "text": "a"}')
    error = refused(conversation, f'{{"seq": {seq}, "text": "b"}}')
    assert (error.code, error.seq) == ("bad_seq", None)
    assert str(error) == f'"seq" {seq} does not follow 5: count up'
    assert conversation.receive('{"seq": 6, "text": "b"}') == Text(6, "b")


def test_seq_may_start_at_zero_leave_gaps_and_go_up_to_32_bits() -> None:
    conversation = talk()
    assert [conversation.receive(f'{{"seq": {seq}, "submit": true}}') for seq in (0, 9, MAX_SEQ)] == [
        Submit(0),
        Submit(9),
        Submit(MAX_SEQ),
    ]


def test_a_lone_surrogate_comes_through_for_the_session_to_refuse() -> None:
    assert talk().receive('{"seq": 1, "text": "a\\uDC00"}') == Text(1, "a\udc00")
    assert talk().receive('{"seq": 1, "text": "\\ud83d\\ude42"}') == Text(1, "🙂")


@pytest.mark.parametrize("first", ['{"seq": 1, "text": "a"}', '{"hello": {}}'])
def test_a_hello_that_is_not_first_is_refused(first: str) -> None:
    conversation = talk()
    conversation.receive(first)
    assert refused(conversation, '{"hello": {}}').code == "bad_hello"


def test_a_hello_that_was_refused_may_be_corrected() -> None:
    conversation = talk()
    refused(conversation, '{"hello": {"k": 0}}')
    assert conversation.receive('{"hello": {"k": 1}}') == Hello(1)


def test_int8_is_refused_where_the_length_of_a_vector_counts() -> None:
    conversation = talk(limits=Limits(dtypes=frozenset({Dtype.FLOAT32, Dtype.FLOAT16})))
    assert refused(conversation, '{"hello": {"embedding": "int8"}}').code == "bad_hello"


def test_the_best_answer_can_be_asked_for_where_there_is_a_fallback() -> None:
    limits = Limits(fallback="minilm-doc")
    assert talk(limits=limits).receive('{"hello": {"quality": "best"}}') == Hello(8, quality=Quality.BEST)
    assert talk().receive('{"hello": {"quality": "fast"}}') == Hello(8)
    assert "no fallback encoder" in str(refused(talk(), '{"hello": {"quality": "best"}}'))


def test_with_a_token_the_right_hello_opens_the_conversation() -> None:
    conversation = talk(token="s3cret")
    assert not conversation.authorized
    assert conversation.receive('{"hello": {"token": "s3cret", "k": 2}}') == Hello(2)
    assert conversation.authorized


@pytest.mark.parametrize(
    "frame",
    [
        '{"seq": 1, "text": "a"}',
        '{"hello": {}}',
        '{"hello": {"token": "s3cre"}}',
        '{"hello": {"token": "s3cret "}}',
        '{"hello": {"token": "s3cret\\ud800"}}',
        '{"hello": {"token": 1}}',
        '{"hello": {"token": "wrong", "k": "whatever"}}',
    ],
)
def test_without_the_token_nothing_is_read_any_more(frame: str) -> None:
    conversation = talk(token="s3cret")
    error = refused(conversation, frame)
    assert (error.code, close_code(error)) == ("unauthorized", 1008)
    assert "s3cret" not in str(error)
    assert refused(conversation, '{"hello": {"token": "s3cret"}}').code == "bad_message"


def test_a_token_that_nobody_asked_for_is_ignored() -> None:
    assert talk().receive('{"hello": {"token": "x"}}') == Hello(8)


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**33) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["seq", "text", "edit", "submit", "hello", "at", "del", "ins", "k", "x"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
frames = st.text(max_size=20) | st.binary(max_size=8) | _values.map(json.dumps)


@given(st.lists(frames, max_size=8), st.sampled_from([None, "t"]))
def test_whatever_text_is_sent_only_a_protocol_error_is_raised_and_seq_only_grows(
    sent: list[str | bytes], token: str | None
) -> None:
    conversation = talk(token)
    last = -1
    for frame in sent:
        try:
            message = conversation.receive(frame)
        except UnicodeDecodeError:
            assert isinstance(frame, bytes)
            seq = None
        except ProtocolError as error:
            seq = error.seq
        else:
            assert token is None or not isinstance(message, Text | Edit | Submit)
            seq = None if isinstance(message, Hello) else message.seq
        if seq is not None:
            assert last < seq <= MAX_SEQ
            last = seq


def test_a_text_frame_may_come_as_the_bytes_of_its_payload() -> None:
    assert talk().receive('{"seq": 1, "text": "naïve 🙂"}'.encode()) == Text(1, "naïve 🙂")
    assert talk().receive(b'{"seq": 1, "text": "a\\ud800"}') == Text(1, "a\ud800")


def test_bytes_that_are_not_utf_8_are_no_text_frame() -> None:
    with pytest.raises(UnicodeDecodeError):
        talk().receive(b'{"seq": 1, "text": "\xff"}')
