"""Nothing phones home: no command talks to another host or leaves a file outside its index and the named caches.

A small library that is preloaded notes what native code does as well (``watched.c``).
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_imports import imports_of
from typeahead.cli import main
from typeahead.telemetry import silence_onnx_runtime

SOURCE = Path(__file__).with_name("watched.c")
#: Where Numba keeps what it compiled: the cache that the documents name.
COMPILED = str(ROOT / "typeahead" / "encoders" / "compiled" / "__pycache__")
NULL = ("write /dev/null", "write /dev/tty")


@pytest.fixture(scope="module")
def watcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("watching a process needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("watcher") / "watched.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    return library


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    source = folder / "documents.jsonl"
    source.write_text(json.dumps({"id": "eggs", "title": "Boiled eggs", "text": "Eight minutes in boiling water."}))
    assert main(["index", str(source), "--out", str(folder / "index"), "--threads", "1"]) == 0
    return folder / "index"


class Watched:
    """Starts processes whose every folder is fresh, and tells what they did."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._log = folder / "log"
        self._folders = [folder / name for name in ("home", "cache", "temporary", "work")]
        for path in self._folders:
            path.mkdir()
        home, cache, self._temporary, self._work = self._folders
        # Nothing of this process's: tests and CI switch telemetry off by variables of their own.
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(home),
            "XDG_CACHE_HOME": str(cache),
            "TMPDIR": str(self._temporary),
            "LD_PRELOAD": str(library),
            "WATCHED": str(self._log),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self._work,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def seen(self, index: Path) -> list[str]:
        """What was noted and has no business there, and the files that were left."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        # Opening an index writes a few temporary files; they may not be left.
        places = (COMPILED, index, self._temporary)
        allowed = tuple(f"{verb} {path}" for verb in ("write", "mkdir") for path in places)
        left = [f"left {path}" for folder in self._folders for path in folder.rglob("*")]
        return [line for line in lines if not line.startswith((*allowed, *NULL))] + left


@pytest.fixture
def watched(watcher: Path, tmp_path: Path) -> Watched:
    return Watched(watcher, tmp_path)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "import typeahead"],
        ["-m", "typeahead", "search", "INDEX", "boil an egg"],
        ["-m", "typeahead", "encode", "boil an egg"],
    ],
    ids=["import", "search", "encode"],
)
def test_a_command_talks_to_nobody_and_leaves_nothing(watched: Watched, index: Path, arguments: list[str]) -> None:
    finish(watched.start(*[str(index) if argument == "INDEX" else argument for argument in arguments]))
    assert watched.seen(index) == []


def test_a_server_talks_to_its_clients_alone_and_leaves_nothing(watched: Watched, index: Path) -> None:
    process = watched.start("-m", "typeahead", "serve", "--index", str(index), "--port", "0")
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, process.communicate()[1]
        request = urllib.request.Request(
            f"{address}/v1/search", json.dumps({"query": "eggs"}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["hits"][0]["id"] == "eggs"
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert watched.seen(index) == []


def test_the_watcher_sees_what_there_is_to_see(watched: Watched, index: Path) -> None:
    code = """
import os, pathlib, socket
pathlib.Path(os.environ["HOME"], "note").write_text("x")
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9))
try: socket.getaddrinfo("telemetry.invalid", 443)
except OSError: pass
"""
    process = watched.start("-c", code)
    process.communicate(timeout=60)
    home = watched.environment["HOME"]
    assert watched.seen(index) == [
        f"write {home}/note",
        "sendto 192.0.2.1",
        "look up telemetry.invalid",
        f"left {home}/note",
    ]


def sources() -> Iterator[Path]:
    for folder in ("typeahead", "training", "benchmarks", "tests"):
        yield from (ROOT / folder).rglob("*.py")


def test_onnx_runtime_is_imported_in_one_place() -> None:
    naming = [path for path in sources() if "onnxruntime" in path.read_text()]
    importers = [path for path in naming if "onnxruntime" in {name.split(".")[0] for name in imports_of(path)}]
    assert importers == [ROOT / "typeahead" / "encoders" / "onnx.py"]


def test_training_and_benchmarks_silence_their_libraries() -> None:
    for package in ("training", "benchmarks"):
        tree = ast.parse((ROOT / package / "__init__.py").read_text())
        calls = [ast.unparse(node.value) for node in tree.body if isinstance(node, ast.Expr)]
        assert "silence_libraries()" in calls


def test_whoever_wants_to_report_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    silence_onnx_runtime()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"
