"""Inputs of products are made more even without changing the products, and int8 loses less by that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("onnx", reason="training needs onnx")

from onnx import TensorProto  # noqa: E402

from tests.encoders.compiled_marks import needs_exact_int8  # noqa: E402
from training.exporting.graphs import Graph, WeightsFile, quantize_columns  # noqa: E402
from training.exporting.smoothing import divisors, input_peaks, random_ids  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from typeahead.encoders.onnx import open_graph  # noqa: E402


def product(folder: Path, weight: np.ndarray, rows: np.ndarray, *, least: float | None = None) -> Any:
    """What a graph gives for ``rows`` (n, in) times ``weight`` (out, in), both in int8."""
    quantized, scale = quantize_columns(weight.T)
    graph = Graph(WeightsFile(folder / "weights.safetensors", {"w": quantized, "w.scale": scale}), int8=True)
    source = graph.quantize_each("rows") if least is None else graph.quantize_above("rows", least)
    result = graph.dense_each(source, "w")
    graph.write(
        folder / "graph.onnx",
        {"rows": (TensorProto.FLOAT, ["n", weight.shape[1]])},
        {"result": (result, TensorProto.FLOAT, ["n", len(weight)])},
    )
    return open_graph(folder / "graph.onnx", threads=1).run(None, {"rows": rows.astype(np.float32)})[0]


def error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.square(found - expected).mean() / np.square(expected).mean())


@needs_exact_int8
def test_a_few_large_inputs_no_longer_cost_the_others_their_levels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weight, rows = rng.normal(size=(64, 96)), rng.normal(size=(32, 96))
    rows[:, [3, 50]] *= 40
    weight[:, [3, 50]] /= 40
    divided = divisors(np.abs(rows).max(0), weight)
    expected = rows @ weight.T
    np.testing.assert_allclose((rows / divided) @ (weight * divided).T, expected, rtol=1e-5, atol=1e-6)
    plain = error(product(tmp_path, weight, rows), expected)
    evened = error(product(tmp_path, weight * divided, rows / divided), expected)
    assert evened < plain / 20


def test_what_is_never_below_a_little_has_its_levels_above(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    # Weights that int8 keeps as they are, so that only the rows lose.
    weight = rng.integers(-127, 128, (64, 96)) / 127
    weight[:, 0] = 1
    rows = torch.nn.functional.gelu(torch.from_numpy(rng.normal(size=(32, 96)) * 3)).numpy()
    # The last rows have nothing that is large: the least value still has a level.
    rows[-2:] = [[-0.169] * 96, [0.0] * 96]
    expected = rows @ weight.T
    found = product(tmp_path, weight, rows, least=-0.17)
    assert error(found, expected) < error(product(tmp_path, weight, rows), expected) / 2
    np.testing.assert_allclose(found[-2], expected[-2], rtol=0.02, atol=0.01)
    assert not found[-1].any()
    alone = [product(tmp_path, weight, row[None], least=-0.17)[0] for row in rows]
    np.testing.assert_array_equal(found, alone)


def test_inputs_that_are_never_seen_or_that_no_weight_meets_keep_divisors_above_zero() -> None:
    peak, weight = np.array([0.0, 1.0, 2.0, 0.0]), np.array([[1.0, 0.0, 3.0, 0.0]])
    divided = divisors(peak, weight)
    assert divided.dtype == np.float32
    assert np.isfinite(divided).all()
    assert np.isfinite(1 / divided).all()
    assert (divided > 0).all()
    assert np.isfinite(1 / divisors(np.zeros(4), np.zeros((2, 4)))).all()


def test_peaks_are_the_largest_inputs_over_all_calls() -> None:
    layer = torch.nn.Linear(3, 2)
    batches = [torch.tensor([[[1.0, -5.0, 0.0]]]), torch.tensor([[[-2.0, 3.0, 0.5]], [[0.0, 0.0, -0.25]]])]
    peaks = input_peaks(lambda: [layer(batch) for batch in batches], {"one": layer})
    np.testing.assert_array_equal(peaks["one"], np.array([2.0, 5.0, 0.5], np.float32))
    assert not layer._forward_pre_hooks


def test_nothing_watches_a_model_after_a_run_that_failed() -> None:
    layer = torch.nn.Linear(3, 2)
    with pytest.raises(RuntimeError):
        input_peaks(lambda: layer(torch.zeros(1, 4)), {"one": layer})
    assert not layer._forward_pre_hooks


def test_random_texts_are_the_same_each_time_and_fit_the_teacher(teacher_folder: Path) -> None:
    teacher = TorchTeacher(str(teacher_folder))
    before, after = teacher.special_ids()
    ids = random_ids(teacher, before, after)
    assert ids.shape == (128, teacher.max_length)
    assert torch.equal(ids, random_ids(TorchTeacher(str(teacher_folder)), before, after))
    assert ids[:, : len(before)].tolist() == [list(before)] * 128
    assert ids[:, -len(after) :].tolist() == [list(after)] * 128
    inside = ids[:, len(before) : -len(after)]
    assert not set(inside.flatten().tolist()) & set(teacher.tokenizer.all_special_ids)
