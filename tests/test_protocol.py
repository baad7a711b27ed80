from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.encoders.base import Vectors
from typeahead.errors import BadEdit, ProtocolError, TextError, TextTooLong
from typeahead.protocol import (
    MAX_SEQ,
    Conversation,
    Dtype,
    Edit,
    Hello,
    Limits,
    SearchMode,
    State,
    Submit,
    Text,
    close_code,
    read_embedding,
    refuse_text,
    write_embedding,
    write_error,
    write_hello,
    write_reply,
)


def talk(token: str | None = None, limits: Limits | None = None) -> Conversation:
    return Conversation(limits or Limits(), token=token)


def refused(conversation: Conversation, frame: str | bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        conversation.receive(frame)
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
        ('{"hello": {"lang": "en"}}', "bad_hello"),
    ],
)
def test_what_breaks_the_contract_is_refused_and_the_conversation_goes_on(frame: str | bytes, code: str) -> None:
    conversation = talk()
    error = refused(conversation, frame)
    assert error.code == code
    assert close_code(error) is None
    assert conversation.receive('{"seq": 2, "text": "a"}') == Text(2, "a")


def test_an_error_names_the_field_that_is_wrong() -> None:
    assert str(refused(talk(), '{"seq": 1, "txt": "a"}')).startswith("unknown field 'txt': besides")
    assert "at character" in str(refused(talk(), '{"seq": 1'))


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


@pytest.mark.parametrize(
    ("error", "code"),
    [(TextTooLong(513, 512), "text_too_long"), (BadEdit("outside"), "bad_edit"), (TextError("lone"), "bad_text")],
)
def test_what_a_session_refuses_has_a_code(error: TextError, code: str) -> None:
    refusal = refuse_text(error, 4)
    assert (refusal.code, refusal.seq, str(refusal)) == (code, 4, str(error))


def test_replies_are_written_as_the_contract_shows_them() -> None:
    timing = {"queue": 1, "tokenize": 2, "step": 3, "search": 4, "total": 10}
    assert json.loads(write_reply(1, b'[{"id":"d1"}]', timing)) == {
        "seq": 1,
        "hits": [{"id": "d1"}],
        "timing_us": timing,
    }
    assert json.loads(write_reply(3, b"[]", timing, ready=True)) == {
        "seq": 3,
        "hits": [],
        "submit": True,
        "ready": True,
        "timing_us": timing,
    }
    assert "hits" not in json.loads(write_reply(1, None, timing))
    assert json.loads(write_error(ProtocolError("bad_edit", "outside", seq=2))) == {
        "error": {"code": "bad_edit", "message": "outside"},
        "seq": 2,
    }
    assert "seq" not in json.loads(write_error(ProtocolError("bad_json", "not JSON")))


def test_the_answer_to_a_hello_tells_what_was_agreed() -> None:
    hello = Hello(3, Dtype.INT8, SearchMode.WORD)
    assert json.loads(write_hello(hello, Limits(), encoder="minilm-gru", dim=384, documents=7, examples=("egg",))) == {
        "hello": {
            "protocol": "typeahead.v1",
            "encoder": "minilm-gru",
            "dim": 384,
            "documents": 7,
            "k": 3,
            "max_k": 100,
            "max_chars": 512,
            "embedding": "int8",
            "search": "word",
            "examples": ["egg"],
        }
    }


@pytest.fixture
def embedding() -> Vectors:
    vector = np.random.default_rng(0).standard_normal(384, np.float32)
    return vector / np.linalg.norm(vector)


def test_an_embedding_frame_is_a_little_endian_header_and_the_values(embedding: Vectors) -> None:
    frame = write_embedding(0x01020304, embedding, Dtype.FLOAT32)
    assert frame[:8] == bytes([4, 3, 2, 1, 1, 0x80, 0x01, 0])
    assert struct.unpack("<384f", frame[8:]) == tuple(embedding)


@pytest.mark.parametrize(("dtype", "least"), [(Dtype.FLOAT32, 1.0), (Dtype.FLOAT16, 0.999999), (Dtype.INT8, 0.9998)])
def test_an_embedding_survives_the_wire(embedding: Vectors, dtype: Dtype, least: float) -> None:
    seq, values = read_embedding(write_embedding(9, embedding, dtype))
    assert seq == 9
    assert values is not None
    assert float(values @ embedding / np.linalg.norm(values)) >= least - 1e-7


def test_a_text_without_a_token_has_an_embedding_frame_without_values() -> None:
    frame = write_embedding(5, None, Dtype.INT8)
    assert len(frame) == 8
    assert read_embedding(frame) == (5, None)


def test_int8_of_a_zero_vector_is_zero() -> None:
    _, values = read_embedding(write_embedding(1, np.zeros(4, np.float32), Dtype.INT8))
    assert values is not None
    assert not values.any()


@pytest.mark.parametrize("frame", [b"", b"\0" * 7, b"\0\0\0\0\x09\x01\0\0\0", b"\0\0\0\0\x01\x02\0\0abcd"])
def test_a_broken_embedding_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(ProtocolError, match="embedding frame"):
        read_embedding(frame)


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
def test_whatever_is_sent_only_a_protocol_error_is_raised_and_seq_only_grows(
    sent: list[str | bytes], token: str | None
) -> None:
    conversation = talk(token)
    last = -1
    for frame in sent:
        try:
            message = conversation.receive(frame)
        except ProtocolError as error:
            seq = error.seq
        else:
            assert token is None or not isinstance(message, Text | Edit | Submit)
            seq = None if isinstance(message, Hello) else message.seq
        if seq is not None:
            assert last < seq <= MAX_SEQ
            last = seq
