"""axe-core on the search page in each of its states, in light and dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.axe import violations
from tests.web.conftest import DOCUMENTS, Page
from tests.web.scripted import ScriptedServer

pytestmark = pytest.mark.browser


@pytest.fixture(params=["light", "dark"])
def shown(page: Page, request: pytest.FixtureRequest) -> Iterator[Page]:
    page.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": request.param}])
    yield page
    page.devtools("Emulation.setEmulatedMedia", features=[])


def test_the_empty_page(shown: Page) -> None:
    shown.until(lambda seen: seen["hints"])
    assert violations(shown.driver) == []


def test_the_open_panel_with_an_active_option(shown: Page) -> None:
    shown.type_and_see("path jo")
    shown.press(Keys.ARROW_DOWN)
    assert violations(shown.driver) == []


def test_results_in_the_page_after_enter(shown: Page) -> None:
    shown.type_and_see("path jo")
    shown.press(Keys.ENTER)
    shown.until(lambda seen: "ready at Enter" in seen["figures"])
    assert violations(shown.driver) == []


def test_poor_results_and_copies(shown: Page, server: ScriptedServer) -> None:
    find = server.find
    server.find = lambda text: [hit | {"copies": 3} for hit in find(text)]
    server.weak = True
    shown.type_and_see("path jo")
    shown.until(lambda seen: seen["weak"] is not None)
    assert violations(shown.driver) == []
    shown.press(Keys.ARROW_DOWN)
    assert violations(shown.driver) == []
    shown.press(Keys.ESCAPE, Keys.ENTER)
    shown.until(lambda seen: seen["settled"] != [] and seen["weak"] is not None)
    assert violations(shown.driver) == []


def test_facets_and_the_row_for_more(shown: Page, server: ScriptedServer) -> None:
    server.library.fields = {name: {"kind": name.partition(".")[0]} for name in DOCUMENTS}
    shown.run("Object.assign(document.querySelector('typeahead-search'), { facets: ['kind'], results: 2 })")
    shown.until(lambda seen: "json 1" in seen["facets"])
    assert violations(shown.driver) == []
    shown.run("document.querySelector('typeahead-search').chosen = { kind: ['os', 'pathlib'] }")
    shown.press("path")
    shown.until(lambda seen: seen["more"] and "os 2 ✓" in seen["facets"])
    shown.press(Keys.ARROW_UP)
    assert shown.see()["active"] == "More results"
    assert violations(shown.driver) == []


def test_a_filter_that_does_not_work(shown: Page) -> None:
    shown.run("document.querySelector('typeahead-search').filter = '['")
    shown.press("path")
    shown.until(lambda seen: seen["message"] == "The filter does not work, so nothing is searched.")
    assert violations(shown.driver) == []


def test_no_results(shown: Page) -> None:
    shown.press("zzzz")
    shown.until(lambda seen: seen["message"] == "Nothing found for “zzzz”.")
    assert violations(shown.driver) == []


def test_a_server_that_is_away(shown: Page, server: ScriptedServer) -> None:
    server.kill()
    shown.press("path")
    seen = shown.until(lambda seen: seen["message"] is not None and seen["state"] == "waiting")
    assert seen["message"] == "The server is not responding. Results will appear when it does."
    assert violations(shown.driver) == []


def test_no_network(shown: Page, server: ScriptedServer) -> None:
    shown.run("Object.defineProperty(navigator, 'onLine', { value: false, configurable: true })")
    server.kill()
    shown.press("path")
    seen = shown.until(lambda seen: seen["message"] is not None and seen["state"] == "offline")
    assert seen["message"] == "You are offline. Results will appear when you are back online."
    assert violations(shown.driver) == []


def test_a_refusal(shown: Page, server: ScriptedServer) -> None:
    server.token = "s3cret"
    server.hang_up(1012)
    shown.until(lambda seen: seen["state"] == "refused" and seen["figures"] == "the token is missing or wrong")
    assert violations(shown.driver) == []
