"""The recurrent encoder: ONNX equals a plain NumPy GRU over the same weights, batches equal single texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from tests.encoders.compiled_marks import needs_exact_int8
from tests.recurrent import UNITS, by_numpy, write_folder
from tests.texts import texts
from typeahead.core.encoder import Encoder, IncrementalEncoder
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.errors import TextError
from typeahead.models.folder import find, read_config
from typeahead.models.golden import agreements, cosines

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
    expected = by_numpy(load_file(find("minilm-gru") / "weights.safetensors"), student.tokenizer.encode(text))
    assert cosines(student.encode([text]), expected[None].astype(np.float32))[0] > 0.999


@needs_exact_int8
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("readout", [0, UNITS])
def test_either_read_out_agrees_with_the_formulas_in_every_runtime(
    readout: int, normalize: bool, tmp_path: Path
) -> None:
    pytest.importorskip("onnx", reason="the graphs are written by training")
    folder = write_folder(tmp_path, readout=readout, normalize=normalize)
    config, weights = read_config(folder), load_file(folder / "weights.safetensors")
    for encoder, least in (
        (RecurrentEncoder(config, folder, variant="-float32"), 0.99999),
        (RecurrentEncoder(config, folder, compiled=False), 0.9995),
        (RecurrentEncoder(config, folder), 0.9995),
    ):
        expected = np.stack([by_numpy(weights, encoder.tokenizer.encode(one), normalize=normalize) for one in TEXTS])
        assert agreements(encoder.encode(TEXTS), expected.astype(np.float32)).min() > least


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
