"""The golden vectors of a folder can be reached in every way that it runs, and each way is near PyTorch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("onnx", reason="training needs onnx")

from training.exporting import ways
from training.exporting.ways import least_agreement
from typeahead.models.golden import Golden, agreements

TEXTS = ("egg", "boil")
VECTORS = np.eye(2, 8, dtype=np.float32)


class Turned:
    """Gives the vectors, turned by an angle."""

    def __init__(self, angle: float) -> None:
        self.config = SimpleNamespace(family="static")
        self._angle = np.float32(angle)

    def encode(self, _texts: Any) -> Any:
        return np.cos(self._angle) * VECTORS + np.sin(self._angle) * np.roll(VECTORS, 4, axis=1)


def least_with(monkeypatch: pytest.MonkeyPatch, *angles: float, min_cosine: float = 0.995) -> float:
    monkeypatch.setattr(ways, "_others", lambda *_: [(f"turned by {angle}", Turned(angle)) for angle in angles])
    return least_agreement(Turned(0.0), None, Golden(TEXTS, VECTORS, min_cosine))  # type: ignore[arg-type]


def test_ways_that_hardly_differ_leave_the_usual_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    assert least_with(monkeypatch) == 0.9995
    assert least_with(monkeypatch, 0.01) == 0.9995


def test_ways_that_differ_lower_it_by_twice_the_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    least = least_with(monkeypatch, 0.01, 0.05)
    assert least < agreements(Turned(0.05).encode(TEXTS), VECTORS).min()
    assert least == pytest.approx(1 - 0.05**2, abs=1e-4)


def test_a_way_that_misses_pytorchs_vectors_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"turned by 0\.2, the model misses PyTorch's vectors: agreement 0\.980"):
        least_with(monkeypatch, 0.2)
