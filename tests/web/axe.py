"""axe-core, the accessibility checker, run in the page as it stands. The package that holds it is not imported."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

_PACKAGE = "axe_playwright_python"


def violations(driver: Any) -> list[str]:
    """What axe-core finds wrong with the page, in all its shadow roots; skips the test where there is no axe-core."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        pytest.skip(f"no axe-core: pip install --no-deps {_PACKAGE.replace('_', '-')}")
    script = Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8")
    # Not as a script of the page, whose policy allows none from elsewhere.
    driver.execute_script(f"if (!globalThis.axe) {{ {script} }}")
    found = driver.execute_async_script(
        "const [done] = arguments; axe.run(document).then((found) => done(found.violations), (e) => done(String(e)));"
    )
    assert isinstance(found, list), found
    return [
        f"{violation['id']}: {violation['help']}: {node['target']} {node.get('failureSummary', '')}"
        for violation in found
        for node in violation["nodes"]
    ]
