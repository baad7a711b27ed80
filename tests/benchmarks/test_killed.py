"""The benchmark of kills finds nothing that was lost, and would tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.killed import DIM, apply, check, entry, kill, same
from typeahead.errors import TypeaheadError
from typeahead.index import Teacher
from typeahead.index.changes.compacting import create
from typeahead.index.living import LivingIndex


def test_nothing_that_was_answered_is_lost_by_kills() -> None:
    found = kill(3, 7, lives=(0.3, 1.2))
    assert found["writes_answered"] > 0
    assert found["equal_to_an_index_built_at_once"] == "yes"


def test_a_lost_write_would_be_told(tmp_path: Path) -> None:
    create(tmp_path / "one", Teacher("test", None), DIM)
    create(tmp_path / "two", Teacher("test", None), DIM)
    written = apply({}, {"write": {"a": 1, "b": 2}})
    with LivingIndex(tmp_path / "one") as one, LivingIndex(tmp_path / "two") as two:
        one.write(list(written.values()))
        two.write([written["a"], entry("b", 3)])
    assert check(tmp_path / "one", [{}, written], 1) is written
    for states, version in (([{}], 1), ([apply(written, {"delete": ["a"]})], 1), ([written], 3)):
        with pytest.raises(TypeaheadError, match="answered"):
            check(tmp_path / "one", states, version)
    with pytest.raises(TypeaheadError, match="built at once"):
        same(tmp_path / "one", tmp_path / "two", np.ones((1, DIM), np.float32))
