"""A headless Chromium for the whole run, and for each test a page of its own on a server of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.web.scripted import Hit, ScriptedServer
from typeahead.paths import web_folder
from typeahead.search.marks import Marker

#: Seconds that a condition may take on a busy machine. No test waits for it to pass.
PATIENCE = 20
MODULES = Path(__file__).parent / "modules"

DOCUMENTS = {
    "os.path.join": "join(a, *p) Join two or more pathname components, inserting '/' as needed.",
    "os.path.split": "split(p) Split a pathname. Returns tuple (head, tail) where tail is everything after the slash.",
    "pathlib.Path.open": "Open the file pointed to by this path and return a file object, as open() does.",
    "linecache.getline": "Get a line of a file by its number, update the cache if it does not hold the file.",
    "fileinput.input": "Return an instance that reads lines of several files, one after another.",
    "asyncio.gather": "Run awaitables at the same time and return their results in order.",
    "itertools.pairwise": "Return successive overlapping pairs taken from the input iterator.",
    "json.loads": "Deserialize a str, bytes or bytearray that holds a JSON document.",
    "café.naïve": "Größe, Ελλάδα, 東京都の天気 and 한국어 in one docstring.",
}

#: What the page shows, read in one round trip, so that its parts belong together.
SNAPSHOT = """
const box = document.querySelector("typeahead-search");
const root = box.shadowRoot;
const part = (name) => root.querySelector(`[part~="${name}"]`);
const seen = (name) => part(name).checkVisibility();
const rows = (name) => !seen(name) ? []
  : [...part(name).querySelectorAll("[part~=title]")].map((title) => title.textContent);
