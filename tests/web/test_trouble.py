"""The page when things go wrong: servers that die, documents that attack, narrow and dark screens."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.conftest import Page, document
from tests.web.scripted import ScriptedServer

pytestmark = pytest.mark.browser


def test_a_server_that_dies_in_the_middle_of_a_word_is_found_again(page: Page, server: ScriptedServer) -> None:
    before = page.type_and_see("join components of the os pa")["options"]
    server.kill()
    page.until(lambda seen: seen["state"] == "waiting")
    page.press("th jo")
    seen = page.see()
    assert (seen["options"], seen["value"]) == (before, "join components of the os path jo")
    sent = len(server.keys)
    server.start()
    page.until_shown(server.find("join components of the os path jo"))
    assert [(key.kind, key.text) for key in server.keys[sent:]] == [("text", "join components of the os path jo")]
    page.until(lambda seen: seen["state"] == "open")
    page.type_and_see("in")


def test_an_enter_while_the_server_is_away_is_answered_when_it_is_back(page: Page, server: ScriptedServer) -> None:
    page.type_and_see("pat")
    server.kill()
    page.press("h", Keys.ENTER)
    server.start()
    page.until(lambda seen: seen["settled"] == [hit["title"] for hit in server.find("path")])
    assert page.see()["expanded"] == "false"


def test_a_restarting_server_is_dialled_again(page: Page, server: ScriptedServer) -> None:
    server.hang_up(1012)
    server.wait_for(lambda server: server.sessions == 2)
    page.type_and_see("json")


def test_a_server_that_ended_an_idle_session_is_dialled_by_the_next_key(page: Page, server: ScriptedServer) -> None:
    server.hang_up(1000)
    page.until(lambda seen: seen["state"] == "asleep")
    page.type_and_see("json")
    assert server.sessions == 2


def test_a_server_that_refuses_is_left_alone(page: Page, server: ScriptedServer) -> None:
    server.hang_up(1008)
    page.until(lambda seen: seen["connection"] == "The server refused the connection")


def test_a_text_that_is_too_long_is_said_so_and_not_waited_for(page: Page) -> None:
    # The sign of waiting comes at once, so that there is no need to wait for it not to come.
    page.run("""
      const { setTimeout } = window;
      window.setTimeout = (callback, ms) => ms === 250 ? (callback(), 0) : setTimeout(callback, ms);
      document.querySelector("typeahead-search").type("x".repeat(513));
    """)
    assert page.see()["figures"] == "Too long: at most 512 characters."
    assert not page.see()["waiting"]


ASKED = """
const form = document.querySelector("#token");
return [form.hidden, document.activeElement.getAttribute("type") ?? document.activeElement.localName];
"""


def test_a_token_is_asked_for_kept_in_the_tab_and_never_put_into_an_address(page: Page, server: ScriptedServer) -> None:
    server.token = "s3cret"
    server.hang_up(1012)
    page.until(lambda seen: seen["state"] == "refused" and page.run(ASKED) == [False, "password"])
    page.press("wrong", Keys.ENTER)
    server.wait_for(lambda server: server.sessions == 3)
    page.until(lambda seen: seen["state"] == "refused" and seen["figures"] == "the token is missing or wrong")
    assert page.run("return [sessionStorage.length, document.querySelector('#token input').value]") == [0, ""]
    page.press("s3cret", Keys.ENTER)
    page.until(
        lambda seen: (seen["figures"], seen["focused"]) == ("", True) and page.run(ASKED) == [True, "typeahead-search"]
    )
    page.type_and_see("json")
    page.driver.refresh()
    page.until(lambda seen: seen["state"] == "open")
    page.type_and_see("path")
    try:
        assert server.sessions == 5
        assert page.run("return [location.href, localStorage.length, document.cookie]") == [server.url, 0, ""]
    finally:
        page.run("sessionStorage.clear()")


def test_going_away_and_back_finds_the_page_alive(page: Page, server: ScriptedServer) -> None:
    page.type_and_see("path")
    page.driver.get(f"{server.url}landing/elsewhere")
    page.driver.back()
    page.until(lambda seen: seen["state"] == "open")
    page.run("arguments[0].focus()", page.input)
    page.chord(Keys.CONTROL, "a")
    page.type_and_see("json")


MARKUP = "<img src=x onerror='globalThis.pwned=1'><script>globalThis.pwned=2</script><svg onload='pwned=3'>"


def test_markup_and_scripts_in_documents_stay_text(page: Page, server: ScriptedServer) -> None:
    server.find = lambda _: [document(MARKUP, MARKUP, f"https://a.example/{MARKUP}")]
    page.press("script img")
    page.until(lambda seen: seen["options"] == [MARKUP])
    page.press(Keys.ENTER)
    page.until(lambda seen: seen["settled"] == [MARKUP])
    made = "return [...arguments[0].querySelectorAll('[part=panel] *, [part=settled] *')].map((node) => node.localName)"
    assert set(page.run(made, page.shadow)) <= {"div", "button", "ul", "ol", "li", "a", "p", "span", "mark"}
    assert page.run("return globalThis.pwned ?? null") is None


@pytest.mark.parametrize(
    "url",
    [
        "javascript:globalThis.pwned=1",
        " jAvAsCrIpT:globalThis.pwned=1",
        "java\tscript:globalThis.pwned=1",
        "data:text/html,<script>pwned=1</script>",
        "//a.example/",
        "https://",
    ],
)
def test_an_address_that_is_not_http_is_no_link(page: Page, server: ScriptedServer, url: str) -> None:
    server.find = lambda _: [document("a title", "a text", url)]
    page.press("title")
    page.until(lambda seen: seen["options"] == ["a title"])
    assert page.run("return arguments[0].querySelectorAll('a').length", page.shadow) == 0
    page.press(Keys.ARROW_DOWN, Keys.ENTER)
    page.until(lambda seen: seen["settled"] == ["a title"])
    assert page.run("return [location.href, globalThis.pwned ?? null]") == [server.url, None]


def test_links_give_neither_opener_nor_referrer(page: Page, server: ScriptedServer) -> None:
    server.find = lambda _: [document("a title", "a text", "https://a.example/")]
    page.press("title")
    page.until(lambda seen: seen["options"] == ["a title"])
    assert page.part("row").get_attribute("rel") == "noopener noreferrer"


def test_a_megabyte_of_title_is_cut_and_costs_nothing(page: Page, server: ScriptedServer) -> None:
    server.find = lambda _: [document("title " * 180_000, "e\u0301" * 400_000, "https://a.example/" + "x" * 900_000)]
    page.press("title")
    page.until(lambda seen: len(seen["options"]) == 1)
    assert page.run("return arguments[0].textContent.length", page.part("box")) < 3000
    assert page.part("row").rect["height"] < 140


def test_bidi_controls_and_stacked_accents_stay_in_their_row(page: Page, server: ScriptedServer) -> None:
    tricks = ["\u202egnp.exe", "\u2067\u2067\u2066x", "a" + "\u0316\u0300" * 60]
    server.find = lambda _: [document(trick, trick) for trick in tricks] + [document("a plain title")]
    page.press("title")
    seen = page.until(lambda seen: len(seen["options"]) == 4)
    assert not set("".join(seen["options"])) & set("\u202e\u2066\u2067")
    assert page.part("row").value_of_css_property("overflow") == "hidden"


def test_documents_with_one_id_or_none_are_all_shown(page: Page, server: ScriptedServer) -> None:
    server.find = lambda text: [document("", text), document("", "b"), {"id": "x"}, {"id": "x", "title": "t"}]
    page.press("a")
    page.until(lambda seen: seen["options"] == ["Untitled", "Untitled", "x", "t"])
    page.press("b")
    page.until(lambda seen: seen["options"] == ["Untitled", "Untitled", "x", "t"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_320_pixels_in_light_and_dark(page: Page, server: ScriptedServer, scheme: str) -> None:
    long = document("a.very.long.name" * 9, "x" * 900, "https://a.example/" + "y" * 300)
    server.find = lambda _: [long, document("short", "text")]
    page.devtools("Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=2, mobile=True)
    page.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    try:
        page.press("path")
        page.until(lambda seen: len(seen["options"]) == 2)
        size = "return [document.documentElement.scrollWidth, arguments[0].offsetWidth]"
        width, target = page.run(size, page.part("clear"))
        assert width <= 320
        assert target >= 44
        background = page.run("return getComputedStyle(document.body).backgroundColor")
        assert (int(background.split("(")[1].split(",")[0]) < 60) == (scheme == "dark")
    finally:
        page.devtools("Emulation.clearDeviceMetricsOverride")
        page.devtools("Emulation.setEmulatedMedia", features=[])


def test_nothing_moves_where_motion_is_not_wanted(page: Page, server: ScriptedServer) -> None:
    page.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    server.hold = True
    try:
        page.press("a")
        page.until(lambda seen: seen["waiting"])
        assert page.run("return arguments[0].getAnimations({subtree: true}).length", page.part("box")) == 0
    finally:
        page.devtools("Emulation.setEmulatedMedia", features=[])
