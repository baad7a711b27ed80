"""Several processes of a run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("accelerate", reason="training needs accelerate")

from training.stage1 import parallel


def test_a_process_waits_for_one_that_encodes_for_days(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(parallel, "Accelerator", lambda **options: given.update(options))
    parallel.accelerator_of("", cpu=True)
    assert given["mixed_precision"] is None
    assert given["kwargs_handlers"][0].timeout >= timedelta(days=7)
