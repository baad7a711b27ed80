"""Where models and web pages are: beside the package in a checkout, in installed distributions otherwise."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

#: What the wheel of the models installs. It has no module, so nothing is imported.
MODELS_PACKAGE: Final = "typeahead_models_minilm"

_PACKAGE = Path(__file__).resolve().parent


def models_folder() -> Path:
    """Return the folder of the shipped models. It need not exist: the models may not be installed."""
    beside = _PACKAGE.parent / "models"
    # Other packages install a folder of this name, too.
    if (beside / "pyproject.toml").is_file():
        return beside
    spec = find_spec(MODELS_PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        return Path(folder)
    return _PACKAGE / "_models"


def web_folder() -> Path:
    """Return the folder of the search box's pages."""
    inside = _PACKAGE / "_web"
    return inside if inside.is_dir() else _PACKAGE.parent / "web"
