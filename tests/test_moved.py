"""Old names of modules import what has moved, with a warning, for one release."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import warnings

import pytest

from tests.conftest import ROOT
from training.moved import MOVED as MOVED_TRAINING
from typeahead.moved import MOVED


def pairs(moved: tuple[tuple[str, str, str], ...]) -> list[tuple[str, str]]:
    """Old and new full names."""
    return [
        (f"{before}.{name.split('=')[0]}", f"{after}.{name.split('=')[-1]}")
        for before, after, names in moved
        for name in names.split()
    ]


def test_every_new_name_is_a_file_and_no_old_one_is() -> None:
    for old, new in pairs(MOVED + MOVED_TRAINING):
        assert (ROOT / f"{new.replace('.', '/')}.py").is_file(), new
        assert not (ROOT / f"{old.replace('.', '/')}.py").exists(), old
        assert not (ROOT / old.replace(".", "/")).is_dir(), old


def test_an_old_name_imports_the_very_same_module_and_warns_once() -> None:
    with pytest.warns(DeprecationWarning, match=r"typeahead\.engine has moved to typeahead\.core\.engine") as caught:
        old = importlib.import_module("typeahead.engine")
    new = importlib.import_module("typeahead.core.engine")
    assert old is new
    assert new.__spec__ is not None
    assert new.__spec__.name == new.__name__ == "typeahead.core.engine"
    assert len(caught) == 1
    assert importlib.import_module("typeahead.engine") is new


def test_names_of_the_old_models_module_are_found_with_a_warning() -> None:
    models = importlib.import_module("typeahead.models")
    config = importlib.import_module("typeahead.models.config")
    with pytest.warns(DeprecationWarning, match=r"typeahead\.models\.ModelConfig is now"):
        assert models.ModelConfig is config.ModelConfig
    with pytest.raises(AttributeError, match="nothing"):
        _ = models.nothing


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("typeahead.protocol", "Conversation", "typeahead.wire.conversation.Conversation"),
        ("typeahead.protocol", "load_object", "typeahead.wire.fields.load_object"),
        ("typeahead.progress", "Progress", "typeahead.progress.ProgressBar"),
        ("typeahead.demo", "ensure_demo_index", "typeahead.demo.building.ensure_demo_index"),
        ("typeahead.evaluate.report", "write_report", "typeahead.evaluate.report.page.write_report"),
        ("training.teachers", "Teacher", "training.teacher.torch_teacher.TorchTeacher"),
        ("training.texts", "pad", "training.padding.pad"),
        ("training.students", "FAMILIES", "training.families.FAMILIES"),
        ("training.data", "read_qrels", "training.data.judged.read_judgements"),
        ("training.data", "Judgement", "typeahead.text.judgements.Judgement"),
    ],
)
def test_an_old_name_in_a_module_is_found_with_a_warning(module: str, old: str, new: str) -> None:
    if module.startswith("training."):
        pytest.importorskip("torch", reason="training needs PyTorch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        before = importlib.import_module(module)
    home, _, name = new.rpartition(".")
    with pytest.warns(DeprecationWarning, match=re.escape(f".{old} is now {new}")):
        found = getattr(before, old)
    assert found is getattr(importlib.import_module(home), name)


@pytest.mark.parametrize("command", ["training.distill", "training.light"])
def test_an_old_module_command_still_runs(command: str) -> None:
    pytest.importorskip("torch", reason="training needs PyTorch")
    run = subprocess.run(
        [sys.executable, "-W", "always", "-m", command, "--help"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert run.stdout.startswith("usage:")
    assert "DeprecationWarning" in run.stderr
