"""Axe-core, run in a page: https://github.com/dequelabs/axe-core finds what a machine can find of barriers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

#: Where ``npm install --prefix web`` puts it.
AXE = Path(__file__).resolve().parent.parent.parent / "web" / "node_modules" / "axe-core" / "axe.min.js"


def violations(driver: Any) -> list[str]:
    """Return what axe-core objects to in the present page, one line each. Skips the test where it is not installed."""
    if not AXE.is_file():
        reason = "no axe-core: npm install --prefix web"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    # The policy of a page does not hold for what its debugger runs.
    driver.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8") + ";0"})
    found = driver.execute_async_script(
        "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(done, (e) => done(String(e)));"
    )
    assert isinstance(found, dict), found
    return [
        f"{violation['id']}: {violation['help']} at {node['target']}: {node.get('failureSummary', '')}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
