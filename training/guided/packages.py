"""Whether what training needs is installed. Imports nothing of it, so that this is said before anything else fails."""

from __future__ import annotations

import importlib.util

from typeahead.errors import MissingExtra

#: Packages of the extra "training", by the names under which they are imported.
_PACKAGES = ("huggingface_hub", "torch", "transformers", "accelerate", "onnx")


def check_packages() -> None:
    """Check that the extra "training" is installed.

    Raises:
        MissingExtra: it is not; the message has the command that installs it.
    """
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, "training")
