"""The causal encoder: its steps equal the formulas in NumPy over all tokens, and prefixes share what they can."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx", reason="graphs are written with onnx")

import typeahead
from tests.causal import by_numpy, float_weights, write_folder
from tests.texts import texts
from typeahead.core.encoder import Encoder, IncrementalEncoder
from typeahead.core.engine import Engine
from typeahead.encoders.causal import CausalEncoder, CausalState
from typeahead.errors import ModelCorrupt, TextError
from typeahead.models.folder import write_config
from typeahead.models.golden import Golden, cosines
from typeahead.storage.sealed import seal

TEXTS = [
    "how to boil an egg",
    "x",
    "東京の天気 tomorrow",
    "한국어 검색",
    "does regular exercise lower the blood pressure of older adults with mild hypertension and diabetes?",
]


@pytest.fixture(scope="session")
def weights() -> dict[str, np.ndarray]:
    return float_weights(30_522)


def test_it_is_an_incremental_encoder(causal: CausalEncoder) -> None:
    assert isinstance(causal, Encoder)
    assert isinstance(causal, IncrementalEncoder)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(("variant", "cosine"), [("", 0.999), ("-float32", 0.9995)])
def test_steps_agree_with_the_formulas_over_all_tokens_in_float64(
    causal: CausalEncoder, causal_folder: Path, weights: dict[str, np.ndarray], text: str, variant: str, cosine: float
) -> None:
    encoder = CausalEncoder(causal.config, causal_folder, variant=variant)
    expected = by_numpy(weights, (101,), encoder.tokenizer.encode(text))
    assert cosines(encoder.encode([text]), expected[None].astype(np.float32))[0] > cosine


def test_the_int8_graph_is_close_to_the_float32_one(causal: CausalEncoder, causal_folder: Path) -> None:
    precise = CausalEncoder(causal.config, causal_folder, variant="-float32")
    assert cosines(causal.encode(TEXTS), precise.encode(TEXTS)).min() > 0.999


@settings(max_examples=30)
@given(st.lists(texts, min_size=1, max_size=8))
def test_a_text_has_the_same_bits_in_every_batch(causal: CausalEncoder, batch: list[str]) -> None:
    together = causal.encode(batch)
    for text, vector in zip(batch, together, strict=True):
        np.testing.assert_array_equal(causal.encode([text])[0], vector)


def test_a_session_has_the_same_bits_whoever_is_stepped_with_it(causal: CausalEncoder) -> None:
    engine = Engine(causal)
    sessions = [engine.session() for _ in TEXTS]
    for session, text in zip(sessions, TEXTS, strict=True):
        session.set_text(text)
    engine.advance(sessions)
    for session, text in zip(sessions, TEXTS, strict=True):
        assert session.embedding is not None
        np.testing.assert_array_equal(session.embedding, causal.encode([text])[0])


def step(encoder: CausalEncoder, state: CausalState, token: int) -> tuple[CausalState, np.ndarray]:
    states, embeddings = encoder.step((state,), np.array((token,), np.int64))
    return states[0], embeddings[0]


def test_branches_share_what_is_before_them_and_leave_it_as_it_is(causal: CausalEncoder) -> None:
    trunk, _ = step(causal, causal.start(), 2129)
    before = trunk.kept, trunk.sums.copy()
    (first, second), _ = causal.step((trunk, trunk), np.array((2000, 3000), np.int64))
    assert first.before is trunk
    assert second.before is trunk
    assert first.length == second.length == 3
    assert trunk.kept == before[0]
    np.testing.assert_array_equal(trunk.sums, before[1])
    again, embedding = step(causal, trunk, 2000)
    assert again.kept == first.kept
    np.testing.assert_array_equal(embedding, causal.step((trunk, trunk), np.array((3000, 2000), np.int64))[1][1])


def test_the_order_of_tokens_counts(causal: CausalEncoder) -> None:
    one, other = causal.encode(["egg boil how", "how boil egg"])
    assert one @ other < 0.999


def test_every_state_takes_the_same_bytes_by_itself(causal: CausalEncoder) -> None:
    state = causal.start()
    sizes = {state.nbytes}
    for token in range(2000, 2010):
        state, _ = step(causal, state, token)
        sizes.add(state.nbytes)
    assert len(sizes) == 1


@pytest.mark.parametrize("prefix_ids", [(), (101, 7953, 1024)])
def test_any_start_stands_before_the_text(
    tmp_path: Path, weights: dict[str, np.ndarray], prefix_ids: tuple[int, ...]
) -> None:
    encoder = typeahead.load(write_folder(tmp_path / "model", prefix_ids=prefix_ids))
    tokens = encoder.tokenizer.encode("how to boil an egg")
    expected = by_numpy(weights, prefix_ids, tokens)
    assert encoder.encode(["how to boil an egg"])[0] @ expected.astype(np.float32) > 0.999
    assert not encoder.encode([""]).any()


def test_embeddings_of_a_dot_product_student_keep_their_length(
    tmp_path: Path, causal: CausalEncoder, weights: dict[str, np.ndarray]
) -> None:
    encoder = typeahead.load(write_folder(tmp_path / "model", normalize=False))
    vector = encoder.encode(["how to boil an egg"])[0]
    expected = by_numpy(weights, (101,), encoder.tokenizer.encode("how to boil an egg"), normalize=False)
    assert np.linalg.norm(vector) == pytest.approx(np.linalg.norm(expected), rel=0.02)
    assert not np.isclose(np.linalg.norm(vector), 1, atol=0.01)
    np.testing.assert_allclose(vector / np.linalg.norm(vector), causal.encode(["how to boil an egg"])[0], atol=1e-5)


@settings(max_examples=30)
@given(texts)
def test_embeddings_have_length_one_or_are_zero_for_text_without_a_token(causal: CausalEncoder, text: str) -> None:
    length = np.linalg.norm(causal.encode([text])[0])
    assert length == pytest.approx(1 if causal.tokenizer.encode(text) else 0, abs=1e-5)


def test_nothing_gives_an_array_without_rows(causal: CausalEncoder) -> None:
    assert causal.encode([]).shape == (0, 48)
    assert causal.encode([""]).tolist() == [[0.0] * 48]


def test_a_lone_surrogate_is_refused_with_the_texts_number(causal: CausalEncoder) -> None:
    with pytest.raises(TextError, match="text 1 has a lone surrogate"):
        causal.encode(["egg", "\udc00"])


@pytest.fixture
def folder(causal_folder: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(causal_folder, tmp_path / "copy"))


@pytest.mark.parametrize("name", ["weights.safetensors", "words.safetensors", "table.safetensors", "fold.onnx"])
def test_a_file_that_is_missing_or_damaged_is_named(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelCorrupt, match=f"{name} does not match its sha256"):
        typeahead.load(folder)
    (folder / name).unlink()
    with pytest.raises(ModelCorrupt, match=f"{name} is missing"):
        typeahead.load(folder)


@pytest.mark.parametrize(
    "values",
    [
        {"dim": 64},
        {"shape": {}},
        {"shape": {"layers": 3, "heads": 4, "width": 64}},
        {"shape": {"layers": 2, "heads": 8, "width": 64}},
        {"shape": {"layers": 2, "heads": 4, "width": 32}},
        {"prefix_ids": [40_000]},
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(folder: Path, values: dict[str, Any]) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(seal(config | values))
    with pytest.raises(ModelCorrupt):
        typeahead.load(folder)


def test_a_processor_that_misses_the_golden_vectors_in_int8_runs_float32(folder: Path, causal: CausalEncoder) -> None:
    """Noise stands for products that saturate, which this processor may not have."""

    class Saturating(CausalEncoder):
        def __init__(self, *arguments: Any, variant: str) -> None:
            super().__init__(*arguments, variant=variant)
            self.saturates = not variant

        def encode(self, texts: Any) -> Any:
            vectors = super().encode(texts)
            return vectors[:, ::-1] if self.saturates else vectors

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typeahead.encoders.causal.CausalEncoder", Saturating)
        with pytest.warns(RuntimeWarning, match="running in float32"):
            encoder = typeahead.load(folder)
    assert cosines(encoder.encode(TEXTS), causal.encode(TEXTS)).min() > 0.999


def test_weights_that_are_not_the_cards_are_refused(folder: Path, causal: CausalEncoder) -> None:
    golden = Golden.read(folder)
    (folder / "golden.json").write_text(Golden(golden.texts, -golden.vectors, golden.min_cosine).to_json())
    write_config(folder, causal.config)
    with pytest.raises(ModelCorrupt, match="misses its golden vectors"):
        typeahead.load(folder)
