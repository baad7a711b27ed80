"""The dashboard in a real browser, on the real server with a small encoder and index that need no loading."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.server.fakes import BruteForceIndex, WholeEncoder
from tests.server.running import Running, running
from tests.web.axe import violations
from tests.web.conftest import PATIENCE, check_log
from typeahead.paths import web_folder

pytestmark = pytest.mark.browser

SNAPSHOT = """
const text = (id) => document.getElementById(id).textContent;
const rows = (id) => [...document.querySelectorAll(`#${id} tr`)]
  .map((row) => [...row.children].map((cell) => cell.textContent));
return {
  state: document.getElementById("state").dataset.state,
  keys: text("keys"), ready: text("ready"), sessions: text("sessions"), cache: text("cache"), lag: text("lag"),
  build: text("build"),
  latency: [...document.querySelectorAll("#latency-legend .figure")].map((figure) => figure.textContent),
  lines: [...document.querySelectorAll("#latency-plot path")].map((path) => path.getAttribute("d") ?? ""),
  stages: [...document.querySelectorAll("#stages-legend .figure")].map((figure) => figure.textContent),
  areas: [...document.querySelectorAll("#stages-plot path")].map((path) => path.getAttribute("d") ?? ""),
  slow: rows("slow-rows"),
  own: rows("own-keys"), summary: text("own-summary"), teacher: text("own-teacher"), answer: text("own-answer"),
  token: !document.getElementById("token").hidden,
  connection: text("own-state"),
};
"""


class Dashboard:
    """The page in the browser."""

    def __init__(self, driver: Any, server: Running) -> None:
        self.driver = driver
        self.server = server

    def open(self) -> None:
        self.driver.get(f"{self.server.http}/dashboard")

    def see(self) -> dict[str, Any]:
        seen: dict[str, Any] = self.driver.execute_script(SNAPSHOT)
        return seen

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        seen: dict[str, Any] = {}

        def holds(_: Any) -> bool:
            seen.clear()
            seen.update(self.see())
            return condition(seen)

        try:
            WebDriverWait(self.driver, PATIENCE, poll_frequency=0.05).until(holds)
        except TimeoutException:
            pytest.fail(f"the page shows {seen}")
        return seen

    def press(self, *keys: str) -> None:
        webdriver.ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def type(self, text: str) -> None:
        """Key by key, each when the one before is painted."""
        self.driver.find_element(By.ID, "own-query").click()
        for letter in text:
            before = len(self.see()["own"])
            self.press(letter)
            self.until(lambda seen, before=before: len(seen["own"]) > before and "…" not in seen["own"][-1][2])  # type: ignore[misc]

    def emulate(self, **features: str) -> None:
        described = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": described})

    def width(self, width: int) -> None:
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(BruteForceIndex(), passages=WholeEncoder("doc"), web=web_folder()) as server:
        yield server


def leave(driver: Any) -> None:
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    driver.get("about:blank")


@pytest.fixture
def page(driver: Any, server: Running) -> Iterator[Dashboard]:
    driver.get_log("browser")
    page = Dashboard(driver, server)
    page.open()
    yield page
    check_log(driver)
    leave(driver)


def type_elsewhere(server: Running, text: str) -> None:
    """Somebody else types and presses Enter."""
    with server.client() as client:
        for end in range(1, len(text) + 1):
            client.say(seq=end, text=text[:end])
            client.hear()
        client.say(seq=len(text) + 1, submit=True)
        assert client.hear()["ready"]


def test_queries_and_choices_are_shown_once_there_are_any(driver: Any) -> None:
    seen = """
      const card = document.getElementById("searches");
      return card.hidden ? null : [card.querySelector(".summary").textContent,
        [...card.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent))];
    """
    with running(BruteForceIndex(), web=web_folder(), events=True) as server:
        driver.get_log("browser")
        page = Dashboard(driver, server)
        page.open()
        page.until(lambda seen: seen["state"] == "live" and "mean" in seen["build"])
        assert driver.execute_script(seen) is None
        queries = [{"kind": "query", "results": number} for number in (0, 8, 8, 8)]
        choices = [{"kind": "select", "position": place} for place in (1, 1, 12)]
        httpx.post(f"{server.http}/v1/events", json={"events": queries + choices}).raise_for_status()
        page.until(lambda _: driver.execute_script(seen) is not None)
        summary, rows = driver.execute_script(seen)
        assert summary == "4 queries · 25.0% without a result · 0.0% with poor results only · 3 results chosen"
        assert rows[0] == ["1", "2", "66.6%"]
        assert (rows[-1], len(rows)) == (["later", "1", "33.3%"], 11)
        assert violations(driver) == []
        check_log(driver)
        leave(driver)


def test_numbers_rise_when_somebody_types(page: Dashboard) -> None:
    first = page.until(lambda seen: seen["state"] == "live")
    assert "mean" in first["build"]
    with page.server.client():
        page.until(lambda seen: seen["sessions"] == "2")  # the page's own field is a session too
        type_elsewhere(page.server, "boil an egg")
        # The page may ask between the last key and Enter.
        seen = page.until(lambda seen: not {"–", "0"} & {seen["keys"], seen["ready"], *seen["latency"]})
    assert seen["ready"] == "100%"
    assert all(re.fullmatch(r"[\d.]+ (µs|ms|s)", figure) for figure in [*seen["latency"], *seen["stages"]])
    assert all(path for path in seen["lines"])
    assert all(path for path in seen["areas"])
    assert {row[3] for row in seen["slow"]} <= {str(length) for length in range(12)}
    page.until(lambda seen: seen["sessions"] == "1")


def test_ones_own_keys_are_divided_into_where_their_time_went(page: Dashboard) -> None:
    page.until(lambda seen: seen["connection"] == "Connected.")
    page.type("an egg")
    seen = page.see()
    assert [row[0] for row in seen["own"]] == ["a", "n", "␣", "e", "g", "g"]
    for _, parts, total, _, _ in seen["own"]:
        named = dict(part.rsplit(" ", 2)[0::2] for part in parts.split(", "))
        assert list(named) == ["sent", "queue", "tokenize", "step", "search", "serialize", "network", "paint"]
        assert total.endswith("ms")
    page.press(Keys.ENTER)
    seen = page.until(lambda seen: "Enter" in seen["summary"])
    assert seen["own"][-1][0] == "Enter"
    assert "✓ ready" in seen["own"][-1][2]
    assert seen["summary"].startswith("Ready at Enter: the results were there")


def test_beside_ones_keys_stands_what_a_measured_teacher_would_have_cost(page: Dashboard) -> None:
    page.until(lambda seen: "measured once when this server started" in seen["teacher"])
    page.until(lambda seen: seen["connection"] == "Connected.")
    page.type("eg")
    assert page.see()["teacher"].startswith("doc, ")
    pause, _, total = page.see()["own"][-1][3:5][0].partition(", ")[0], None, page.see()["own"][-1][4]
    assert pause == "pause 150 ms"
    assert float(total.split()[0]) > 150


def test_without_an_encoder_of_whole_texts_nothing_is_made_up(driver: Any) -> None:
    with running(BruteForceIndex(), web=web_folder()) as server:
        page = Dashboard(driver, server)
        page.open()
        page.until(lambda seen: seen["teacher"].startswith("Not available"))
        page.until(lambda seen: seen["connection"] == "Connected.")
        page.type("e")
        assert not driver.find_element(By.CSS_SELECTOR, "#own-keys .cost").is_displayed()
        leave(driver)


def test_what_is_deleted_begins_anew(page: Dashboard) -> None:
    page.until(lambda seen: seen["connection"] == "Connected.")
    page.type("eg")
    page.press(Keys.BACKSPACE)
    page.until(lambda seen: [row[0] for row in seen["own"]] == ["e", "g", "⌫"])
    page.press(Keys.BACKSPACE)
    page.until(lambda seen: seen["own"] == [])


def test_a_hostile_document_is_text(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "<img src=x onerror=globalThis.pwned=1>\u202egpj.exe"
    monkeypatch.setattr("tests.server.fakes.TITLES", [hostile] * 7)
    driver.get_log("browser")
    with running(BruteForceIndex(), web=web_folder()) as server:
        page = Dashboard(driver, server)
        page.open()
        page.until(lambda seen: seen["connection"] == "Connected.")
        page.type("e")
        seen = page.until(lambda seen: "onerror" in seen["answer"])
        assert "\u202e" not in seen["answer"]
        assert driver.execute_script("return [document.images.length, globalThis.pwned ?? null]") == [0, None]
        check_log(driver)
        leave(driver)


def test_the_token_is_asked_for_and_kept_for_the_tab(driver: Any) -> None:
    with running(BruteForceIndex(), web=web_folder(), token="secret") as server:
        page = Dashboard(driver, server)
        page.open()
        page.until(lambda seen: seen["token"] and seen["state"] == "unauthorized")
        field = driver.find_element(By.ID, "token-field")
        field.send_keys("wrong", Keys.ENTER)
        WebDriverWait(driver, PATIENCE).until(lambda _: field.get_property("value") == "")
        field.send_keys("secret", Keys.ENTER)
        page.until(lambda seen: not seen["token"] and seen["state"] == "live" and seen["connection"] == "Connected.")
        assert driver.execute_script("return location.href").endswith("/dashboard")
        page.open()
        page.until(lambda seen: not seen["token"] and seen["state"] == "live" and seen["connection"] == "Connected.")
        driver.execute_script("sessionStorage.clear()")
        leave(driver)


#: Notes what the page asks for from now on.
WATCH = """
globalThis.asked = [];
const real = fetch;
globalThis.fetch = (url, request) => {
  asked.push([String(url), request?.body ?? null]);
  return real(url, request);
};
"""

#: Has the page believe that it is hidden, until `globalThis.seen` says otherwise.
HIDE = """
const get = () => globalThis.seen ?? "hidden";
Object.defineProperty(document, "visibilityState", { configurable: true, get });
document.dispatchEvent(new Event("visibilitychange"));
"""


def test_a_page_that_nobody_sees_asks_nothing(page: Dashboard) -> None:
    page.until(lambda seen: seen["state"] == "live")
    page.driver.execute_script(HIDE)
    page.until(lambda seen: seen["state"] == "hidden")
    page.driver.execute_script(WATCH)
    page.driver.execute_script("globalThis.seen = 'visible'; document.dispatchEvent(new Event('visibilitychange'));")
    page.until(lambda seen: seen["state"] == "live")
    assert page.driver.execute_script("return asked[0][0]") == "./v1/dashboard"


def test_its_reader_can_make_it_stand_still(page: Dashboard) -> None:
    page.until(lambda seen: seen["state"] == "live")
    button = page.driver.find_element(By.ID, "pause")
    button.click()
    page.until(lambda seen: seen["state"] == "paused")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    page.until(lambda seen: seen["state"] == "live")


def test_tables_say_what_the_charts_show(page: Dashboard) -> None:
    page.until(lambda seen: seen["state"] == "live")
    type_elsewhere(page.server, "bake bread")
    page.until(lambda seen: "–" not in seen["latency"])
    for name in ("latency", "heatmap", "stages"):
        page.driver.find_element(By.CSS_SELECTOR, f"#{name}-table summary").click()
        rows = WebDriverWait(page.driver, PATIENCE).until(
            lambda driver, name=name: driver.find_elements(By.CSS_SELECTOR, f"#{name}-rows tr")
        )
        assert rows[0].find_element(By.TAG_NAME, "th").get_attribute("scope") == "row"


def test_what_the_page_itself_felt_is_reported_to_the_server(page: Dashboard) -> None:
    page.until(lambda seen: seen["connection"] == "Connected.")
    page.type("egg")
    page.driver.find_element(By.CSS_SELECTOR, "input[value=paint]").click()
    # The batch goes when its time has come, or the page is left.
    page.driver.execute_script("window.dispatchEvent(new Event('pagehide'))")
    seen = page.until(lambda seen: "–" not in seen["latency"])
    assert all(figure.endswith(("ms", "s")) for figure in seen["latency"])


#: Draws so many made-up answers, a second each, as if the page had been open for so long.
LOOK_ON = """
const [seconds, done] = arguments;
const look = async () => {
  if (globalThis.looking === undefined) {
    const { History } = await import("./dashboard/history.js");
    const { Panels } = await import("./dashboard/panels.js");
    const history = new History(310);
    const first = await (await fetch("./v1/dashboard")).json();
    globalThis.looking = { history, panels: new Panels(history), answer: first };
  }
  const { history, panels, answer } = globalThis.looking;
  for (let second = 0; second < seconds; second += 1) {
    answer.at += 1;
    for (const series of Object.values(answer.metrics)) {
      for (const [, value] of series) {
        if (typeof value === "number") continue;
        value.counts[8 + Math.floor(Math.random() * 9)] += 20;
        value.sum += 0.05;
      }
    }
    history.push(answer);
    panels.draw();
  }
};
look().then(() => done(null), (error) => done(String(error)));
"""


def test_a_page_that_is_left_open_does_not_grow(page: Dashboard) -> None:
    """Half an hour in a hurry; ``benchmarks/dashboard.py`` takes its time, and looks at the processor too."""
    driver = page.driver
    page.until(lambda seen: seen["state"] == "live")
    driver.find_element(By.ID, "pause").click()
    driver.execute_script("for (const table of document.querySelectorAll('details')) table.open = true")
    driver.execute_cdp_cmd("Performance.enable", {})

    def used() -> dict[str, float]:
        driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        found = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return {metric["name"]: metric["value"] for metric in found}

    def look_on(seconds: int) -> dict[str, float]:
        assert driver.execute_async_script(LOOK_ON, seconds) is None
        return used()

    # The first thousand compile what is used often; from then on 50 bytes an answer would be too much.
    full = look_on(1000)
    later = look_on(1000)
    assert later["Nodes"] == full["Nodes"]
    assert later["JSEventListeners"] == full["JSEventListeners"]
    assert later["JSHeapUsedSize"] < 1.05 * full["JSHeapUsedSize"]


@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_is_wider_than_its_window(page: Dashboard, width: int) -> None:
    page.width(width)
    page.until(lambda seen: seen["connection"] == "Connected.")
    page.type("egg")
    type_elsewhere(page.server, "how to tie a tie")
    page.until(lambda seen: seen["slow"] != [])
    assert page.driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize(
    "features",
    [
        {"prefers_color_scheme": "light"},
        {"prefers_color_scheme": "dark"},
        {"forced_colors": "active", "prefers_reduced_motion": "reduce"},
    ],
    ids=["light", "dark", "forced"],
)
def test_axe_core_finds_no_violation(page: Dashboard, width: int, features: Mapping[str, str]) -> None:
    page.width(width)
    page.emulate(**features)
    page.until(lambda seen: seen["connection"] == "Connected.")
    assert violations(page.driver) == []
    page.type("egg")
    page.press(Keys.ENTER)
    type_elsewhere(page.server, "how to tie a tie")
    page.until(lambda seen: seen["slow"] != [] and seen["summary"])
    for name in ("latency", "heatmap", "stages"):
        page.driver.find_element(By.CSS_SELECTOR, f"#{name}-table summary").click()
    page.driver.execute_script("document.getElementById('token').hidden = false; scrollTo(0, 0)")
    assert violations(page.driver) == []


def test_the_search_page_leads_to_it(driver: Any, server: Running) -> None:
    driver.get(server.http)
    driver.find_element(By.CSS_SELECTOR, "footer a").click()
    page = Dashboard(driver, server)
    page.until(lambda seen: seen["state"] == "live")
    leave(driver)


def test_nothing_that_was_typed_leaves_the_page_but_to_be_searched(page: Dashboard) -> None:
    page.until(lambda seen: seen["connection"] == "Connected.")
    page.driver.execute_script(WATCH)
    page.type("zq")
    page.driver.execute_script("window.dispatchEvent(new Event('pagehide'))")
    bodies = page.driver.execute_script("return asked")
    reports = [json.loads(body) for _, body in bodies if body is not None]
    assert reports
    assert all(type(value) in (int, float) for report in reports for values in report.values() for value in values)
    assert "zq" not in json.dumps(bodies)
