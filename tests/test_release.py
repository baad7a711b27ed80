"""The version of a release: from the tag, and from what the project falls back to where there is none."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

FALLBACK = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["version"][
    "fallback-version"
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that say which version it is, without the history."""
    folder = tmp_path / "checkout"
    (folder / "models").mkdir(parents=True)
    for name in (
        "pyproject.toml",
        "hatch_build.py",
        "README.md",
        "LICENSE",
        "models/pyproject.toml",
        "models/README.md",
    ):
        shutil.copy(ROOT / name, folder / name)
    return folder


def versions(folder: Path) -> list[str]:
    """Of the code and of the models."""
    command = [sys.executable, "-m", "hatchling", "version"]
    return [
        subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout.strip()
        for project in (folder, folder / "models")
    ]


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_without_a_history_it_is_the_fallback(checkout: Path) -> None:
    assert versions(checkout) == [FALLBACK, FALLBACK]


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_the_tag_is_the_version_of_code_and_models(checkout: Path) -> None:
    git(checkout, "init", "--quiet")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "-m", "first")
    untagged = versions(checkout)
    # Of the version to come, and before it.
    assert all(version.startswith(f"{FALLBACK.removesuffix('.dev0')}.dev1+g") for version in untagged), untagged
    git(checkout, "tag", "v1.2.0")
    assert versions(checkout) == ["1.2.0", "1.2.0"]
    git(checkout, "commit", "--quiet", "--allow-empty", "-m", "second")
    assert all(version.startswith("1.2.1.dev1+g") for version in versions(checkout))
