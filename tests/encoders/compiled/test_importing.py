"""The environment variable that switches compiled steps off, for each family that has them."""

from __future__ import annotations

from pathlib import Path

import pytest

import typeahead
from tests.encoders.test_hidden_layer import DIM, HERE, layer_tensors
from typeahead.encoders.causal import CausalEncoder
from typeahead.encoders.compiled.importing import compiling
from typeahead.encoders.hidden_layer import HiddenLayer, open_layer
from typeahead.encoders.loading import load
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.errors import VariableError
from typeahead.paths import models_folder


def test_switched_off_no_family_runs_compiled_steps(causal_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TYPEAHEAD_COMPILED", "0")
    recurrent, causal = typeahead.load("minilm-gru"), typeahead.load(causal_folder)
    assert isinstance(recurrent, RecurrentEncoder)
    assert isinstance(causal, CausalEncoder)
    assert not recurrent.compiled
    assert not causal.compiled
    assert type(open_layer(layer_tensors(), DIM, normalized=True, folder=HERE)) is HiddenLayer


def test_they_are_on_unless_the_variable_is_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TYPEAHEAD_COMPILED", raising=False)
    assert compiling()
    monkeypatch.setenv("TYPEAHEAD_COMPILED", "1")
    assert compiling()


def test_another_value_is_refused_when_a_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TYPEAHEAD_COMPILED", "off")
    with pytest.raises(VariableError, match=r"^the environment variable TYPEAHEAD_COMPILED is 'off': set it to 0 "):
        load(models_folder() / "minilm-gru")
