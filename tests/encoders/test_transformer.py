"""The passage encoder: batches equal single texts, and the teacher is who it says it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.texts import texts
from typeahead.encoders.transformer import TransformerEncoder, batches_by_length
from typeahead.errors import TextError


@settings(max_examples=15)
@given(st.lists(texts, min_size=1, max_size=12))
def test_a_text_has_the_same_vector_in_every_batch(passage_encoder: TransformerEncoder, batch: list[str]) -> None:
    together = passage_encoder.encode(batch)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for text, vector in zip(batch, together, strict=True):
        assert passage_encoder.encode([text])[0] @ vector > 0.9999


def test_passages_about_the_same_thing_are_near(passage_encoder: TransformerEncoder) -> None:
    query, near, far = passage_encoder.encode(
        ["how to boil an egg", "Put the eggs into boiling water for eight minutes.", "The treaty was signed in 1648."]
    )
    assert query @ near > 0.5 > 0.2 > query @ far


def test_text_beyond_256_word_pieces_is_cut(passage_encoder: TransformerEncoder) -> None:
    ids = passage_encoder.token_ids("egg " * 1000)
    assert (len(ids), ids[0], ids[-1]) == (256, 101, 102)
    np.testing.assert_array_equal(passage_encoder.encode(["egg " * 1000]), passage_encoder.encode(["egg " * 254]))


def test_an_empty_passage_has_a_vector_and_no_passages_have_none(passage_encoder: TransformerEncoder) -> None:
    assert np.isfinite(passage_encoder.encode([""])).all()
    assert passage_encoder.encode([]).shape == (0, 384)


def test_a_lone_surrogate_is_refused(passage_encoder: TransformerEncoder) -> None:
    with pytest.raises(TextError, match="text 0"):
        passage_encoder.encode(["\ud800"])


@settings(max_examples=200)
@given(st.lists(st.integers(1, 256), max_size=60), st.integers(1, 2000))
def test_batches_hold_every_row_once_and_keep_to_their_size(lengths: list[int], batch_tokens: int) -> None:
    batches = batches_by_length(lengths, batch_tokens)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= batch_tokens
