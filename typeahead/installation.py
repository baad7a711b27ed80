"""How this copy of the project was installed: its version, and the command that installs missing extras."""

from __future__ import annotations

import sys
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

#: The name on PyPI. "typeahead" there is another project; here, it is just the name of the import and the command.
DISTRIBUTION = "typeahead-search"
#: The distribution of the shipped models.
MODELS = "typeahead-search-models-minilm"


def version(*, package: Path | None = None) -> str:
    """Return the version of the installed distribution.

    A checkout that was never installed has the version that pyproject.toml falls back to. ``package`` is as for
    :func:`install_command`.
    """
    # Takes 10 ms to import, and few ask for the version.
    from importlib import metadata

    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        hatch = _project((package or Path(__file__).resolve().parent).parent).get("tool", {}).get("hatch", {})
        return str(hatch.get("version", {}).get("fallback-version", "unknown"))


def install_command(extra: str, *, package: Path | None = None) -> str:
    """Return the command that installs an extra; it works from any folder.

    In a checkout, whether run directly or installed as editable, the command refers to the checkout. ``package`` is the
    package's folder, by default the running one.
    """
    checkout = (package or Path(__file__).resolve().parent).parent
    if _is_checkout(checkout):
        return f'pip install -e "{checkout}[{extra}]"'
    return f'pip install "{DISTRIBUTION}[{extra}]"'


def import_training(module: str, *, package: Path | None = None) -> ModuleType:
    """Import a module of ``training``: it lies beside the package in a checkout, and inside the package in a wheel.

    It is no top-level package of a wheel, because others have one of that name, too. ``package`` is as for
    :func:`install_command`. Raises ``ImportError`` if another ``training`` is found first.
    """
    inside = package or Path(__file__).resolve().parent
    folder = inside / "_training" if (inside / "_training").is_dir() else inside.parent
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    found = import_module(f"training.{module}")
    if not Path(str(found.__file__)).resolve().is_relative_to(folder):
        raise ImportError(f"{found.__file__} hides the package 'training' of typeahead: run this from another folder")
    return found


def _is_checkout(folder: Path) -> bool:
    # A copy of the package inside another project has that project's pyproject.toml beside it.
    return bool(_project(folder).get("project", {}).get("name") == DISTRIBUTION)


def _project(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
