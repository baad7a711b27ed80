"""How this copy of the project was installed, and therefore which command installs missing extras."""

from __future__ import annotations

import tomllib
from pathlib import Path

#: The name on PyPI. "typeahead" there is another project; here, it is just the name of the import and the command.
DISTRIBUTION = "typeahead-search"


def install_command(extra: str, *, package: Path | None = None) -> str:
    """Return the command that installs an extra; it works from any folder.

    In a checkout, whether run directly or installed as editable, the command refers to the checkout. ``package`` is the
    package's folder, by default the running one.
    """
    checkout = (package or Path(__file__).resolve().parent).parent
    if _is_checkout(checkout):
        return f'pip install -e "{checkout}[{extra}]"'
    return f'pip install "{DISTRIBUTION}[{extra}]"'


def _is_checkout(folder: Path) -> bool:
    # A copy of the package inside another project has that project's pyproject.toml beside it.
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return False
    return bool(project.get("name") == DISTRIBUTION)
