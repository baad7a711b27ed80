"""How this copy of the project was installed, and so which command adds what it lacks."""

from __future__ import annotations

import tomllib
from pathlib import Path

#: The name for installers. PyPI's "typeahead" is another project; here that is the import and the command alone.
DISTRIBUTION = "typeahead-search"


def install_command(extra: str, *, package: Path | None = None) -> str:
    """Return the command that installs an extra, to be run from any folder.

    From a checkout, whether it is run or installed as editable, the command names the checkout. ``package`` is the
    package's folder, by default the one that runs.
    """
    checkout = (package or Path(__file__).resolve().parent).parent
    if _is_checkout(checkout):
        return f'pip install -e "{checkout}[{extra}]"'
    return f'pip install "{DISTRIBUTION}[{extra}]"'


def _is_checkout(folder: Path) -> bool:
    # A copy of the package inside another project has that project's file beside it.
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return False
    return bool(project.get("name") == DISTRIBUTION)
