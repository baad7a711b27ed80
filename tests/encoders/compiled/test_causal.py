"""The compiled step of the causal student equals the graph and the formulas, in a tree of prefixes as alone."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="the compiled step needs the extra 'fast'")
pytest.importorskip("onnx", reason="graphs are written with onnx")

from numba import njit

import typeahead
from tests.causal import PLAIN, Form, by_numpy, float_weights, rounded_weights, write_folder
from tests.encoders.compiled_marks import needs_compiled_steps
from tests.texts import texts
from typeahead.core.engine import Engine
from typeahead.encoders.causal import CausalEncoder
from typeahead.encoders.compiled.attention import add_shares, scores_of
from typeahead.encoders.compiled.causal import CompiledStates, CompiledStep
from typeahead.encoders.compiled.kernels import erf, exp, largest
from typeahead.encoders.compiled.vnni import COLUMNS, VECTORS
from typeahead.encoders.compiled.vnni_blocks import (
    blocks_of_four,
    blocks_of_one,
    blocks_of_three,
    blocks_of_two,
    half_bytes_of_four,
    half_bytes_of_one,
    half_bytes_of_three,
    half_bytes_of_two,
    pack_blocks,
)
from typeahead.errors import EncoderError
from typeahead.models.golden import cosines

DIM = COLUMNS
TEXTS = ["how to boil an egg", "x", "東京の天気 tomorrow", "한국어 검색", "naive cafe " * 30]


FORMS = {
    "eight bits": PLAIN,
    "four bits in feed-forward layers": Form(feed_forward_bits=4),
    "four bits, biases by distance": Form(feed_forward_bits=4, attention_bits=4, relative=True),
}


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> Form:
    return FORMS[request.param]


@pytest.fixture(scope="module")
def folder(form: Form, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("compiled"), dim=DIM, ahead=True, form=form)


@pytest.fixture(scope="module")
def compiled(folder: Path) -> CausalEncoder:
    encoder = typeahead.load(folder)
    assert isinstance(encoder, CausalEncoder)
    assert encoder.compiled
    return encoder


@pytest.fixture(scope="module")
def graph(compiled: CausalEncoder, folder: Path) -> CausalEncoder:
    encoder = CausalEncoder(compiled.config, folder, compiled=False)
    assert not encoder.compiled
    return encoder


@needs_compiled_steps
@settings(max_examples=100)
@given(text=texts)
def test_whatever_is_typed_both_read_outs_are_the_graphs(
    compiled: CausalEncoder, graph: CausalEncoder, text: str
) -> None:
    for ours, theirs in (
        (compiled.encode([text]), graph.encode([text])),
        (compiled.encode_ahead([text]), graph.encode_ahead([text])),
    ):
        # An entry that is rounded the other way to int8 shifts the result by a few parts in a thousand, and there
        # may be several.
        assert np.abs(ours - theirs).max() < 0.02
        assert not theirs.any() or cosines(ours, theirs)[0] > 0.998


@needs_compiled_steps
@pytest.mark.parametrize("text", TEXTS)
def test_steps_agree_with_the_formulas_in_float64(compiled: CausalEncoder, form: Form, text: str) -> None:
    weights = rounded_weights(float_weights(30_522, dim=DIM, ahead=True, form=form), form)
    tokens = compiled.tokenizer.encode(text)
    for vectors, readout in ((compiled.encode([text]), "readout"), (compiled.encode_ahead([text]), "ahead")):
        expected = by_numpy(weights, (101,), tokens, readout=readout, form=form)
        assert vectors[0] @ expected.astype(np.float32) > 0.999


@needs_compiled_steps
def test_the_read_outs_differ(compiled: CausalEncoder) -> None:
    assert compiled.readouts == 2
    assert compiled.encode(TEXTS[:1])[0] @ compiled.encode_ahead(TEXTS[:1])[0] < 0.99


@needs_compiled_steps
@settings(max_examples=30)
@given(typed=st.lists(texts, min_size=1, max_size=8))
def test_in_a_tree_that_drops_prefixes_a_text_has_the_same_bits(compiled: CausalEncoder, typed: list[str]) -> None:
    probe = Engine(compiled)
    # Room for one text of the greatest length: others push each other out.
    engine = Engine(compiled, cache_bytes=probe.tree.node_bytes * compiled.max_tokens)
    sessions = [engine.session(max_chars=4096) for _ in typed]
    for session, text in zip(sessions, typed, strict=True):
        session.set_text(text)
    engine.advance(sessions)
    for session, text in zip(sessions, typed, strict=True):
        if session.tokens:
            np.testing.assert_array_equal(session.embedding, compiled.encode([text])[0])
            np.testing.assert_array_equal(session.ahead, compiled.encode_ahead([text])[0])
        else:
            assert session.embedding is None
            assert session.ahead is None


@needs_compiled_steps
@pytest.mark.parametrize("prefix_ids", [(), (101, 7953, 1024)])
def test_any_start_stands_before_the_text(tmp_path: Path, prefix_ids: tuple[int, ...]) -> None:
    encoder = typeahead.load(write_folder(tmp_path / "model", dim=DIM, prefix_ids=prefix_ids))
    assert isinstance(encoder, CausalEncoder)
    assert encoder.compiled
    expected = by_numpy(float_weights(30_522, dim=DIM), prefix_ids, encoder.tokenizer.encode("how to boil an egg"))
    assert encoder.encode(["how to boil an egg"])[0] @ expected.astype(np.float32) > 0.999
    session = encoder.session()
    session.update("how to boil an egg")
    np.testing.assert_array_equal(session.embedding, encoder.encode(["how to boil an egg"])[0])
    np.testing.assert_array_equal(session.ahead, session.embedding)


@needs_compiled_steps
def test_embeddings_of_a_dot_product_student_keep_their_length(tmp_path: Path) -> None:
    encoder = typeahead.load(write_folder(tmp_path / "model", dim=DIM, normalize=False))
    expected = by_numpy(float_weights(30_522, dim=DIM), (101,), encoder.tokenizer.encode("an egg"), normalize=False)
    assert encoder.compiled  # type: ignore[union-attr]
    assert np.linalg.norm(encoder.encode(["an egg"])) == pytest.approx(np.linalg.norm(expected), rel=0.02)


@needs_compiled_steps
def test_a_student_compared_by_cosine_has_length_one_whatever_its_teacher_has(
    compiled: CausalEncoder, folder: Path
) -> None:
    teacher = replace(compiled.config.teacher, normalized=False)
    encoder = CausalEncoder(replace(compiled.config, teacher=teacher), folder)
    assert encoder.compiled
    np.testing.assert_array_equal(encoder.encode(TEXTS), compiled.encode(TEXTS))


@needs_compiled_steps
@pytest.mark.parametrize("activation", ["gelu_tanh", "relu"])
def test_other_activations_agree_with_the_formulas(activation: str, tmp_path: Path) -> None:
    form = Form(activation=activation)
    encoder = typeahead.load(write_folder(tmp_path / "model", dim=DIM, form=form))
    assert encoder.compiled  # type: ignore[union-attr]
    graph = CausalEncoder(encoder.config, tmp_path / "model", compiled=False)
    precise = CausalEncoder(encoder.config, tmp_path / "model", variant="-float32")
    expected = by_numpy(
        float_weights(30_522, dim=DIM, form=form), (101,), encoder.tokenizer.encode("an egg"), form=form
    )
    for one, least in ((encoder, 0.999), (graph, 0.999), (precise, 0.9995)):
        assert one.encode(["an egg"])[0] @ expected.astype(np.float32) > least


@needs_compiled_steps
def test_a_step_that_gives_other_vectors_is_not_used_and_said_so(
    compiled: CausalEncoder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = CompiledStep.__call__

    def wrong(self: CompiledStep, *arguments: Any) -> Any:
        kept, sums, read = step(self, *arguments)
        return kept, sums, np.roll(read, 1)

    monkeypatch.setattr(CompiledStep, "__call__", wrong)
    with pytest.warns(RuntimeWarning, match="used instead"):
        encoder = CausalEncoder(compiled.config, folder)
    assert not encoder.compiled


@needs_compiled_steps
@pytest.mark.parametrize("count", range(1, 10))
def test_tokens_that_are_stepped_together_get_what_each_gets_alone(compiled: CausalEncoder, count: int) -> None:
    together, alone = compiled.states(40), compiled.states(40)
    # Behind texts of other lengths, some of them the same.
    for slot in range(5):
        for states in (together, alone):
            states.step([slot], [2000 + slot], [slot + 1])
    parents, tokens = [0, 5, 2, 2, 4, 1, 0, 3, 5][:count], [3000 + 7 * row for row in range(count)]
    children = [10 + 3 * row for row in range(count)]
    together.step(parents, tokens, children)
    for parent, token, child in zip(parents, tokens, children, strict=True):
        alone.step([parent], [token], [child])
    for states in (together, alone):
        # And what they keep is there for the next token.
        states.step(children[-1:], [2129], [39])
    for slots in ([*children, 39], [1, 5]):
        np.testing.assert_array_equal(together.embeddings(slots), alone.embeddings(slots))


@needs_compiled_steps
@settings(max_examples=30)
@given(data=st.data())
def test_a_token_may_stand_behind_another_of_the_same_step(compiled: CausalEncoder, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    parents = [data.draw(st.integers(0, row)) for row in range(count)]
    tokens = data.draw(st.lists(st.integers(1000, 30_000), min_size=count, max_size=count))
    children = list(range(1, count + 1))
    together, alone = compiled.states(count + 1), compiled.states(count + 1)
    assert together.chains
    together.step(parents, tokens, children)
    for parent, token, child in zip(parents, tokens, children, strict=True):
        alone.step([parent], [token], [child])
    np.testing.assert_array_equal(together.embeddings(children), alone.embeddings(children))


@needs_compiled_steps
def test_reading_an_embedding_takes_no_more_memory_in_a_large_cache(compiled: CausalEncoder) -> None:
    states = compiled.states(20_000)
    states.step([0], [2129], [1])
    tracemalloc.start()
    try:
        states.embeddings([1])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 100_000


@needs_compiled_steps
def test_weights_that_give_no_number_are_an_error(compiled: CausalEncoder) -> None:
    states = compiled.states(4)
    assert isinstance(states, CompiledStates)
    states._vectors[0] = np.nan
    with pytest.raises(EncoderError, match="NaN"):
        states.step([0], [2129], [1])


def test_sizes_that_are_not_of_the_kind_are_left_to_the_graph(causal: CausalEncoder) -> None:
    assert causal.dim % COLUMNS
    assert not causal.compiled


@needs_compiled_steps
@pytest.mark.parametrize("entry", ["feed_forward_bits", "attention_bits"])
@pytest.mark.parametrize("stated", [0, 3, 4, 8])
def test_bits_that_the_weights_do_not_have_are_left_to_the_graph(
    compiled: CausalEncoder, graph: CausalEncoder, folder: Path, form: Form, entry: str, stated: int
) -> None:
    shape = {**compiled.config.shape, entry: stated}
    encoder = CausalEncoder(replace(compiled.config, shape=shape), folder)
    assert encoder.compiled == (stated == getattr(form, entry))
    np.testing.assert_array_equal(encoder.encode(TEXTS), (compiled if encoder.compiled else graph).encode(TEXTS))


def multiplying(product: Any) -> Any:
    @njit
    def multiply(
        vectors: Any, scale: Any, begin: Any, weights: Any, scales: Any, bias: Any, result: Any, block: int
    ) -> None:
        product(
            vectors.ctypes.data,
            np.int64(vectors.strides[0]),
            scale.ctypes.data,
            begin.ctypes.data,
            np.int64(scale.strides[0]),
            weights.ctypes.data,
            scales.ctypes.data,
            bias.ctypes.data,
            result.ctypes.data,
            np.int64(result.strides[0]),
            np.int64(scale.shape[1]),
            np.int64(block),
            np.int64(result.shape[1]),
        )

    return multiply


multiply = {
    (8, 1): multiplying(blocks_of_one),
    (8, 2): multiplying(blocks_of_two),
    (8, 3): multiplying(blocks_of_three),
    (8, VECTORS): multiplying(blocks_of_four),
    (4, 1): multiplying(half_bytes_of_one),
    (4, 2): multiplying(half_bytes_of_two),
    (4, 3): multiplying(half_bytes_of_three),
    (4, VECTORS): multiplying(half_bytes_of_four),
}


@needs_compiled_steps
@pytest.mark.parametrize(
    ("bits", "blocks", "block", "columns"),
    [
        (8, 1, 4, COLUMNS),
        (8, 3, 128, 1152),
        (8, 12, 128, 384),
        (4, 1, 8, COLUMNS),
        (4, 6, 64, 1536),
        (4, 24, 64, 384),
        (4, 5, 16, COLUMNS),
    ],
)
def test_a_product_is_numpys_at_the_largest_values_too(bits: int, blocks: int, block: int, columns: int) -> None:
    rng = np.random.default_rng(blocks)
    zero = 1 << bits - 1
    matrix = rng.integers(0, 2 * zero, (columns, blocks, block)).astype(np.uint8)
    matrix[0], matrix[1] = 2 * zero - 1, 0
    vectors = rng.integers(-127, 128, (VECTORS, blocks, block)).astype(np.int8)
    vectors[0, 0], vectors[1, 0] = 127, -127
    scale, scales = (rng.uniform(0.1, 1, shape).astype(np.float32) for shape in ((VECTORS, blocks), (columns, blocks)))
    bias, result = rng.normal(size=columns).astype(np.float32), np.empty((VECTORS, columns), np.float32)
    begin = (-zero * vectors.astype(np.int32).sum(2)).astype(np.int32)
    halves = matrix if bits == 8 else (matrix[:, :, ::2] | matrix[:, :, 1::2] << 4).astype(np.uint8)
    weights, packed = pack_blocks(halves, scales, bits)
    memory = np.empty(weights.size + 64, np.uint8)
    at = -memory.ctypes.data % 64
    memory[at : at + weights.size] = weights
    read = memory[at : at + weights.size]
    multiply[bits, VECTORS](vectors.reshape(VECTORS, -1), scale, begin, read, packed, bias, result, block)
    whole = np.einsum("cbk,vbk->vcb", matrix.astype(np.int64) - zero, vectors.astype(np.int64))
    expected = bias + (whole * scales * scale[:, None]).sum(2)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-2)
    for count in range(1, VECTORS):
        for row in range(VECTORS - count + 1):
            some, fewer = slice(row, row + count), np.empty((count, columns), np.float32)
            vector = vectors[some].reshape(count, -1)
            multiply[bits, count](vector, scale[some], begin[some], read, packed, bias, fewer, block)
            np.testing.assert_array_equal(fewer, result[some])


@pytest.mark.parametrize(("bits", "columns", "block"), [(8, COLUMNS + 1, 4), (8, COLUMNS, 6), (4, COLUMNS, 4)])
def test_a_matrix_of_another_shape_is_not_packed(bits: int, columns: int, block: int) -> None:
    with pytest.raises(ValueError, match=f"{columns} columns in blocks of {block}"):
        pack_blocks(np.zeros((columns, 1, block * bits // 8), np.uint8), np.zeros((columns, 1), np.float32), bits)


@njit
def attend(query: Any, key: Any, scores: Any, shares: Any, result: Any) -> None:
    heads, chunks = np.int64(scores.shape[0]), np.int64(query.shape[0] // scores.shape[0] // 16)
    scores_of(query.ctypes.data, key.ctypes.data, scores.ctypes.data, heads, chunks)
    add_shares(shares.ctypes.data, key.ctypes.data, result.ctypes.data, heads, chunks)


@needs_compiled_steps
@pytest.mark.parametrize(("heads", "size"), [(1, 16), (12, 32), (4, 64)])
def test_scores_and_shares_of_heads_are_numpys(heads: int, size: int) -> None:
    rng = np.random.default_rng(heads)
    query, result = (rng.normal(size=heads * size).astype(np.float32) for _ in range(2))
    key, shares = rng.normal(size=heads * size).astype(np.float16), rng.uniform(size=heads).astype(np.float32)
    scores, before = np.empty(heads, np.float32), result.copy()
    attend(query, key.view(np.uint16), scores, shares, result)
    float_key = key.astype(np.float32)
    np.testing.assert_allclose(scores, (query * float_key).reshape(heads, size).sum(1), atol=1e-5)
    np.testing.assert_allclose(result, before + np.repeat(shares, size) * float_key, atol=1e-6)


@njit
def each(values: Any, exponentials: Any, errors: Any) -> None:
    for place in range(values.shape[0]):
        exponentials[place] = exp(-abs(values[place]))
        errors[place] = erf(values[place])


def test_exponential_and_error_function_are_those_of_math() -> None:
    values = np.concatenate([np.linspace(-100, 100, 4001), np.linspace(-4, 4, 4001)]).astype(np.float32)
    exponentials, errors = np.empty_like(values), np.empty_like(values)
    each(values, exponentials, errors)
    np.testing.assert_allclose(exponentials, np.exp(-np.abs(values.astype(np.float64))), rtol=3e-7, atol=1e-37)
    np.testing.assert_allclose(errors, [math.erf(value) for value in values], atol=3e-7)


@pytest.mark.parametrize("values", [[0.0, 0.0], [3.0, -7.5], [-0.0, 1e-20], [np.inf, 1.0]])
def test_the_largest_is_found_whatever_its_sign(values: list[float]) -> None:
    assert largest(np.array(values, np.float32)) == max(np.abs(np.array(values, np.float32)).max(), np.float32(1e-12))
