"""The compiled step equals the graph, and its products those of NumPy."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

pytest.importorskip("numba", reason="the compiled step needs the extra 'fast'")

from numba import njit

from tests.encoders.compiled_marks import needs_compiled_steps
from tests.recurrent import UNITS, write_folder
from tests.texts import texts
from typeahead.encoders.compiled.recurrent import CompiledStep, fits
from typeahead.encoders.compiled.vnni import COLUMNS, offsets, pack, product_of_four, product_of_one, supported
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.models.folder import read_config
from typeahead.paths import models_folder

FOLDER = models_folder() / "minilm-gru"


@pytest.fixture(scope="module", params=["as it ships", "linear", "layer"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The student that ships, and small ones of both read-outs."""
    if request.param == "as it ships":
        return FOLDER
    pytest.importorskip("onnx", reason="the graphs are written by training")
    return write_folder(tmp_path_factory.mktemp("student"), readout=UNITS if request.param == "layer" else 0)


@pytest.fixture(scope="module")
def compiled(folder: Path) -> RecurrentEncoder:
    encoder = RecurrentEncoder(read_config(folder), folder)
    assert encoder.compiled
    return encoder


@pytest.fixture(scope="module")
def graph(folder: Path) -> RecurrentEncoder:
    encoder = RecurrentEncoder(read_config(folder), folder, compiled=False)
    assert not encoder.compiled
    return encoder


@needs_compiled_steps
@settings(max_examples=100)
@given(text=texts)
def test_whatever_is_typed_its_embedding_is_the_graphs(
    compiled: RecurrentEncoder, graph: RecurrentEncoder, text: str
) -> None:
    (ours,), (theirs,) = compiled.encode([text]), graph.encode([text])
    # An entry that is rounded the other way to int8 shifts the result by a few parts in ten thousand.
    assert np.abs(ours - theirs).max() < 3e-3
    assert not theirs.any() or ours @ theirs > 0.9999


@needs_compiled_steps
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 13, 128])
def test_a_row_has_the_same_bits_in_every_batch(compiled: RecurrentEncoder, count: int) -> None:
    assert_rows_are_alone(compiled, count)


@pytest.mark.parametrize("count", [2, 5, 13])
def test_a_row_of_the_graph_has_the_same_bits_in_every_batch(graph: RecurrentEncoder, count: int) -> None:
    assert_rows_are_alone(graph, count)


def assert_rows_are_alone(encoder: RecurrentEncoder, count: int) -> None:
    """Step several sessions together, and each of them alone."""
    rng = np.random.default_rng(count)
    states = np.zeros((count, encoder.state_size), np.float32)
    for _ in range(3):
        tokens = rng.integers(0, encoder.tokenizer.vocabulary_size, count)
        together, embeddings = encoder.step(list(states), tokens)
        for row in range(count):
            (alone,), embedding = encoder.step((states[row],), tokens[row : row + 1])
            np.testing.assert_array_equal(together[row], alone)
            np.testing.assert_array_equal(embeddings[row], embedding[0])
        states = np.stack(list(together))


@needs_compiled_steps
def test_a_session_has_the_bits_of_the_whole_text(compiled: RecurrentEncoder) -> None:
    session = compiled.session()
    for text in ("h", "how to boi", "how to boil an egg", "how", "東京の天気"):
        session.update(text)
        np.testing.assert_array_equal(session.embedding, compiled.encode([text, "x", "how to"])[0])


@njit
def multiply(vectors: Any, weights: Any, begin: Any, sums: Any, rows: int, columns: int, four: bool) -> None:
    for row in range(0, len(vectors), 4 if four else 1):
        source, target = vectors[row:].ctypes.data, sums[row:].ctypes.data
        step, sum_step = np.int64(vectors.shape[1]), np.int64(4 * sums.shape[1])
        if four:
            product_of_four(source, step, weights.ctypes.data, begin.ctypes.data, target, sum_step, rows, columns)
        else:
            product_of_one(source, step, weights.ctypes.data, begin.ctypes.data, target, sum_step, rows, columns)


@needs_compiled_steps
@pytest.mark.parametrize("four", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(4, COLUMNS), (384, 3 * 384), (768, 384), (12, 2 * COLUMNS)])
def test_a_product_is_numpys_at_the_largest_values_too(rows: int, columns: int, four: bool) -> None:
    rng = np.random.default_rng(rows)
    matrix = rng.integers(-127, 128, (rows, columns)).astype(np.int8)
    matrix[:, 0], matrix[:, 1] = 127, -127
    vectors = rng.integers(0, 256, (8, rows)).astype(np.uint8)
    vectors[0], vectors[1] = 255, 0
    sums = np.empty((8, columns), np.int32)
    multiply(vectors, pack(matrix), offsets(matrix, 128), sums, rows, columns, four)
    np.testing.assert_array_equal(sums, (vectors.astype(np.int32) - 128) @ matrix.astype(np.int32))


@pytest.mark.parametrize(("rows", "columns"), [(5, COLUMNS), (4, COLUMNS + 1)])
def test_a_matrix_of_another_shape_is_not_packed(rows: int, columns: int) -> None:
    with pytest.raises(ValueError, match=f"{rows} x {columns}"):
        pack(np.zeros((rows, columns), np.int8))


@needs_compiled_steps
def test_a_step_that_gives_other_vectors_is_not_used_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    step = CompiledStep.__call__

    def wrong(self: CompiledStep, states: Any, tokens: Any) -> Any:
        following, embeddings = step(self, states, tokens)
        return following, np.roll(embeddings, 1)

    monkeypatch.setattr(CompiledStep, "__call__", wrong)
    with pytest.warns(RuntimeWarning, match="used instead"):
        encoder = RecurrentEncoder(read_config(FOLDER), FOLDER)
    assert not encoder.compiled


@pytest.mark.parametrize("error", [ImportError("no numba"), RuntimeError("no locator available")])
def test_without_numba_or_a_place_for_what_it_compiles_the_graph_is_used(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(_: str) -> None:
        raise error

    monkeypatch.setenv("TYPEAHEAD_COMPILED", "1")
    monkeypatch.setattr("typeahead.encoders.compiled.importing.importlib", SimpleNamespace(import_module=refuse))
    config = read_config(FOLDER)
    if isinstance(error, RuntimeError):
        with pytest.warns(RuntimeWarning, match="the step is not compiled.*NUMBA_CACHE_DIR"):
            encoder = RecurrentEncoder(config, FOLDER)
    else:
        encoder = RecurrentEncoder(config, FOLDER)
    assert not encoder.compiled


def test_another_students_step_is_not_compiled() -> None:
    from dataclasses import replace

    config = read_config(FOLDER)
    assert fits(config) is supported()
    assert not fits(replace(config, shape={"state": 385, "row": 385}))
    assert not fits(replace(config, shape={**config.shape, "layers": 2}))
    assert not fits(replace(config, shape={**config.shape, "readout": 100}))
