from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from typeahead.core.encoder import Vectors
from typeahead.errors import ProtocolError
from typeahead.search.narrowing import Narrowing
from typeahead.text.document import Value
from typeahead.wire.protocol import Dtype, Hello, Limits, Quality, SearchMode
from typeahead.wire.replies import (
    FACET_VALUES,
    read_embedding,
    write_embedding,
    write_error,
    write_facets,
    write_hello,
    write_overloaded,
    write_reply,
)


def frame_of(seq: int, embedding: Vectors | None, dtype: Dtype) -> bytes:
    """A binary frame's payload, its parts put together."""
    return b"".join(write_embedding(seq, embedding, dtype))


def test_replies_are_written_as_the_contract_shows_them() -> None:
    spent = (1, 2, 3, 4, 5, 15)
    timing = {"queue": 1, "tokenize": 2, "step": 3, "search": 4, "serialize": 5, "total": 15}
    assert json.loads(write_reply(1, b'[{"id":"d1"}]', spent)) == {
        "seq": 1,
        "hits": [{"id": "d1"}],
        "timing_us": timing,
    }
    assert json.loads(write_reply(3, b"[]", spent, ready=True)) == {
        "seq": 3,
        "hits": [],
        "submit": True,
        "ready": True,
        "timing_us": timing,
    }
    assert json.loads(write_reply(1, None, spent, encoder="minilm-gru")) == {
        "seq": 1,
        "encoder": "minilm-gru",
        "timing_us": timing,
    }
    assert "hits" not in json.loads(write_reply(1, None, spent))
    assert json.loads(write_reply(1, b"[]", None, weak=True)) == {"seq": 1, "hits": [], "weak": True}
    assert json.loads(write_reply(1, b"[]", None, stale=True)) == {"seq": 1, "hits": [], "stale": True}
    assert json.loads(write_reply(1, b"[]", None, partial=True)) == {"seq": 1, "hits": [], "partial": True}
    assert json.loads(write_error(ProtocolError("bad_edit", "outside", seq=2))) == {
        "error": {"code": "bad_edit", "message": "outside"},
        "seq": 2,
    }
    assert "seq" not in json.loads(write_error(ProtocolError("bad_json", "not JSON")))
    overloaded = json.loads(write_overloaded(7))
    assert (overloaded["seq"], overloaded["error"]["code"]) == (7, "overloaded")
    assert json.loads(write_error(ProtocolError(**overloaded["error"], seq=7))) == overloaded


def test_the_answer_to_a_hello_tells_what_was_agreed() -> None:
    hello = Hello(3, Dtype.INT8, SearchMode.WORD, narrowing=Narrowing(facets=("tags",), offset=8))
    examples = ("egg",)
    written = write_hello(
        hello, Limits(), encoder="minilm-gru", dim=384, documents=7, index="default", examples=examples
    )
    assert json.loads(written) == {
        "hello": {
            "protocol": "typeahead.v1",
            "encoder": "minilm-gru",
            "dim": 384,
            "index": "default",
            "documents": 7,
            "k": 3,
            "max_k": 100,
            "max_chars": 512,
            "embedding": "int8",
            "search": "word",
            "quality": "fast",
            "min_score": 0.0,
            "facets": ["tags"],
            "offset": 8,
            "fallback": None,
            "examples": ["egg"],
        }
    }


def test_a_reply_names_the_version_and_lists_the_commonest_values_of_each_field() -> None:
    facets: dict[str, dict[Value, int]] = {
        "country": {"Spain": 2, "France": 3, "Italy": 2},
        "year": dict.fromkeys(range(FACET_VALUES + 1), 1),
        "nothing": {},
    }
    written = write_reply(1, b"[]", None, version='a "quoted" one', facets=write_facets(facets, "candidates"))
    reply = json.loads(written)
    assert (reply["version"], reply["facets_over"]) == ('a "quoted" one', "candidates")
    assert reply["facets"]["country"] == {
        "values": [
            {"value": "France", "count": 3},
            {"value": "Italy", "count": 2},
            {"value": "Spain", "count": 2},
        ]
    }
    assert (len(reply["facets"]["year"]["values"]), reply["facets"]["year"]["more"]) == (FACET_VALUES, True)
    assert reply["facets"]["nothing"] == {"values": []}


def test_the_answer_to_a_hello_names_the_fallback() -> None:
    limits = Limits(fallback="minilm-doc")
    written = write_hello(Hello(3, quality=Quality.BEST), limits, encoder="minilm-gru", dim=384, documents=7)
    agreed = json.loads(written)["hello"]
    assert (agreed["encoder"], agreed["fallback"], agreed["quality"]) == ("minilm-gru", "minilm-doc", "best")


@pytest.fixture
def embedding() -> Vectors:
    vector = np.random.default_rng(0).standard_normal(384, np.float32)
    return vector / np.linalg.norm(vector)


def test_an_embedding_frame_is_a_little_endian_header_and_the_values(embedding: Vectors) -> None:
    frame = frame_of(0x01020304, embedding, Dtype.FLOAT32)
    assert frame[:8] == bytes([4, 3, 2, 1, 1, 0x80, 0x01, 0])
    assert struct.unpack("<384f", frame[8:]) == tuple(embedding)


@pytest.mark.parametrize(("dtype", "least"), [(Dtype.FLOAT32, 1.0), (Dtype.FLOAT16, 0.999999), (Dtype.INT8, 0.9998)])
def test_an_embedding_survives_the_wire(embedding: Vectors, dtype: Dtype, least: float) -> None:
    seq, values = read_embedding(frame_of(9, embedding, dtype))
    assert seq == 9
    assert values is not None
    assert float(values @ embedding / np.linalg.norm(values)) >= least - 1e-7


def test_a_text_without_a_token_has_an_embedding_frame_without_values() -> None:
    frame = frame_of(5, None, Dtype.INT8)
    assert len(frame) == 8
    assert read_embedding(frame) == (5, None)


def test_int8_of_a_zero_vector_is_zero() -> None:
    _, values = read_embedding(frame_of(1, np.zeros(4, np.float32), Dtype.INT8))
    assert values is not None
    assert not values.any()


@pytest.mark.parametrize("frame", [b"", b"\0" * 7, b"\0\0\0\0\x09\x01\0\0\0", b"\0\0\0\0\x01\x02\0\0abcd"])
def test_a_broken_embedding_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(ProtocolError, match="embedding frame"):
        read_embedding(frame)


def test_float32_values_are_sent_from_the_embeddings_own_memory(embedding: Vectors) -> None:
    _, values = write_embedding(1, embedding, Dtype.FLOAT32)
    assert np.shares_memory(np.frombuffer(values, np.float32), embedding)
