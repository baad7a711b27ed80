"""Products of pairs have the same bits everywhere, and the trial of BLAS sees what depends on places."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from typeahead.evaluate.vectors.products import Pairs, greatest_difference


@pytest.mark.parametrize("dim", [1, 3, 12, 64, 385])
def test_a_pair_has_the_same_product_wherever_it_stands_and_whatever_else_is_asked(dim: int) -> None:
    rng = np.random.default_rng(dim)
    left, right = rng.normal(size=(2, 40, dim)).astype(np.float32)
    pairs = Pairs(dim)
    rows, columns = np.repeat(np.arange(40), 40), np.tile(np.arange(40), 40)
    found = pairs.products(left, rows, right, columns)
    np.testing.assert_allclose(found, (left.astype(np.float64) @ right.T).reshape(-1), rtol=1e-5, atol=1e-5)
    shuffled = rng.permutation(1600)
    np.testing.assert_array_equal(pairs.products(left, rows[shuffled], right, columns[shuffled]), found[shuffled])
    alone = [pairs.products(left[row : row + 1], np.array([0]), right, np.array([3]))[0] for row in range(40)]
    np.testing.assert_array_equal(alone, found.reshape(40, 40)[:, 3])


def test_two_ways_to_sum_lie_within_the_greatest_difference() -> None:
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(50, 300)).astype(np.float32)
    vectors = rng.uniform(-1, 1, (50, 300)).astype(np.float32)
    one_by_one = np.add.accumulate(queries * vectors, axis=1, dtype=np.float32)[:, -1]
    apart = np.abs(one_by_one - Pairs(300).products(queries, np.arange(50), vectors, np.arange(50)))
    assert (apart <= greatest_difference(queries)[:, 0]).all()


def test_the_bits_of_a_kernel_that_depend_on_places_are_seen() -> None:
    """OpenBLAS chooses its kernel at start; where BLAS is another, there is nothing to see."""
    code = """
from threadpoolctl import threadpool_info, threadpool_limits
import numpy
from typeahead.evaluate.products import depends_on_place
with threadpool_limits(1, user_api="blas"):
    print([pool.get("architecture") for pool in threadpool_info()], depends_on_place(((64, 256),), 64))
"""
    environment = os.environ | {"OPENBLAS_CORETYPE": "Haswell", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    if "Haswell" not in done.stdout:
        pytest.skip(f"this BLAS has no such kernel: {done.stdout.strip()}")
    assert done.stdout.endswith("True\n")
