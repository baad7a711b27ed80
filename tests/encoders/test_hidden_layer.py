"""The layer behind a static model's mean: by the definition in float64, compiled or not, whoever is beside a row."""

from __future__ import annotations

import math
import warnings
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import typeahead
from tests.static import VOCABULARY, random_table, write_model2vec
from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.encoders import hidden_layer
from typeahead.encoders.hidden_layer import HiddenLayer, open_layer
from typeahead.encoders.static import StaticEncoder
from typeahead.encoders.static_import import import_static
from typeahead.errors import ModelCorrupt
from typeahead.models.folder import find, read_config, write_config
from typeahead.models.golden import Golden, cosines

DIM, HIDDEN = 64, 192
HERE = Path("model")


def layer_tensors(dim: int = DIM, hidden: int = HIDDEN, seed: int = 1) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    tensors: dict[str, Any] = {
        "inner": random.integers(-127, 128, (dim, hidden)).astype(np.int8),
        "outer": random.integers(-127, 128, (hidden, dim)).astype(np.int8),
    }
    for name, columns in (("inner", hidden), ("outer", dim)):
        tensors[f"{name}.scale"] = random.uniform(5e-4, 2e-3, columns).astype(np.float32)
        tensors[f"{name}.bias"] = random.normal(0, 0.05, columns).astype(np.float32)
    return tensors


def by_definition(sums: Vectors, tensors: dict[str, np.ndarray], *, normalized: bool) -> np.ndarray:
    """In float64, with weights as they are stored and nothing else rounded."""
    inner, outer = (tensors[name].astype(np.float64) * tensors[f"{name}.scale"] for name in ("inner", "outer"))
    vectors = sums[:, :-1].astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    value = unit * math.sqrt(vectors.shape[1]) @ inner + tensors["inner.bias"]
    hidden = value / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (value + 0.044715 * value**3)))
    mean = unit if normalized else vectors / sums[:, -1:]
    found = mean + hidden @ outer + tensors["outer.bias"]
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True) if normalized else found)


def sums_of(count: int) -> Vectors:
    random = np.random.default_rng(5)
    sums = random.normal(0, 0.3, (count, DIM + 1)).astype(np.float32)
    sums[:, -1] = random.uniform(0.1, 3, count)
    return sums


def layers() -> list[Any]:
    """NumPy's, and the compiled one where it can run."""
    found: list[Any] = [HiddenLayer(layer_tensors(), DIM, normalized=True, folder=HERE)]
    fast = open_layer(layer_tensors(), DIM, normalized=True, folder=HERE)
    return [*found, fast] if type(fast) is not HiddenLayer else found


def test_an_embedding_is_that_of_the_definition() -> None:
    sums = sums_of(40)
    for layer in layers():
        found = layer(sums)
        assert found.dtype == np.float32
        assert cosines(found, by_definition(sums, layer_tensors(), normalized=True)).min() > 0.9995
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_where_vectors_are_not_normalised_the_mean_keeps_its_length() -> None:
    sums = sums_of(40)
    found = open_layer(layer_tensors(), DIM, normalized=False, folder=HERE)(sums)
    expected = by_definition(sums, layer_tensors(), normalized=False)
    assert cosines(found, expected).min() > 0.9995
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), np.linalg.norm(expected, axis=1), rtol=0.01)


def test_a_row_has_the_same_bits_in_every_batch() -> None:
    sums = sums_of(9)
    for layer in layers():
        together = layer(sums)
        for row in range(9):
            np.testing.assert_array_equal(layer(sums[row : row + 1])[0], together[row])


def test_the_compiled_layer_is_that_of_numpy_but_for_rounding() -> None:
    both = layers()
    if len(both) == 1:
        pytest.skip("needs compiled steps: Numba, a processor with AVX-512 VNNI, and TYPEAHEAD_COMPILED not 0")
    sums = sums_of(60)
    assert cosines(both[1](sums), both[0](sums)).min() > 0.9999


def test_a_layer_that_comes_out_otherwise_when_compiled_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    if len(layers()) == 1:
        pytest.skip("needs compiled steps: Numba, a processor with AVX-512 VNNI, and TYPEAHEAD_COMPILED not 0")
    monkeypatch.setattr(
        "typeahead.encoders.compiled.hidden.CompiledLayer.__call__", lambda _, sums: np.ones_like(sums[:, :-1])
    )
    with pytest.warns(RuntimeWarning, match="gives different vectors"):
        layer = open_layer(layer_tensors(), DIM, normalized=True, folder=HERE)
    assert type(layer) is HiddenLayer


