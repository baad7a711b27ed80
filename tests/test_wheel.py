"""The built wheel, with the source tree out of reach: models and pages are in it, and the demo starts from it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

import typeahead
from tests.conftest import ROOT
from typeahead.installation import DISTRIBUTION
from typeahead.models.folder import find, shipped_models


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built and unpacked as an installer does it; its dependencies are this environment's."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True, capture_output=True)
    (wheel,) = folder.glob("typeahead_search-*.whl")
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def environment(site: Path) -> Mapping[str, str]:
    return os.environ | {"PYTHONPATH": str(site)}


def test_models_and_pages_are_in_the_wheel_and_nothing_of_training_or_tests(installed: Path) -> None:
    files = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    for name in shipped_models():
        shipped = {path.name for path in find(name).iterdir()}
        assert {f"typeahead/_models/{name}/{file}" for file in shipped} <= files
    pages = {path.name for path in (ROOT / "web").iterdir() if path.is_file()}
    assert {f"typeahead/_web/{page}" for page in pages} <= files
    assert "typeahead/_web/examples/plain.html" in files
    assert not [file for file in files if file.startswith(("training", "tests", "benchmarks", "web", "models"))]
    assert not [file for file in files if file.endswith(".png")]


def test_the_package_that_runs_is_the_wheels(installed: Path, tmp_path: Path) -> None:
    code = "import typeahead; print(typeahead.__file__); print(typeahead.load('minilm-gru').encode(['egg']).shape)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(installed),
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [str(installed / "typeahead" / "__init__.py"), "(1, 384)"]


def test_the_wheel_has_the_distributions_name_and_asks_for_no_other_of_ours(installed: Path) -> None:
    (information,) = installed.glob("*.dist-info")
    assert information.name.startswith("typeahead_search-")
    lines = (information / "METADATA").read_text(encoding="utf-8").splitlines()
    assert f"Name: {DISTRIBUTION}" in lines
    assert f"Version: {typeahead.__version__}" in lines
    # Extras that name others are written out, so nothing is looked up by the project's own name.
    assert not [line for line in lines if line.startswith("Requires-Dist: typeahead")]
    assert [line for line in lines if line.startswith("Requires-Dist: numba") and "extra == 'all'" in line]


def test_installed_from_the_wheel_a_missing_extra_names_the_distribution(installed: Path, tmp_path: Path) -> None:
    code = "from typeahead.errors import MissingExtra; print(MissingExtra('numba', 'fast'))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment(installed), check=True, capture_output=True, text=True)
    assert done.stdout == 'numba is not installed: pip install "typeahead-search[fast]"\n'


def test_the_demo_starts_from_the_wheel_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "typeahead", "demo", "--port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(installed), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], 280)[0], "the demo did not start"
            address = process.stdout.readline().strip()
            with urllib.request.urlopen(f"{address}/") as page:
                assert b"<typeahead-search" in page.read()
            request = urllib.request.Request(
                f"{address}/v1/search",
                json.dumps({"query": "read a file line by line", "k": 20}).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request) as reply:
                hits = json.load(reply)["hits"]
            assert len(hits) == 20
            assert any("readline" in hit["title"] or "open" in hit["title"] for hit in hits)
            assert all(hit["url"].startswith("https://docs.python.org/") for hit in hits)
        finally:
            process.terminate()
    assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == [".typeahead"]
