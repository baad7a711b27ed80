"""What all tests share."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# First: selenium brings trio, whose plugin for Hypothesis warns where it is loaded by Hypothesis and not before it.
from hypothesis import HealthCheck, settings

import typeahead
from typeahead.encoders.causal import CausalEncoder
from typeahead.encoders.fold import FoldEncoder
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.encoders.static import StaticEncoder
from typeahead.encoders.transformer import TransformerEncoder

# Commands that tests start warn on standard error that models run in float32, on processors without VNNI.
os.environ.setdefault("PYTHONWARNINGS", "ignore:minilm-gru:RuntimeWarning,ignore:minilm-doc:RuntimeWarning")

# The same examples in each run, however slow the machine is. `--hypothesis-profile explore` draws new ones.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", settings.get_profile("explore"), derandomize=True)
# Many examples of what `examples` says; meant for the stateful tests, which take some ten minutes so.
settings.register_profile("deep", settings.get_profile("explore"), max_examples=2000, stateful_step_count=50)
settings.load_profile("suite")


def examples(few: int) -> settings:
    """So many short examples in the suite, and as many as `--hypothesis-profile deep` says where that is chosen."""
    deep = settings.get_profile("deep")
    return deep if settings.default == deep else settings(max_examples=few, stateful_step_count=30)


def pytest_collection_finish() -> None:
    """Keep what the test modules imported out of every garbage collection: that saves 3% of the time."""
    gc.collect()
    gc.freeze()


ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def one_thread_of_pytorch() -> None:
    """For models this small a second thread is but waited for, long where other programs have its core."""
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)


@pytest.fixture
def hangup() -> Iterator[None]:
    """Processes that a test starts hear SIGHUP, which whoever runs the tests under ``nohup`` has them ignore."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session")
def student() -> RecurrentEncoder:
    encoder = typeahead.load("minilm-gru")
    assert isinstance(encoder, RecurrentEncoder)
    return encoder


@pytest.fixture(scope="session")
def causal_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of a small causal student with random weights."""
    pytest.importorskip("onnx", reason="graphs are written with onnx")
    from tests.causal import write_folder

    return write_folder(tmp_path_factory.mktemp("causal"))


@pytest.fixture(scope="session")
def causal(causal_folder: Path) -> CausalEncoder:
    encoder = typeahead.load(causal_folder)
    assert isinstance(encoder, CausalEncoder)
    return encoder


@pytest.fixture(scope="session")
def static(tmp_path_factory: pytest.TempPathFactory) -> StaticEncoder:
    """A static table with random rows, in a space of its own."""
    from tests.static import write_model2vec
    from typeahead.encoders.static_import import import_static

    folder = tmp_path_factory.mktemp("static")
    return import_static(write_model2vec(folder / "source", normalize=True), folder / "model")


@pytest.fixture(scope="session", params=["student", "causal", "static"])
def fold(request: pytest.FixtureRequest) -> FoldEncoder:
    """Each family of incremental encoders."""
    encoder = request.getfixturevalue(request.param)
    assert isinstance(encoder, FoldEncoder)
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
