"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

import typeahead
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.encoders.transformer import TransformerEncoder

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def student() -> RecurrentEncoder:
    encoder = typeahead.load("minilm-gru")
    assert isinstance(encoder, RecurrentEncoder)
    return encoder


@pytest.fixture(scope="session")
def passage_encoder() -> TransformerEncoder:
    encoder = typeahead.load("minilm-doc")
    assert isinstance(encoder, TransformerEncoder)
    return encoder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, which is not part of the project."""
    if not SHARED.is_dir():
        pytest.skip(f"real data is not at {SHARED}")
    return SHARED
