"""Tensors are read as the safetensors library reads them, and what is no such file is refused."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from typeahead.encoders.weights import read_tensors
from typeahead.errors import ModelCorrupt
from typeahead.paths import models_folder

WEIGHTS = models_folder() / "minilm-gru" / "weights.safetensors"


def test_the_tensors_that_are_asked_for_are_read() -> None:
    expected = load_file(WEIGHTS)
    found = read_tensors(WEIGHTS, ("recurrent", "readout.scale", "nothing"))
    assert sorted(found) == ["readout.scale", "recurrent"]
    for name, tensor in found.items():
        np.testing.assert_array_equal(tensor, expected[name])
    assert sorted(read_tensors(WEIGHTS)) == sorted(expected)


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    whole = WEIGHTS.read_bytes()
    for size in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "weights.safetensors").write_bytes(whole[:size])
        with pytest.raises(ModelCorrupt, match=r"weights\.safetensors cannot be read"):
            read_tensors(tmp_path / "weights.safetensors")
    with pytest.raises(ModelCorrupt, match="cannot be read"):
        read_tensors(tmp_path / "none.safetensors")


def test_bfloat16_is_refused_by_its_name_whatever_else_was_imported(tmp_path: Path) -> None:
    with suppress(ImportError):  # with it safetensors reads bfloat16
        import_module("ml_dtypes")
    header = b'{"table":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    path = tmp_path / "weights.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(ModelCorrupt, match="of type BF16: store it as float16"):
        read_tensors(path)
