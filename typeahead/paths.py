"""Where models and web pages are: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _bundled(name: str) -> Path:
    inside = _PACKAGE / f"_{name}"
    return inside if inside.is_dir() else _PACKAGE.parent / name


def models_folder() -> Path:
    """Return the folder of the shipped models."""
    return _bundled("models")


def web_folder() -> Path:
    """Return the folder of the search box's pages."""
    return _bundled("web")
