"""Unit tests of the page's modules, run in the browser that they are for."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from tests.web.conftest import MODULES, PATIENCE
from tests.web.scripted import ScriptedServer

SUITES = sorted(path.name.removesuffix(".test.js") for path in MODULES.glob("*.test.js"))


@pytest.mark.browser
@pytest.mark.parametrize("suite", SUITES)
def test_module_behaves_as_its_own_tests_say(suite: str, driver: Any, server: ScriptedServer) -> None:
    driver.get(f"{server.url}modules/run.html?of={suite}")
    outcome = WebDriverWait(driver, PATIENCE, poll_frequency=0.02).until(
        lambda driver: driver.execute_script("return globalThis.outcome")
    )
    assert outcome["failed"] == []
    assert outcome["passed"]


def test_each_module_without_a_page_has_tests() -> None:
    assert SUITES == [
        "answer",
        "backoff",
        "choice",
        "client",
        "composition",
        "conversation",
        "dashboard-figures",
        "dashboard-keys",
        "dashboard-poll",
        "dashboard-units",
        "edits",
        "events",
        "facets",
        "fallback",
        "filter",
        "highlight",
        "keys",
        "panel",
        "query",
        "recent",
        "showing",
        "socket",
        "status",
        "timings",
        "untrusted",
    ]
