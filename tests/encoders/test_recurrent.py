"""The recurrent encoder: ONNX equals a plain NumPy GRU over the same weights, batches equal single texts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from tests.texts import texts
from typeahead.core.encoder import Encoder, IncrementalEncoder
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.errors import TextError
from typeahead.models.folder import find
from typeahead.models.golden import cosines


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def by_numpy(tokens: tuple[int, ...]) -> np.ndarray:
    """The embedding after ``tokens``, in float64, from the formulas in the encoder's docstring."""
    w = {
        name: tensor.astype(np.float64)
        for name, tensor in load_file(find("minilm-gru") / "weights.safetensors").items()
    }
    hidden = np.zeros(w["recurrent"].shape[0])
    total, weight_sum, hidden_sum = np.zeros(w["table"].shape[1]), 0.0, np.zeros_like(hidden)
    for token in tokens:
        vector = (w["table"][token] - 128) * w["table.scale"][token]
        weight = w["token_weight"][token]
        from_input = np.split(vector @ (w["input"] * w["input.scale"]) + w["input.bias"], 3)
        from_hidden = np.split(hidden @ (w["recurrent"] * w["recurrent.scale"]) + w["recurrent.bias"], 3)
        reset, update = (sigmoid(from_input[gate] + from_hidden[gate]) for gate in (0, 1))
        new = np.tanh(from_input[2] + reset * from_hidden[2])
        hidden = (1 - update) * new + update * hidden
        total, weight_sum, hidden_sum = total + weight * vector, weight_sum + weight, hidden_sum + weight * hidden
    read = np.concatenate([hidden, hidden_sum / weight_sum])
    embedding = total / weight_sum + read @ (w["readout"] * w["readout.scale"])
    return np.asarray(embedding / np.linalg.norm(embedding))


TEXTS = [
    "how to boil an egg",
    "x",
    "東京の天気 tomorrow",
    "한국어 검색",
    "does regular exercise lower the blood pressure of older adults with mild hypertension and diabetes?",
]


def test_it_is_an_incremental_encoder(student: RecurrentEncoder) -> None:
    assert isinstance(student, Encoder)
    assert isinstance(student, IncrementalEncoder)


@pytest.mark.parametrize("text", TEXTS)
def test_int8_steps_agree_with_the_formulas_in_float64(student: RecurrentEncoder, text: str) -> None:
    expected = by_numpy(student.tokenizer.encode(text))
    assert cosines(student.encode([text]), expected[None].astype(np.float32))[0] > 0.999


@settings(max_examples=40)
@given(st.lists(texts, min_size=1, max_size=20))
def test_a_text_has_the_same_vector_in_every_batch(student: RecurrentEncoder, batch: list[str]) -> None:
    together = student.encode(batch)
    for text, vector in zip(batch, together, strict=True):
        np.testing.assert_allclose(student.encode([text])[0], vector, atol=1e-6)


@settings(max_examples=100)
@given(texts)
def test_embeddings_have_length_one_or_are_zero_for_text_without_a_token(student: RecurrentEncoder, text: str) -> None:
    length = np.linalg.norm(student.encode([text])[0])
    assert length == pytest.approx(1 if student.tokenizer.encode(text) else 0, abs=1e-5)


def test_nothing_gives_an_array_without_rows(student: RecurrentEncoder) -> None:
    assert student.encode([]).shape == (0, 384)
    assert student.encode([""]).tolist() == [[0.0] * 384]


def test_a_megabyte_of_text_is_cut_not_refused(student: RecurrentEncoder) -> None:
    long = "how to boil an egg " * 55_000
    np.testing.assert_array_equal(student.encode([long]), student.encode([long[:3000]]))


def test_a_single_text_instead_of_a_list_is_refused(student: RecurrentEncoder) -> None:
    with pytest.raises(TypeError, match="put it into a list"):
        student.encode("egg")


def test_a_lone_surrogate_is_refused_with_the_texts_number(student: RecurrentEncoder) -> None:
    with pytest.raises(TextError, match="text 1 has a lone surrogate"):
        student.encode(["egg", "\udc00"])


def test_a_step_leaves_its_arguments_as_they_were(student: RecurrentEncoder) -> None:
    states = np.random.default_rng(0).normal(0, 0.1, (3, student.state_size)).astype(np.float32)
    before = states.copy()
    student.step(list(states), np.array([2000, 2001, 2002]))
    np.testing.assert_array_equal(states, before)
