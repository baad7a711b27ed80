"""The command that installs an extra, and that nothing in the tree sends anybody to another project's package."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import hatch_build
import typeahead
from tests.conftest import ROOT
from typeahead.errors import MissingExtra
from typeahead.installation import DISTRIBUTION, MODELS, install_command, version
from typeahead.models.folder import shipped_models

FALLBACK = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["version"][
    "fallback-version"
]

#: What is not the project's own, or made by tools.
_APART = {".git", ".venv", "node_modules", "dist", "build", "runs", ".typeahead", "__pycache__"}
_TEXTS = {".cff", ".cfg", ".html", ".js", ".json", ".md", ".mjs", ".py", ".sh", ".toml", ".ts", ".txt", ".yaml", ".yml"}
#: A model's vocabulary has lines of millions of characters, and no advice.
_LARGEST = 1 << 20
#: An installer with the bare name, perhaps after options and other packages; or the name with an extra.
_ADVICE = re.compile(
    r"""\b(?:pipx?|uvx?|poetry|pdm)\s+(?:[\w-]+\s+)*?(?:install|add|download|wheel)(?:\s+[\w.,/=<>\[\]"'-]+)*?"""
    r"""\s+["'`]?typeahead(?=["'`\s,;:)=<>~@\[]|$)"""
    r"""|(?<![\w./-])typeahead\[[a-z]"""
)


def texts() -> Iterator[Path]:
    for folder, inner, files in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in _APART and not name.endswith("_cache")]
        for path in (Path(folder, name) for name in files):
            if (path.suffix in _TEXTS or path.name in ("Makefile", "run")) and path.stat().st_size < _LARGEST:
                yield path


def test_nothing_tells_anybody_to_install_the_project_of_another() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if _ADVICE.search(line) and path != Path(__file__)
    ]
    assert not found


@pytest.mark.parametrize(
    "line",
    [
        "pip install typeahead",
        "python -m pip install -U --quiet 'typeahead'",
        'pip install "typeahead[otel]"',
        "uv pip install numba typeahead",
        "uv add typeahead==0.1",
        "Needs ``typeahead[bench]``.",
    ],
)
def test_such_advice_is_seen(line: str) -> None:
    assert _ADVICE.search(line)


@pytest.mark.parametrize(
    "line",
    [
        'pip install "typeahead-search[otel]"',
        'pip install -e ".[all]"               # then: typeahead demo',
        'pip install -e "/home/me/typeahead[fast]"',
        "pip install dist/typeahead_search-0.1.0-py3-none-any.whl",
        "typeahead index documents.jsonl --out my-index",
    ],
)
def test_other_advice_is_left_alone(line: str) -> None:
    assert not _ADVICE.search(line)


def test_the_name_is_that_of_the_project_file_and_extras_that_name_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == DISTRIBUTION == "typeahead-search"
    assert project["scripts"] == {"typeahead": "typeahead.cli:main"}
    extras = project["optional-dependencies"]
    for own in (one for needs in extras.values() for one in needs if one.startswith("typeahead")):
        named = re.fullmatch(rf"{DISTRIBUTION}\[([a-z,]+)\]", own)
        assert named, own
        assert set(named[1].split(",")) <= set(extras)


def test_the_version_is_that_of_the_installed_distribution() -> None:
    assert typeahead.__version__ == metadata.version(DISTRIBUTION)


def test_a_checkout_that_was_never_installed_has_the_version_to_fall_back_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert version(package=ROOT / "typeahead") == FALLBACK
    assert version(package=Path("/nowhere/typeahead")) == "unknown"


def test_code_models_and_image_fall_back_to_one_version() -> None:
    """Where there are no tags, and so where nobody makes a release."""
    models = tomllib.loads((ROOT / "models" / "pyproject.toml").read_text(encoding="utf-8"))
    assert models["project"]["name"] == MODELS == hatch_build.MODELS
    assert models["tool"]["hatch"]["version"]["fallback-version"] == FALLBACK
    assert f"ARG VERSION={FALLBACK}\n" in (ROOT / "deploy" / "docker" / "Dockerfile").read_text(encoding="utf-8")


def test_every_shipped_model_is_in_the_distribution_of_models() -> None:
    models = tomllib.loads((ROOT / "models" / "pyproject.toml").read_text(encoding="utf-8"))
    assert models["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"] == shipped_models()


@pytest.mark.parametrize(
    ("made", "taken", "refused"),
    [
        ("0.2.0", ["0.2.0", "0.2.7"], ["0.1.9", "0.3.0", "0.3.0.dev1", "0.2.0.dev1"]),
        ("0.2.3", ["0.2.0", "0.2.7"], ["0.3.0"]),
        ("0.2.0.dev621+g52ce5a9", ["0.2.0", "0.2.0.dev621+g52ce5a9"], ["0.3.0"]),
    ],
)
def test_a_wheel_asks_for_models_of_its_minor_version(made: str, taken: list[str], refused: list[str]) -> None:
    requirement = Requirement(hatch_build.models_requirement(made))
    assert requirement.name == MODELS
    assert all(requirement.specifier.contains(one) for one in taken)
    assert not any(requirement.specifier.contains(one) for one in refused)


def test_in_a_checkout_a_missing_extra_names_the_checkout() -> None:
    assert str(MissingExtra("numba", "fast")) == f'numba is not installed: pip install -e "{ROOT}[fast]"'


def test_outside_a_checkout_it_names_the_distribution(tmp_path: Path) -> None:
    assert install_command("fast", package=tmp_path / "typeahead") == 'pip install "typeahead-search[fast]"'


@pytest.mark.parametrize("content", ['[project]\nname = "a-shop"\n', "[tool.black]\n", "not TOML"])
def test_a_copy_inside_another_project_is_no_checkout(tmp_path: Path, content: str) -> None:
    (tmp_path / "pyproject.toml").write_text(content)
    assert install_command("fast", package=tmp_path / "typeahead") == 'pip install "typeahead-search[fast]"'


def test_a_checkout_in_a_folder_with_spaces_is_named_in_quotes(tmp_path: Path) -> None:
    checkout = tmp_path / "my projects"
    checkout.mkdir()
    shutil.copy(ROOT / "pyproject.toml", checkout)
    assert install_command("all", package=checkout / "typeahead") == f'pip install -e "{checkout}[all]"'
