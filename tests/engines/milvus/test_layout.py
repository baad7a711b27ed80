"""Rows as clients give them, read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.engines.milvus.test_filters import LAYOUT
from typeahead.engines.payloads import Row

HALVES = np.array([0.5, -2.0], np.float16)


@pytest.mark.parametrize("sent", [HALVES.tobytes(), [HALVES.tobytes()], HALVES], ids=["bytes", "listed", "array"])
def test_halves_are_read_in_whichever_form_a_client_gives_them(sent: object) -> None:
    vector = replace(LAYOUT, dtype=np.float16).vector_of({"v": sent})
    assert vector is not None
    assert vector.dtype == np.float32
    assert vector.tolist() == [0.5, -2.0]


def test_a_row_without_a_vector_has_none() -> None:
    assert LAYOUT.vector_of({"v": None}) is None


def test_numbers_of_numpy_become_plain_ones_and_lists_are_remembered() -> None:
    layout = replace(LAYOUT, listed=set())
    row = layout.row({"id": 7, "v": [1.0, 2.0], "single": np.float32(0.5), "free": [1], "meta": {"tags": ["a"]}})
    assert row == Row(7, {"id": 7, "single": 0.5, "free": [1], "meta": {"tags": ["a"]}})
    assert layout.listed == {"free", "tags"}
