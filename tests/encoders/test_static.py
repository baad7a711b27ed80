"""The static encoder: its sums equal the mean in NumPy, whoever is added up with a text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import typeahead
from tests.static import VOCABULARY, random_table, write_model2vec
from tests.texts import texts
from typeahead.core.encoder import Encoder, IncrementalEncoder
from typeahead.core.engine import Engine
from typeahead.encoders.static import StaticEncoder
from typeahead.encoders.static_import import import_static
from typeahead.errors import ModelCorrupt, TextError
from typeahead.models.folder import read_config, write_config

UNKNOWN = 100

TEXTS = ["how to boil an egg", "x", "", "東京の天気 tomorrow", "한국어 검색", "exercise " * 200]


def mean(table: np.ndarray, tokens: tuple[int, ...]) -> np.ndarray:
    """By the definition, in float64, of length 1."""
    found = table[list(tokens)].astype(np.float64).mean(axis=0)
    return np.asarray(found / np.linalg.norm(found))


def test_it_is_an_incremental_encoder(static: StaticEncoder) -> None:
    assert isinstance(static, Encoder)
    assert isinstance(static, IncrementalEncoder)


@settings(max_examples=50)
@given(texts)
def test_an_embedding_is_the_direction_of_its_tokens_mean(static: StaticEncoder, text: str) -> None:
    # Unknown words are left out.
    tokens = tuple(token for token in static.tokenizer.encode(text)[: static.max_tokens] if token != UNKNOWN)
    vector = static.encode([text])[0]
    if tokens:
        np.testing.assert_allclose(vector, mean(random_table(), tokens), atol=1e-5)
    else:
        assert not vector.any()


@settings(max_examples=30)
@given(st.lists(texts, min_size=1, max_size=8))
def test_a_text_has_the_same_bits_in_every_batch(static: StaticEncoder, batch: list[str]) -> None:
    together = static.encode(batch)
    for text, vector in zip(batch, together, strict=True):
        np.testing.assert_array_equal(static.encode([text])[0], vector)


@pytest.mark.parametrize("normalize", [False, True])
def test_a_session_has_the_bits_of_the_whole_text_whoever_is_stepped_with_it(tmp_path: Path, normalize: bool) -> None:
    encoder = import_static(write_model2vec(tmp_path / "source", normalize=normalize), tmp_path / "model")
    engine = Engine(encoder)
    sessions = [engine.session(max_chars=2000) for _ in TEXTS]
    for session, text in zip(sessions, TEXTS, strict=True):
        session.set_text(text)
    engine.advance(sessions)
    for session, text in zip(sessions, TEXTS, strict=True):
        whole = encoder.encode([text])[0]
        if session.embedding is None:
            assert not whole.any()
        else:
            np.testing.assert_array_equal(session.embedding, whole)


def test_vectors_have_length_one_or_none_unless_the_model_says_otherwise(static: StaticEncoder, tmp_path: Path) -> None:
    np.testing.assert_allclose(np.linalg.norm(static.encode(["boil an egg", "egg", ""]), axis=1), [1, 1, 0], atol=1e-6)
    plain = import_static(write_model2vec(tmp_path / "source"), tmp_path / "model")
    row = random_table()[plain.tokenizer.encode("egg")[0]]
    np.testing.assert_array_equal(plain.encode(["egg"])[0], row)


def test_the_order_of_tokens_does_not_matter(static: StaticEncoder) -> None:
    one, other = static.encode(["egg boil how", "how boil egg"])
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_lone_surrogate_is_refused_with_the_texts_number(static: StaticEncoder) -> None:
    with pytest.raises(TextError, match="text 1 has a lone surrogate"):
        static.encode(["egg", "\udc00"])


def test_nothing_gives_an_array_without_rows(static: StaticEncoder) -> None:
    assert static.encode([]).shape == (0, 24)
    assert static.encode([""]).tolist() == [[0.0] * 24]


def test_int8_rows_are_read_by_their_scales(tmp_path: Path, static: StaticEncoder) -> None:
    import_static(write_model2vec(tmp_path / "source", normalize=True), tmp_path / "model")
    path = tmp_path / "model" / "weights.safetensors"
    tensors = load_file(path)
    scale = np.maximum(np.abs(tensors["table"]).max(axis=1, keepdims=True) / 127, np.float32(1e-12))
    tensors["table"] = np.rint(tensors["table"] / scale).astype(np.int8)
    save_file({**tensors, "table.scale": scale}, path)
    write_config(tmp_path / "model", read_config(tmp_path / "model", verify=False))
    encoder = typeahead.load(tmp_path / "model")
    np.testing.assert_allclose(encoder.encode(TEXTS), static.encode(TEXTS), atol=0.05)


def test_vectors_of_length_one_need_no_weights_of_tokens(tmp_path: Path) -> None:
    import_static(write_model2vec(tmp_path / "source", normalize=True), tmp_path / "model")
    whole = typeahead.load(tmp_path / "model").encode(TEXTS)
    path = tmp_path / "model" / "weights.safetensors"
    save_file({name: tensor for name, tensor in load_file(path).items() if name != "weight"}, path)
    write_config(tmp_path / "model", read_config(tmp_path / "model", verify=False))
    np.testing.assert_allclose(typeahead.load(tmp_path / "model").encode(TEXTS), whole, atol=1e-6)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"weight": np.ones(VOCABULARY, np.float32)}, "no tensor 'table'"),
        ({"table": random_table()}, "no tensor 'weight'"),
        (
            {"table": np.zeros((VOCABULARY, 24), np.int8), "weight": np.ones(VOCABULARY, np.float32)},
            "no tensor 'table.scale'",
        ),
        ({"table": random_table()[:-1], "weight": np.ones(VOCABULARY, np.float32)}, "do not belong together"),
        ({"table": random_table(23), "weight": np.ones(VOCABULARY, np.float32)}, "do not belong together"),
        ({"table": random_table(), "weight": np.ones(3, np.float32)}, "do not belong together"),
        (
            {"table": random_table() * np.float32(np.nan), "weight": np.ones(VOCABULARY, np.float32)},
            "row of token 0 is NaN",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, tensors: dict[str, np.ndarray], message: str) -> None:
    import_static(write_model2vec(tmp_path / "source"), tmp_path / "model")
    save_file(tensors, tmp_path / "model" / "weights.safetensors")
    write_config(tmp_path / "model", read_config(tmp_path / "model", verify=False))
    with pytest.raises(ModelCorrupt, match=message):
        typeahead.load(tmp_path / "model")


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"\x10\0\0\0\0\0\0\0{}", b"\0" * 64])
def test_a_weights_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    import_static(write_model2vec(tmp_path / "source"), tmp_path / "model")
    (tmp_path / "model" / "weights.safetensors").write_bytes(content)
    write_config(tmp_path / "model", read_config(tmp_path / "model", verify=False))
    with pytest.raises(ModelCorrupt, match=r"weights\.safetensors cannot be read"):
        typeahead.load(tmp_path / "model")
