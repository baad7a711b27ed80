"""A configuration or golden vectors that say what cannot be are refused in one line that names it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mutating import check_message, written
from tests.static import write_model2vec
from typeahead.encoders.loading import load
from typeahead.encoders.static_import import import_static
from typeahead.errors import ModelCorrupt, TypeaheadError
from typeahead.models.folder import open_config, read_config, write_config
from typeahead.storage.sealed import SEAL, seal
from typeahead.storage.sums import file_sha256

ZEROS = "0" * 64


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("configurations")
    import_static(write_model2vec(folder / "source", normalize=True), folder / "model")
    return folder / "model"


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "model")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"files": {}}, "does not list tokenizer.json"),
        ({"files": []}, "config.json: missing or wrong field"),
        ({"files": {"tokenizer.json": 7}}, "7 is not a SHA-256"),
        ({"files": {"config.json": ZEROS}}, "'config.json' is not a plain file name"),
        ({"files": {"../secret": ZEROS}}, "is not a plain file name"),
        ({"files": {"/etc/passwd": ZEROS}}, "is not a plain file name"),
        ({"files": {"..": ZEROS}}, "is not a plain file name"),
        ({"files": {"": ZEROS}}, "is not a plain file name"),
        ({"files": {"a\0b": ZEROS}}, "is not a plain file name"),
        ({"files": {"x" * 5000: ZEROS}}, "is not a plain file name"),
        ({"files": {"C:x": ZEROS}}, "is not a plain file name"),
        ({"files": {"more.bin": ZEROS}}, "more.bin is missing"),
        ({"dim": "16"}, "dim is '16'"),
        ({"dim": 16.5}, "dim is 16.5"),
        ({"dim": True}, "dim is True"),
        ({"dim": 10**300}, "dim is"),
        ({"max_tokens": None}, "max_tokens is None"),
        ({"prefix_ids": "12"}, "prefix_ids is '12', not a list"),
        ({"prefix_ids": [-1]}, "prefix_ids is -1"),
        ({"shape": {"hidden": "7"}}, "hidden is '7'"),
        ({"shape": []}, "config.json: missing or wrong field"),
        ({"name": ["x"]}, "name is ['x'], not a non-empty string"),
        ({"role": {}}, "role is {}"),
        ({"format_version": True}, "has no format_version"),
        ({"teacher": {"name": 7}}, "teacher.name is 7"),
        ({"teacher": {"revision": None}}, "teacher.revision is None"),
        ({"teacher": {"normalized": "yes"}}, "teacher.normalized is 'yes'"),
        ({"teacher": {"max_tokens": -1}}, "teacher.max_tokens is -1"),
        ({"teacher": {"more": 1}}, "unexpected keyword"),
    ],
)
def test_what_cannot_be_is_named_in_one_line(folder: Path, values: dict[str, Any], said: str) -> None:
    path = folder / "config.json"
    data = json.loads(path.read_text())
    if "teacher" in values:
        values = {"teacher": data["teacher"] | values["teacher"]}
    path.write_text(seal(data | values))
    with pytest.raises(ModelCorrupt) as caught:
        load(folder)
    assert said in str(caught.value)
    check_message(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"dim"', '"dim": 1, "dim"', "the key 'dim' twice"),
        ('"dim": ', '"dim": NaN, "more": ', "NaN is not a JSON number"),
        ('"name": "', '"name": "\\ud800', "lone surrogate"),
        ('"name": "', '"name": "x', "self_sha256"),
    ],
)
def test_what_is_no_strict_json_is_refused(folder: Path, before: str, after: str, said: str) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(ModelCorrupt, match=said):
        load(folder)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"min_cosine": -1}, "min_cosine is -1"),
        ({"min_cosine": True}, "min_cosine is True"),
        ({"texts": [1, 2]}, "golden.json"),
        ({"texts": []}, "golden.json"),
        ({"vectors": "AADAfw=="}, "golden.json"),
        ({"texts": ["a"], "vectors": "AADAfw=="}, "a vector is not finite"),
    ],
)
def test_golden_vectors_that_any_model_would_pass_are_refused(folder: Path, values: dict[str, Any], said: str) -> None:
    path = folder / "golden.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    write_config(folder, read_config(folder, verify=False))
    with pytest.raises(ModelCorrupt, match=said):
        load(folder)


def test_a_configuration_without_a_sum_of_itself_is_read_as_before(folder: Path) -> None:
    path = folder / "config.json"
    data = json.loads(path.read_text())
    del data[SEAL]
    path.write_text(json.dumps(data))
    assert open_config(folder) == (load(folder).config, False)


@given(data=st.data())
def test_no_configuration_breaks_whoever_loads_it(
    data: st.DataObject, pristine: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It is refused by an error of this package, or loads; half of the time the golden vectors are changed instead."""
    folder = tmp_path_factory.getbasetemp() / "mutated-model"
    if not folder.exists():
        shutil.copytree(pristine, folder)
    name = data.draw(st.sampled_from(["config.json", "golden.json"]))
    for file in ("config.json", "golden.json"):
        shutil.copyfile(pristine / file, folder / file)
    changed = data.draw(written((pristine / name).read_text()))
    (folder / name).write_text(changed, encoding="utf-8", errors="surrogatepass")
    if name == "golden.json":
        config = json.loads((folder / "config.json").read_text())
        config["files"][name] = file_sha256(folder / name)
        (folder / "config.json").write_text(seal(config))
    try:
        load(folder)
    except TypeaheadError as error:
        check_message(error)
