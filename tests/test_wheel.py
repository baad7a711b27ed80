"""The built wheels, installed into an environment of their own, with the source tree out of reach."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.conftest import ROOT
from typeahead.installation import DISTRIBUTION, MODELS
from typeahead.models.folder import find, shipped_models
from typeahead.paths import MODELS_PACKAGE

#: Bytes of a file that PyPI takes.
LARGEST = 100_000_000
#: Without compiled steps: compiling them for a new place takes a minute, and is tested elsewhere.
APART = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"TYPEAHEAD_COMPILED": "0"}


class Installed:
    """An environment with both wheels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self.code,) = folder.glob("typeahead_search-*.whl")
        (self.models,) = folder.glob("typeahead_search_models_minilm-*.whl")
        self.bin = folder / "venv" / "bin"
        (self.site,) = (folder / "venv").glob("lib/python*/site-packages")

    def run(self, *command: str, cwd: Path) -> str:
        """What a program of the environment prints; fails with what it prints on standard error."""
        done = subprocess.run(
            [self.bin / command[0], *command[1:]], cwd=cwd, env=APART, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def metadata(self, name: str) -> list[str]:
        (found,) = self.site.glob(f"{name}-*.dist-info/METADATA")
        return found.read_text(encoding="utf-8").splitlines()

    @contextmanager
    def serving(self, *command: str, cwd: Path) -> Iterator[str]:
        """The address that a command prints once it is ready."""
        line, pipe = [str(self.bin / "typeahead"), *command], subprocess.PIPE
        with subprocess.Popen(line, cwd=cwd, env=APART, stdout=pipe, stderr=pipe, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stderr is not None
                assert select.select([process.stdout], [], [], 280)[0], "it did not start"
                address = process.stdout.readline().strip()
                assert address.startswith("http://"), process.stderr.read()
                yield address
            finally:
                process.terminate()
                process.communicate()
        assert process.returncode == 0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Both wheels, as pip installs them.

    Their dependencies are those of this environment, found by a .pth file: to install them anew would take a network
    and minutes. Such a file brings no other .pth files with it, so the editable checkout of this environment stays out.
    """
    folder = tmp_path_factory.mktemp("wheels")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    for project in (ROOT, ROOT / "models"):
        subprocess.run(build, cwd=project, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    made = Installed(folder)
    command = [sys.executable, "-m", "pip", "--python", str(made.bin / "python"), "install", "--quiet", "--no-index"]
    wheels = [str(made.code), str(made.models)]
    subprocess.run([*command, "--no-deps", "--no-compile", "--disable-pip-version-check", *wheels], check=True)
    (made.site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return made


def test_the_code_and_the_pages_are_in_one_wheel_and_the_models_in_another(installed: Installed) -> None:
    with zipfile.ZipFile(installed.code) as archive:
        code = [name for name in archive.namelist() if ".dist-info/" not in name]
    pages = {path.name for path in (ROOT / "web").iterdir() if path.is_file()}
    assert {f"typeahead/_web/{page}" for page in pages} <= set(code)
    assert "typeahead/_web/examples/plain.html" in code
    assert all(name.startswith("typeahead/") for name in code)
    assert "typeahead/_training/training/recipes/minilm-gru.toml" in code
    assert not [name for name in code if name.endswith((".png", ".onnx", ".safetensors", ".pyc"))]
    with zipfile.ZipFile(installed.models) as archive:
        models = [name for name in archive.namelist() if ".dist-info/" not in name]
    shipped = {f"{name}/{path.name}" for name in shipped_models() for path in find(name).iterdir()}
    assert {name.removeprefix(f"{MODELS_PACKAGE}/") for name in models} == shipped | {"LICENSE"}


def test_both_wheels_are_as_small_as_pypi_wants(installed: Installed) -> None:
    assert installed.models.stat().st_size < LARGEST
    assert installed.code.stat().st_size < 5_000_000


def test_the_code_asks_for_the_models_that_were_built_with_it_and_for_no_other_of_ours(installed: Installed) -> None:
    lines = installed.metadata("typeahead_search")
    assert f"Name: {DISTRIBUTION}" in lines
    # Extras that name others are written out, so nothing is looked up by the project's own name.
    (needed,) = [line for line in lines if line.startswith("Requires-Dist: typeahead")]
    requirement = Requirement(needed.partition(": ")[2])
    models = installed.metadata("typeahead_search_models_minilm")
    (built,) = [line.partition(": ")[2] for line in models if line.startswith("Version: ")]
    assert requirement.name == MODELS
    assert requirement.specifier.contains(Version(built), prereleases=True)
    assert f"Version: {built}" in lines
    assert [line for line in lines if line.startswith("Requires-Dist: numba") and "extra == 'all'" in line]


def test_the_package_that_runs_is_the_wheels_with_its_version(installed: Installed, tmp_path: Path) -> None:
    code = "import typeahead; print(typeahead.__file__); print(typeahead.load('minilm-gru').encode(['egg']).shape)"
    printed = installed.run("python", "-c", code, cwd=tmp_path)
    assert printed.splitlines() == [str(installed.site / "typeahead" / "__init__.py"), "(1, 384)"]
    version = installed.run("typeahead", "--version", cwd=tmp_path)
    assert f"Version: {version.split()[1]}" in installed.metadata("typeahead_search")


def test_the_command_explains_itself_and_lists_the_models(installed: Installed, tmp_path: Path) -> None:
    assert "search box, websocket, HTTP" in installed.run("typeahead", "--help", cwd=tmp_path)
    listed = installed.run("typeahead", "models", cwd=tmp_path)
    assert all(name in listed for name in shipped_models())


def test_a_missing_extra_names_the_distribution(installed: Installed, tmp_path: Path) -> None:
    code = "from typeahead.errors import MissingExtra; print(MissingExtra('numba', 'fast'))"
    printed = installed.run("python", "-c", code, cwd=tmp_path)
    assert printed == 'numba is not installed: pip install "typeahead-search[fast]"\n'


def test_without_the_models_the_error_says_what_to_install(installed: Installed, tmp_path: Path) -> None:
    code = (
        "import sys, typeahead.models.folder as folder, pathlib\n"
        "folder.models_folder = lambda: pathlib.Path('nowhere')\n"
        "from typeahead.cli import main; sys.exit(main(['models', 'minilm-gru']))"
    )
    command = [str(installed.bin / "python"), "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=APART, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'pip install "typeahead-search-models-minilm"' in done.stderr


def ask(address: str, **question: Any) -> list[dict[str, Any]]:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/v1/search", json.dumps(question).encode(), headers)
    with urllib.request.urlopen(request) as reply:
        hits: list[dict[str, Any]] = json.load(reply)["hits"]
    return hits


def test_an_index_is_built_searched_and_served_key_by_key(installed: Installed, tmp_path: Path) -> None:
    texts: Mapping[str, str] = {"eggs": "How to boil eggs", "rain": "Why does it rain", "cats": "Cats sleep all day"}
    lines = [json.dumps({"id": key, "title": text, "text": text}) for key, text in texts.items()]
    (tmp_path / "documents.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    installed.run("typeahead", "index", "documents.jsonl", "--out", "my-index", cwd=tmp_path)
    code = "import typeahead; print(typeahead.Box('my-index').search('boiled eg').hits[0].id)"
    assert installed.run("python", "-c", code, cwd=tmp_path) == "eggs\n"
    with installed.serving("serve", "--index", "my-index", "--port", "0", cwd=tmp_path) as address:
        with connect(f"{address.replace('http', 'ws')}/v1/type", subprotocols=[Subprotocol("typeahead.v1")]) as socket:
            socket.send('{"seq": 1, "text": "boiled eg"}')
            answer = json.loads(socket.recv(timeout=20))
        assert answer["hits"][0]["id"] == "eggs"
        with urllib.request.urlopen(f"{address}/") as page:
            assert b"<typeahead-search" in page.read()


def test_the_demo_starts_in_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    with installed.serving("demo", "--port", "0", cwd=tmp_path) as address:
        hits = ask(address, query="read a file line by line", k=20)
        assert len(hits) == 20
        assert any("readline" in hit["title"] or "open" in hit["title"] for hit in hits)
        assert all(hit["url"].startswith("https://docs.python.org/") for hit in hits)
    assert [path.name for path in tmp_path.iterdir()] == [".typeahead"]


def test_an_encoder_is_trained_by_the_wheel(installed: Installed, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs PyTorch")
    pytest.importorskip("transformers", reason="training needs transformers")
    from tests.training.architectures import write_teacher

    write_teacher(tmp_path / "teacher", "bert")
    words = "boil egg rain sun cat dog walk home read file".split()
    (tmp_path / "log.txt").write_text("".join(f"{one} {two}\n" for one in words for two in words), encoding="utf-8")
    asked = ["--teacher", "teacher", "--queries", "log.txt", "--out", "models/mine", "--family", "static", "--cpu"]
    installed.run("typeahead", "train", *asked, "--minutes", "0.7", "--threads", "1", cwd=tmp_path)
    code = "import typeahead; print(typeahead.load('models/mine').config.name, typeahead.distill.__module__)"
    assert installed.run("python", "-c", code, cwd=tmp_path) == "mine training.guided.distilling\n"


def test_this_environment_has_what_builds_wheels() -> None:
    assert Version(metadata.version("hatch-vcs")) >= Version("0.5")
