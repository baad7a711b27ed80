"""Gives the wheel what a checkout has beside the package: the models, as a distribution of their own, and training."""

from __future__ import annotations

import re
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: The project name in models/pyproject.toml.
MODELS = "typeahead-search-models-minilm"


def models_requirement(version: str) -> str:
    """Return what the wheel of this version requires: models of the same minor version.

    A release of the code alone then needs no new models. A wheel between two releases takes such models, too.
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    assert found, f"{version} is no version"
    major, minor = int(found[1]), int(found[2])
    least = f"{major}.{minor}.0.dev0" if ".dev" in version else f"{major}.{minor}"
    return f"{MODELS}>={least},<{major}.{minor + 1}"


class Beside(BuildHookInterface):  # type: ignore[type-arg]
    """Completes every wheel but an editable one."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See hatchling: ``version`` is the kind of wheel, "standard" or "editable"."""
        if version == "standard":
            build_data["dependencies"].append(models_requirement(self.metadata.version))
            # Inside the package, because others have a top-level package of that name.
            build_data["force_include"]["training"] = "typeahead/_training/training"
