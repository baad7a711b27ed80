"""What was compiled ahead is enough for a process that can write nowhere, counted by Numba's own cache hits."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytest.importorskip("numba")

from typeahead.encoders.compiled import caching
from typeahead.encoders.compiled.ahead import ARGUMENTS, types_of
from typeahead.encoders.compiled.importing import VARIABLE
from typeahead.encoders.compiled.vnni import supported


def run(arguments: Sequence[str], *, cache: Path, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    # Compiled code is what this is about, even where the other tests do without.
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT), VARIABLE: "1"}
    return subprocess.run(
        [*before, sys.executable, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all the code. What other tests have compiled is taken along, as it would take half a minute."""
    folder = tmp_path_factory.mktemp("cache")
    for known, _ in caching.folders():
        shutil.copytree(known, folder / known.name, dirs_exist_ok=True)
    compiled = run(["-m", "typeahead", "compile"], cache=folder)
    assert compiled.returncode == 0, compiled.stderr
    assert str(folder) in compiled.stdout
    return folder


@contextmanager
def read_only(folder: Path) -> Iterator[list[str]]:
    """What to put before a command that must not write to a folder."""
    if os.getuid():
        paths = [folder, *folder.rglob("*")]
        modes = {path: path.stat().st_mode for path in paths}
        for path in paths:
            path.chmod(modes[path] & 0o555)
        try:
            yield []
        finally:
            for path in paths:
                path.chmod(modes[path])
        return
    # Permissions do not keep root out, a file system that is mounted read-only does.
    mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", mount, str(folder)]
    tried = subprocess.run([*command, "touch", str(folder / "x")], capture_output=True, text=True, check=False)
    if "ead-only file system" not in tried.stderr:
        pytest.skip(f"root cannot mount anything read-only here: {tried.stderr.strip()}")
    yield command


def test_a_process_that_can_write_nowhere_loads_all_and_compiles_nothing(kept: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    with read_only(kept) as command:
        ended = run(["-m", "tests.encoders.compiled.everything", str(tmp_path)], cache=kept, before=command)
    assert ended.returncode == 0, ended.stderr
    counted = json.loads(ended.stdout.splitlines()[-1])
    assert {name: misses for name, (_, misses) in counted.items() if misses} == {}
    expected = set(ARGUMENTS) if supported() else {name for name in ARGUMENTS if name.split(".")[0] in _ANYWHERE}
    assert {name for name, (hits, _) in counted.items() if hits} >= expected - _BY_OTHERS
    assert {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()} == before


#: What needs no AVX-512 VNNI.
_ANYWHERE = ("admitted", "evidence", "promising", "weighing")
#: What only other functions call, whose code holds it.
_BY_OTHERS = {"hidden._read"}


def test_checking_tells_whether_all_is_there(kept: Path, tmp_path: Path) -> None:
    with read_only(kept) as command:
        complete = run(["-m", "typeahead", "compile", "--check"], cache=kept, before=command)
    assert complete.returncode == 0, complete.stderr
    assert " 0 compiled, " in complete.stdout
    assert "(read-only)" in complete.stdout
    folder = tmp_path / next(kept.iterdir()).name
    shutil.copytree(next(kept.iterdir()), folder)
    for path in folder.glob("promising.reaching-*"):
        path.unlink()
    lacking = run(["-m", "typeahead", "compile", "--check"], cache=tmp_path)
    assert lacking.returncode == 1
    assert lacking.stderr.startswith("typeahead compile: promising.reaching had to be compiled: run typeahead compile ")


def test_a_change_of_any_source_is_another_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path in Path(caching.__file__).parent.glob("*.py"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(caching, "_SOURCES", tmp_path)
    caching.digest.cache_clear()
    try:
        before = caching.digest()
        with (tmp_path / "kernels.py").open("a") as file:
            file.write("\n")
        caching.digest.cache_clear()
        assert caching.digest() != before
    finally:
        caching.digest.cache_clear()


def test_every_function_that_is_called_from_python_is_listed() -> None:
    """They release the interpreter's lock. The others are called by compiled code alone, and compiled with it."""
    for name in ARGUMENTS:
        importlib.import_module(f"typeahead.encoders.compiled.{name.partition('.')[0]}")
    called = {name for name, function in caching.dispatchers() if function.targetoptions.get("nogil")}
    assert called == set(ARGUMENTS)


@pytest.mark.parametrize(
    ("form", "printed"),
    [
        ("f32:2", "array(float32, 2d, C)"),
        ("i64:1!", "readonly array(int64, 1d, C)"),
        ("i64:1~", "array(int64, 1d, A)"),
        ("bool", "bool"),
    ],
)
def test_arguments_in_short_are_types_of_numba(form: str, printed: str) -> None:
    assert [str(one) for one in types_of(form)] == [printed]


def test_without_a_folder_that_can_be_written_the_command_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = run(["-m", "typeahead", "compile"], cache=tmp_path / "file")
    assert ended.returncode == 1
    assert "set NUMBA_CACHE_DIR to a folder that can be written" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