@pytest.mark.parametrize("error", [ImportError("no numba"), RuntimeError("no locator available")])
def test_without_numba_or_a_place_for_what_it_compiles_numpy_runs_the_layer(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(_: str) -> None:
        raise error

    monkeypatch.setenv("TYPEAHEAD_COMPILED", "1")
    monkeypatch.setattr("typeahead.encoders.compiled.importing.importlib", SimpleNamespace(import_module=refuse))
    expected = (
        pytest.warns(RuntimeWarning, match="NUMBA_CACHE_DIR") if isinstance(error, RuntimeError) else nullcontext()
    )
    with expected:
        layer = open_layer(layer_tensors(), DIM, normalized=True, folder=HERE)
    assert type(layer) is HiddenLayer


def test_a_step_is_the_same_as_adding_first() -> None:
    rows, tokens = sums_of(30), np.array([3, 3, 29, 0])
    sums = sums_of(40)[36:]
    for layer in layers():
        following, embeddings = layer.advance(sums, rows, tokens)
        np.testing.assert_array_equal(following, sums + rows[tokens])
        np.testing.assert_array_equal(embeddings, layer(following))


def test_nothing_that_counts_has_no_embedding() -> None:
    for layer in layers():
        assert not layer(np.zeros((2, DIM + 1), np.float32)).any()


def test_sizes_that_the_products_do_not_take_run_in_numpy() -> None:
    layer = open_layer(layer_tensors(24, 20), 24, normalized=True, folder=HERE)
    assert type(layer) is HiddenLayer


def test_products_too_long_for_float32_are_still_exact() -> None:
    tensors = layer_tensors(64, 2048)
    tensors["inner"][:] = 127
    tensors["outer"][:] = 127
    tensors["outer"][1::2, 1:] = 126
    rows = np.full((1, 2048), 127, np.float32)
    whole = hidden_layer._whole(tensors["outer"])
    assert int((rows.astype(whole.dtype) @ whole)[0, 1]) == 127 * (1024 * 127 + 1024 * 126)


@pytest.mark.parametrize("name", [f"{part}{kind}" for part in ("inner", "outer") for kind in ("", ".scale", ".bias")])
def test_a_layer_without_one_of_its_tensors_or_with_nan_is_named(name: str) -> None:
    tensors = layer_tensors()
    without = {key: value for key, value in tensors.items() if key != name}
    if name != "inner":
        with pytest.raises(ModelCorrupt, match=f"{name} of the hidden layer"):
            open_layer(without, DIM, normalized=True, folder=HERE)
    broken = tensors | {name: tensors[name].astype(np.float32)}
    if "." in name:
        broken[name][0] = np.nan
    with pytest.raises(ModelCorrupt, match=f"{name} of the hidden layer" if "." in name else "not int8"):
        open_layer(broken, DIM, normalized=True, folder=HERE)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static model of random rows with a layer of random weights."""
    folder = tmp_path_factory.mktemp("layer")
    table = random_table(DIM)
    import_static(write_model2vec(folder / "source", {"embeddings": table}, normalize=True), folder / "model")
    path = folder / "model" / "weights.safetensors"
    save_file(load_file(path) | layer_tensors(), path)
    write_config(folder / "model", read_config(folder / "model", verify=False))
    return folder / "model"


def test_a_session_has_the_bits_of_the_whole_text_whoever_is_stepped_with_it(model: Path) -> None:
    texts = ["how to boil an egg", "x", "東京の天気 tomorrow", "exercise " * 90]
    config = read_config(model, verify=False)
    for compiled in (False, True):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            encoder = StaticEncoder(config, model, compiled=compiled)
        engine = Engine(encoder)
        sessions = [engine.session(max_chars=2000) for _ in texts]
        for session, text in zip(sessions, texts, strict=True):
            session.set_text(text)
        engine.advance(sessions)
        for session, text in zip(sessions, texts, strict=True):
            np.testing.assert_array_equal(session.embedding, encoder.encode([text])[0])
        assert encoder.tokenizer.vocabulary_size == VOCABULARY


def test_the_static_model_that_ships_needs_no_compiler() -> None:
    folder = find("minilm-static")
    plain = StaticEncoder(read_config(folder), folder, compiled=False)
    texts = ["how to boil an egg", "egg", "capital of portugal lisbon history", "exercise " * 90]
    assert cosines(typeahead.load("minilm-static").encode(texts), plain.encode(texts)).min() > 0.9999
    golden = Golden.read(folder)
    assert golden.agreement(plain.encode(golden.texts)) > 0.9995
