"""The element in a page that is not ours: nothing but its tag, under a strict policy, in forms, in other languages."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.web.axe import violations
from tests.web.conftest import BOX, Embed, Page, check_log, document, heard
from tests.web.scripted import ScriptedServer

pytestmark = pytest.mark.browser


def test_the_tag_alone_is_a_search_box(embed: Embed, server: ScriptedServer) -> None:
    page = embed(f"{BOX}<p id=after>Text</p>")
    after = page.driver.find_element(By.ID, "after")
    place = after.rect
    assert (page.input.accessible_name, page.see()["status"]) == ("Search", False)
    page.input.click()
    options = page.type_and_see("path")["options"]
    assert after.rect == place, "results lie over the page"
    page.press(Keys.ARROW_DOWN, Keys.ENTER)
    page.until_at(f"{server.url}landing/{options[0]}")


def test_the_one_file_is_the_same_box(driver: Any, server: ScriptedServer) -> None:
    page = Page(driver, server)
    driver.get(f"{server.url}landing/host")
    driver.execute_async_script(
        "document.body.innerHTML = arguments[0]; import('/typeahead-search.min.js').then(arguments[1]);", BOX
    )
    page.until(lambda seen: seen["state"] == "open")
    page.input.click()
    page.type_and_see("path jo")


def test_it_keeps_to_trusted_types(driver: Any, server: ScriptedServer) -> None:
    server.policy += "; require-trusted-types-for 'script'; trusted-types 'none'"
    page = Page(driver, server)
    driver.get_log("browser")
    driver.get(f"{server.url}landing/host")
    driver.execute_async_script("""
      document.body.append(Object.assign(document.createElement("typeahead-search"), { src: "/v1/type", recent: 3 }));
      import("/search-box.js").then(arguments[0]);
    """)
    page.until(lambda seen: seen["state"] == "open")
    page.input.click()
    page.type_and_see("path")
    page.press(Keys.ENTER)
    page.until(lambda seen: seen["settled"] != [])
    page.run("document.querySelector('typeahead-search').value = ''; localStorage.clear()")
    check_log(driver)


def test_properties_are_attributes_as_frameworks_expect(embed: Embed) -> None:
    page = embed(BOX)
    set_and_read = """
      Object.assign(box, { name: "q", label: "Find", results: 3, figures: true, disabled: true });
      const flags = [box.figures, box.disabled, box.hasAttribute("figures")];
      Object.assign(box, { label: null, disabled: false });
      return [box.getAttribute("name"), box.results, flags, box.label, box.hasAttribute("disabled")];
    """
    assert page.run(set_and_read) == ["q", "3", [True, True, True], "", False]
    page.until(lambda seen: seen["state"] == "open" and seen["status"])


def test_a_least_score_goes_into_the_hello_and_changes_with_its_attribute(embed: Embed, server: ScriptedServer) -> None:
    page = embed(BOX.replace(" src", " min-score=0.4 src"))
    server.wait_for(lambda server: [hello.min_score for hello in server.hellos] == [0.4])
    assert page.run("return box.minScore") == "0.4"
    page.run("box.minScore = 7")
    server.wait_for(lambda server: [hello.min_score for hello in server.hellos] == [0.4, 1.0])
    page.run("box.minScore = 'much'")
    server.wait_for(lambda server: [hello.min_score for hello in server.hellos] == [0.4, 1.0, 0.0])


def test_stale_results_are_shown_with_a_quiet_line_and_told_to_the_page(embed: Embed, server: ScriptedServer) -> None:
    page = embed(BOX)
    page.run("globalThis.told = []; box.addEventListener('stale', ({ detail }) => told.push(detail))")
    page.input.click()
    server.stale = True
    page.type_and_see("path")
    seen = page.until(lambda seen: seen["status"] and "out of date" in seen["said"])
    assert seen["connection"] == "Results may be out of date"
    assert violations(page.driver) == []
    assert heard(page, "hits")[-1]["stale"] is True
    page.run("box.messages = { stale: 'Vielleicht veraltet' }")
    assert page.see()["connection"] == "Vielleicht veraltet"
    server.stale, server.partial = False, True
    page.type_and_see(" jo")
    page.until(lambda seen: seen["connection"] == "Some results may be missing")
    server.partial = False
    page.type_and_see("in")
    page.until(lambda seen: not seen["status"])
    assert page.run("return told") == [True, False]


#: Keeps what the page would send, and tells it that it came.
KEEP_REQUESTS = """
globalThis.posted = [];
globalThis.fetch = async (url, { body }) => {
  posted.push([new URL(url).pathname, JSON.parse(body).events]);
  return { status: 204 };
};
"""


def test_a_server_that_asks_for_events_gets_queries_and_choices(embed: Embed, server: ScriptedServer) -> None:
    server.events = "numbers"
    page = embed(f"{BOX}<button id=after>After</button>")
    page.run(KEEP_REQUESTS)
    page.run("box.addEventListener('select', (event) => event.preventDefault())")
    page.input.click()
    found = len(page.type_and_see("path")["options"])
    assert page.run("return posted") == []
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    query = {"kind": "query", "results": found, "weak": False}
    expected: list[Any] = [["/v1/events", [query, {"kind": "select", "position": 2}]]]
    assert page.run("return posted") == expected
    page.press(" jo")
    page.until(lambda seen: seen["options"] == [hit["title"] for hit in server.find("path jo")])
    page.run("document.getElementById('after').focus()")
    expected.append(["/v1/events", [query | {"results": len(server.find("path jo"))}]])
    assert page.run("return posted") == expected
    page.run("box.type('')")
    assert page.run("return posted") == expected
    page.press("zzz", Keys.ENTER)
    page.until(lambda seen: "ready at Enter" in seen["figures"] or seen["message"] is not None)
    expected.append(["/v1/events", [query | {"results": 0}]])
    page.until(lambda _: page.run("return posted.length") == 3)
    assert page.run("return posted") == expected


@pytest.mark.parametrize(("asked", "markup"), [(None, BOX), ("texts", BOX.replace(" src", " events=off src"))])
def test_without_the_server_or_against_the_page_no_event_is_sent(
    asked: str | None, markup: str, embed: Embed, server: ScriptedServer
) -> None:
    server.events = asked
    page = embed(markup)
    page.run(KEEP_REQUESTS)
    page.run("box.addEventListener('select', (event) => event.preventDefault())")
    page.input.click()
    page.type_and_see("path")
    page.press(Keys.ARROW_DOWN, Keys.ENTER)
    page.run("box.type('')")
    assert page.run("return posted") == []


def test_an_event_tells_when_results_become_weak_and_when_they_no_longer_are(
    embed: Embed, server: ScriptedServer
) -> None:
    page = embed(BOX)
    page.run("globalThis.told = []; box.addEventListener('weak', ({ detail }) => told.push(detail))")
    page.input.click()
    server.weak = True
    page.press("path")
    page.until(lambda seen: seen["weak"] is not None)
    server.weak = False
    page.press(" jo")
    page.until(lambda seen: seen["options"] != [] and seen["weak"] is None)
    assert page.run("return told") == [True, False]


def test_events_tell_what_happens(embed: Embed) -> None:
    page = embed(BOX)
    page.input.click()
    options = page.type_and_see("path")["options"]
    page.press(Keys.ENTER)
    page.until(lambda seen: seen["settled"] == options)
    page.round_trip()
    assert heard(page, "statechange")[-1] == "open"
    assert [answer["text"] for answer in heard(page, "hits")][-2:] == ["path", "path"]
    ((submitted,)) = heard(page, "submit")
    assert (submitted["text"], submitted["ready"]) == ("path", True)
    assert [hit["title"] for hit in submitted["hits"]] == options


def test_a_page_that_takes_a_choice_keeps_the_browser_where_it_is(embed: Embed, server: ScriptedServer) -> None:
    page = embed(BOX)
    page.run("box.addEventListener('select', (event) => event.preventDefault())")
    page.input.click()
    options = page.type_and_see("path")["options"]
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    seen = page.see()
    assert (seen["panel"], seen["value"]) == (False, "path")
    page.press(Keys.ARROW_DOWN)
    page.part("row").click()
    assert [(chosen["hit"]["title"], chosen["index"]) for chosen in heard(page, "select")] == [
        (options[1], 1),
        (options[0], 0),
    ]
    assert page.driver.current_url == f"{server.url}landing/host"


def test_a_page_that_takes_enter_gets_no_results_below_the_box(embed: Embed) -> None:
    page = embed(BOX)
    page.run("box.addEventListener('submit', (event) => event.preventDefault())")
    page.input.click()
    page.type_and_see("path")
    page.press(Keys.ENTER)
    page.until(lambda _: any(answer["submit"] for answer in heard(page, "hits")))
    assert (page.see()["settled"], page.see()["panel"]) == ([], False)


def test_rows_are_made_of_the_pages_template(embed: Embed, server: ScriptedServer) -> None:
    markup = "<img src=x onerror='globalThis.pwned=1'>"
    server.find = lambda _: [document("a title", markup) | {"marks": {"title": [[2, 7]], "text": []}}]
    page = embed(
        '<typeahead-search src="/v1/type"><template slot="result"><em part="mine" data-hit="title"></em>'
        '<b data-hit="text"></b><i data-hit="score"></i><u data-hit="address"></u></template></typeahead-search>'
    )
    page.input.click()
    page.press("x")
    page.until(lambda seen: seen["panel"])
    row = page.part("row")
    assert [(part.tag_name, part.text) for part in row.find_elements(By.XPATH, "./*")] == [
        ("em", "a title"),
        ("b", markup),
        ("i", "0.500"),
        ("u", ""),
    ]
    assert page.see()["marks"] == ["title"]
    assert page.run("return globalThis.pwned ?? null") is None


def test_it_is_a_field_of_its_form(embed: Embed) -> None:
    page = embed(f"<form id=f>{BOX.replace(' src', ' name=q value=start src')}</form>")
    page.run(
        "document.querySelector('form').addEventListener('submit', (event) => { event.preventDefault(); sent = 1; })"
    )
    data = "return new FormData(document.querySelector('form')).get('q')"
    assert page.run(data) == "start"
    page.input.click()
    page.press(Keys.END, " x")
    assert page.run(data) == "start x"
    assert page.run("return globalThis.sent ?? 0") == 0
    page.press(Keys.ENTER)
    assert page.run("return globalThis.sent ?? 0") == 1
    assert page.see()["settled"] == []
    page.run("document.querySelector('form').reset()")
    seen = page.see()
    assert (seen["value"], page.run(data), seen["panel"]) == ("start", "start", False)
    page.run(
        "const set = document.createElement('fieldset'); set.disabled = true; box.form.append(set); set.append(box)"
    )
    assert not page.input.is_enabled()


@pytest.mark.parametrize(
    "markup",
    [
        f"<label for=b>Find it</label>{BOX.replace(' src', ' id=b src')}",
        f"<label>Find it {BOX}</label>",
        BOX.replace(" src", " label='Find it' src"),
        BOX.replace(" src", " aria-label='Find it' src"),
    ],
)
def test_it_is_named_as_the_page_names_it(embed: Embed, markup: str) -> None:
    assert embed(markup).input.accessible_name == "Find it"


def test_its_words_are_the_pages(embed: Embed, server: ScriptedServer) -> None:
    page = embed(BOX)
    page.run("box.messages = { label: 'Suche', none: (text) => `Nichts zu „${text}“.`, count: (n) => `${n} Treffer` }")
    assert page.input.accessible_name == "Suche"
    page.input.click()
    page.type_and_see("json")
    page.until(lambda seen: seen["said"] == "1 Treffer")
    page.press("zz")
    page.until(lambda seen: seen["message"] == "Nichts zu „jsonzz“.")
    assert server.sessions == 1


@pytest.mark.usefixtures("embed")
def test_what_was_set_before_the_module_came_holds(driver: Any, server: ScriptedServer) -> None:
    server.token = "s3cret"
    page = Page(driver, server)
    driver.get(f"{server.url}landing/host")
    driver.execute_async_script(
        """
        document.body.innerHTML = arguments[0];
        const early = { value: "join", token: "s3cret", messages: { label: "L" } };
        Object.assign(document.querySelector("typeahead-search"), early);
        import("/search-box.js").then(arguments[1]);
        """,
        BOX,
    )
    page.until(lambda seen: (seen["state"], seen["value"]) == ("open", "join"))
    assert page.input.accessible_name == "L"
    server.wait_for(lambda server: server.texts == ["join"])


def test_a_value_that_a_program_sets_opens_nothing_and_is_searched(embed: Embed, server: ScriptedServer) -> None:
    page = embed(BOX)
    page.run("box.value = 'path'")
    server.wait_for(lambda server: server.texts == ["path"])
    page.until(lambda _: page.run("return box.hits.length") == len(server.find("path")))
    assert not page.see()["panel"]
    page.input.click()
    page.press(Keys.ARROW_DOWN)
    assert page.see()["panel"]


def test_focus_goes_through_to_the_field_and_comes_from_the_keys(embed: Embed) -> None:
    page = embed(f"{BOX}<input id=other>")
    page.run("box.focus()")
    assert page.see()["focused"]
    page.driver.find_element(By.ID, "other").click()
    page.press("a/b")
    assert page.driver.find_element(By.ID, "other").get_attribute("value") == "a/b"
    page.chord(Keys.CONTROL, "k")
    assert page.see()["focused"]
    page.run("arguments[0].blur()", page.input)
    page.press("/")
    seen = page.see()
    assert (seen["focused"], seen["value"]) == (True, "")
    page.press("a/b")
    assert page.see()["value"] == "a/b"
    page.run("arguments[0].blur(); box.setAttribute('hotkeys', 'off')", page.input)
    page.press("/")
    assert not page.see()["focused"]


def test_recent_searches_are_offered_where_the_page_asks_and_stay_in_the_browser(
    embed: Embed, server: ScriptedServer
) -> None:
    page = embed(BOX.replace(" src", " recent=2 src"))
    page.run("localStorage.clear()")
    page.input.click()
    assert not page.see()["panel"]
    for text in ("json", "path", "line"):
        page.run("box.type('')")
        page.press(text, Keys.ENTER)
        server.wait_for(lambda server, text=text: server.keys[-1].kind == "submit" and server.texts[-1] == text)  # type: ignore[misc]
    page.run("box.type('')")
    page.input.click()
    seen = page.see()
    assert (seen["recent"], seen["expanded"]) == (["line", "path"], "true")
    assert violations(page.driver) == []
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    page.until_shown(server.find("path"))
    assert page.see()["recent"] == []
    page.press(Keys.ESCAPE, Keys.ESCAPE, Keys.ARROW_DOWN)
    assert page.see()["recent"] == ["line", "path"]
    server.hold = True
    page.press("x")
    assert not page.see()["panel"], "what is typed now is not recent"
    server.release()
    page.press(Keys.BACKSPACE, Keys.ARROW_DOWN)
    page.part("forget").click()
    seen = page.see()
    assert (seen["recent"], seen["focused"], page.run("return localStorage.length")) == ([], True, 0)


def test_nothing_is_kept_where_the_page_does_not_ask(embed: Embed, server: ScriptedServer) -> None:
    page = embed(BOX)
    page.run("localStorage.clear()")
    page.input.click()
    page.press("json", Keys.ENTER)
    server.wait_for(lambda server: server.keys[-1].kind == "submit")
    assert page.run("return [localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


def test_it_may_be_taken_out_and_put_back(embed: Embed, server: ScriptedServer) -> None:
    page = embed(BOX)
    page.input.click()
    page.type_and_see("json")
    page.run("document.body.prepend(box)")
    page.until(lambda seen: seen["state"] == "open")
    server.wait_for(lambda server: server.sessions == 2)
    page.input.click()
    page.press(Keys.END)
    page.press("x")
    server.wait_for(lambda server: server.texts[-1] == "jsonx")
    page.run("box.remove()")
    assert page.run("return box.state") == "closed"


def test_two_boxes_do_not_meet(embed: Embed, server: ScriptedServer) -> None:
    page = embed(BOX + BOX.replace(" src", " label=Other src"))
    page.input.click()
    page.type_and_see("json")
    page.run("const [, second] = document.querySelectorAll('typeahead-search'); second.type('path')")
    server.wait_for(lambda server: "path" in server.texts)
    assert page.see()["value"] == "json"
    assert violations(page.driver) == []


def test_another_address_is_another_connection_with_the_same_text(embed: Embed, server: ScriptedServer) -> None:
    page = embed(BOX)
    page.input.click()
    page.type_and_see("json")
    page.run("box.setAttribute('src', '/v1/type?again')")
    server.wait_for(lambda server: server.sessions == 2 and server.texts[-1] == "json")
    page.until(lambda seen: seen["state"] == "open")


def test_right_to_left_is_mirrored(embed: Embed, server: ScriptedServer) -> None:
    server.find = lambda _: [document("كتاب جديد", "نص قصير", "https://a.example/b")]
    page = embed(f"<div dir=rtl>{BOX}</div>")
    page.input.click()
    page.press("كتاب")
    page.until(lambda seen: seen["options"] == ["كتاب جديد"])
    middle = page.part("box").rect["x"] + page.part("box").rect["width"] / 2
    assert page.part("icon").rect["x"] > middle > page.part("clear").rect["x"]
    assert page.part("input").value_of_css_property("direction") == "rtl"
    title = (
        "const r = document.createRange(); r.selectNodeContents(arguments[0]); return r.getBoundingClientRect().left"
    )
    assert page.run(title, page.part("title")) > middle
    assert violations(page.driver) == []


def test_forced_colours_show_what_is_active(embed: Embed) -> None:
    page = embed(BOX)
    page.devtools("Emulation.setEmulatedMedia", features=[{"name": "forced-colors", "value": "active"}])
    try:
        page.input.click()
        page.type_and_see("path")
        page.press(Keys.ARROW_DOWN)
        row = page.shadow.find_element(By.CSS_SELECTOR, "[aria-selected=true]")
        assert row.value_of_css_property("outline-style") == "solid"
    finally:
        page.devtools("Emulation.setEmulatedMedia", features=[])


def test_the_example_page_shows_its_own_rows_and_what_was_chosen(driver: Any, server: ScriptedServer) -> None:
    page = Page(driver, server)
    driver.get(f"{server.url}examples/plain.html")
    page.until(lambda seen: seen["state"] == "open")
    page.input.click()
    page.press("json")
    page.until(lambda seen: seen["panel"])
    assert page.part("name").text == "json.loads"
    assert violations(driver) == []
    page.press(Keys.ARROW_DOWN, Keys.ENTER)
    assert driver.find_element(By.ID, "chosen").text == "Chosen: json.loads"
    page.run("localStorage.clear()")