const input = part("input");
const active = root.getElementById(input.getAttribute("aria-activedescendant"));
return {
  value: input.value,
  expanded: input.getAttribute("aria-expanded"),
  panel: seen("options"),
  options: rows("options"),
  active: active ? (active.querySelector("[part~=title]") ?? active).textContent : null,
  selected: [...root.querySelectorAll("[aria-selected=true] [part~=title]")].map((title) => title.textContent),
  marks: [...root.querySelectorAll("mark")].map((mark) => mark.textContent),
  recent: seen("recent") ? [...part("options").children].map((item) => item.textContent) : [],
  settled: rows("answers"),
  hints: seen("empty"),
  weak: seen("weak") ? part("weak").textContent : null,
  dimmed: root.querySelectorAll("[part~=weak-row]").length,
  more: [...root.querySelectorAll("[part=more], [part~=more-row]")].some((more) => more.checkVisibility()),
  facets: [...root.querySelectorAll("[part=facet]")].filter((facet) => facet.checkVisibility())
    .map((facet) => `${facet.textContent}${facet.getAttribute("aria-pressed") === "true" ? " ✓" : ""}`),
  copies: [...root.querySelectorAll("[part=copies]")].map((element) => element.textContent).filter(Boolean),
  message: seen("message") ? part("message").textContent : null,
  figures: part("figures").textContent,
  connection: part("connection").textContent,
  status: seen("status"),
  state: box.state,
  waiting: part("box").hasAttribute("data-waiting"),
  said: part("announcer").textContent,
  focused: document.activeElement === box && root.activeElement === input,
};
"""


def document(name: str, text: str = "", url: str = "") -> Hit:
    """A hit as servers of before there were marks send it, as a page has to take both."""
    return {"id": name, "score": 0.5, "title": name, "text": text, "url": url}


def find_documents(text: str, origin: str) -> list[Hit]:
    """Documents that hold words which begin as those of the text do, the ones with most of them first."""
    words = [word.lower() for word in text.split()]

    def count(item: tuple[str, str]) -> int:
        held = " ".join(item).replace(".", " ").lower().split()
        return sum(any(other.startswith(word) for other in held) for word in words)

    found = sorted((item for item in DOCUMENTS.items() if count(item)), key=count, reverse=True)
    marker = Marker(text)
    hits = [document(name, body, f"{origin}landing/{name}") for name, body in found]
    return [hit | {"marks": {part: marker.spans(hit[part]) for part in ("title", "text")}} for hit in hits]


class SearchPage:
    """The search page in the browser."""

    def __init__(self, driver: Any, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self) -> None:
        self.driver.get(self.url)
        self.until(lambda page: page["state"] == "open")

    @property
    def shadow(self) -> Any:
        """The box's shadow root."""
        return self.driver.find_element(By.CSS_SELECTOR, "typeahead-search").shadow_root

    def part(self, name: str) -> Any:
        """The first element of the box that is this part."""
        return self.shadow.find_element(By.CSS_SELECTOR, f"[part~={name}]")

    @property
    def input(self) -> Any:
        return self.part("input")

    def press(self, *keys: str) -> None:
        """Real key events, into whatever has the focus."""
        webdriver.ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def chord(self, modifier: str, key: str) -> None:
        webdriver.ActionChains(self.driver, duration=0).key_down(modifier).send_keys(key).key_up(modifier).perform()

    def see(self) -> dict[str, Any]:
        seen: dict[str, Any] = self.driver.execute_script(SNAPSHOT)
        return seen

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the page shows what is expected, and return it."""
        seen: dict[str, Any] = {}

        def holds(_: Any) -> bool:
            seen.update(self.see())
            return condition(seen)

        try:
            WebDriverWait(self.driver, PATIENCE, poll_frequency=0.02).until(holds)
        except TimeoutException:
            pytest.fail(f"the page shows {seen}")
        return seen

    def until_at(self, url: str) -> None:
        """Wait until the browser has gone to this address."""
        WebDriverWait(self.driver, PATIENCE, poll_frequency=0.02).until(lambda driver: driver.current_url == url)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def devtools(self, command: str, **parameters: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, parameters)

    def round_trip(self) -> None:
        """Wait until the page has dealt with all that it was sent before."""
        self.driver.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => setTimeout(done));")


class Page(SearchPage):
    """The same, with the scripted server behind it."""

    def __init__(self, driver: Any, server: ScriptedServer) -> None:
        super().__init__(driver, server.url)
        self.server = server

    def type_and_see(self, text: str) -> dict[str, Any]:
        """Type, and wait until the results of the whole text stand."""
        self.press(text)
        return self.until_shown(self.server.find(str(self.see()["value"])))

    def until_shown(self, hits: list[Hit]) -> dict[str, Any]:
        return self.until(lambda page: page["options"] == [hit["title"] for hit in hits])


def check_log(driver: Any) -> None:
    """Nothing may have gone wrong in the page that no assertion looked at: scripts, what the policy blocks, files."""
    broken = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    # A connection that cannot be made is logged by the browser itself, and is what some tests are about; and a scripted
    # server takes no reports of timings, which it may be sent when a page goes.
    expected = ("WebSocket connection to", "net::ERR_CONNECTION", "/v1/client-timings")
    assert [message for message in broken if not any(part in message for part in expected)] == []


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    browser, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or chromedriver is None:
        reason = "no Chromium: apt-get install -y chromium chromium-driver"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.page_load_strategy = "eager"
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "window-size=1000,900",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
    driver.set_script_timeout(PATIENCE)
    yield driver
    driver.quit()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer({"/modules/": MODULES, "/": web_folder()}) as server:
        server.find = lambda text: find_documents(text, server.url)
        yield server


@pytest.fixture
def page(driver: Any, server: ScriptedServer) -> Iterator[Page]:
    driver.get_log("browser")
    page = Page(driver, server)
    page.open()
    yield page
    check_log(driver)
    driver.get("about:blank")
    assert server.violations == []


BOX = '<typeahead-search src="/v1/type"></typeahead-search>'
Embed = Callable[[str], Page]


@pytest.fixture
def embed(driver: Any, server: ScriptedServer) -> Any:
    """Puts markup into a page whose policy is strict, and loads the element's module into it."""

    def put(markup: str) -> Page:
        page = Page(driver, server)
        driver.get(f"{server.url}landing/host")
        driver.execute_async_script(
            """
            const [markup, done] = arguments;
            document.documentElement.lang = "en";
            document.title = "Host";
            document.body.innerHTML = `<main><h1>Host</h1>${markup}</main>`;
            globalThis.box = document.querySelector("typeahead-search");
            globalThis.heard = [];
            for (const name of ["hits", "select", "submit", "statechange", "problem", "typeahead-facets"]) {
              globalThis.box?.addEventListener(name, ({ detail }) => heard.push([name, detail]));
            }
            import("/search-box.js").then(done);
            """,
            markup,
        )
        page.until(lambda seen: seen["state"] == "open")
        return page

    driver.get_log("browser")
    yield put
    check_log(driver)
    driver.get("about:blank")
    assert server.violations == []


def heard(page: Page, name: str) -> list[Any]:
    """What the element's events of this name carried."""
    return [detail for kind, detail in page.run("return heard") if kind == name]
