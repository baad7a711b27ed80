"""Filters, facets, further pages and the name of an index: the element in a page, by keyboard, mouse and script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.web.axe import violations
from tests.web.conftest import BOX, Embed, Page, document, heard
from tests.web.scripted import ScriptedServer
from typeahead.text.document import Values

pytestmark = pytest.mark.browser

FIELDS: dict[str, Mapping[str, Values]] = {
    "Paris": {"country": "France", "year": 2019, "river": "Seine"},
    "Lyon": {"country": "France", "year": 2020},
    "Rome": {"country": "Italy", "year": 2020, "river": "Tiber"},
    "Turin": {"country": "Italy", "year": 2021},
    "Vaduz": {"country": "Liechtenstein", "year": 2021},
}


@pytest.fixture(autouse=True)
def cities(server: ScriptedServer) -> None:
    """A server whose documents are cities, all of which any text finds."""
    server.library.fields = FIELDS
    server.find = lambda text: [document(city, "a city") for city in FIELDS] if text.strip() else []


def box(**attributes: str) -> str:
    """The element's markup."""
    written = "".join(f" {name}='{value}'" for name, value in attributes.items())
    return BOX.replace(" src", f"{written} src")


def shows(*titles: str) -> Any:
    """The condition that these results stand in the panel."""
    return lambda seen: seen["options"] == list(titles)


def button(page: Page, label: str) -> Any:
    """The facet whose label begins so."""
    found = page.shadow.find_elements(By.CSS_SELECTOR, "[part=facet]")
    return next(facet for facet in found if facet.text.startswith(label))


def test_the_filter_of_the_attribute_goes_with_the_hello(embed: Embed, server: ScriptedServer) -> None:
    page = embed(box(filter='{"country": "France"}'))
    page.run("box.type('x')")
    page.until(shows("Paris", "Lyon"))
    assert server.asked == [{"filter": {"country": "France"}}]
    assert page.run("return box.filter") == {"country": "France"}


def test_another_filter_searches_again_at_once(embed: Embed, server: ScriptedServer) -> None:
    page = embed(BOX)
    page.run("box.type('x')")
    page.until(shows(*FIELDS))
    page.run("box.filter = { year: { gte: 2020 }, not: { country: 'Italy' } }")
    page.until(shows("Lyon", "Vaduz"))
    page.run("box.filter = null")
    page.until(shows(*FIELDS))
    assert server.sessions == 1
    assert server.asked[-1] == {"filter": None}


def test_results_of_the_old_filter_are_gone_before_those_of_the_new_come(embed: Embed, server: ScriptedServer) -> None:
    page = embed(BOX)
    page.run("box.type('x')")
    page.until(shows(*FIELDS))
    server.hold = True
    page.press("y")
    server.wait_for(lambda server: server.texts[-1] == "xy")
    page.run("box.filter = { country: 'Italy' }")
    assert page.see()["options"] == []
    server.wait_for(lambda server: len(server.keys) == 3)
    server.release(2)
    page.round_trip()
    assert page.see()["options"] == []
    server.release(3)
    page.until(shows("Rome", "Turin"))


def test_results_in_the_page_follow_the_filter(embed: Embed) -> None:
    page = embed(BOX)
    page.run("box.type('x')")
    page.press(Keys.ENTER)
    page.until(lambda seen: seen["settled"] == list(FIELDS))
    page.run("box.filter = { country: 'Italy' }")
    seen = page.until(lambda seen: seen["settled"] == ["Rome", "Turin"])
    assert not seen["panel"]


def test_a_filter_that_a_program_sets_opens_nothing(embed: Embed, server: ScriptedServer) -> None:
    page = embed(BOX)
    page.run("box.value = 'x'; box.filter = { country: 'Italy' }")
    server.wait_for(lambda server: server.asked == [{"filter": {"country": "Italy"}}])
    page.until(lambda _: page.run("return box.hits.length") == 2)
    assert not page.see()["panel"]


@pytest.mark.parametrize("script", ["box.setAttribute('filter', '{country')", "box.filter = { tenant: undefined }"])
def test_a_filter_that_is_none_finds_nothing_and_says_so(embed: Embed, server: ScriptedServer, script: str) -> None:
    page = embed(BOX)
    page.run("box.type('x')")
    page.until(shows(*FIELDS))
    page.run(f"globalThis.warned = []; console.warn = (...words) => warned.push(words.join(' ')); {script}")
    message = "The filter does not work, so nothing is searched."
    page.until(lambda seen: seen["message"] == message and seen["options"] == [] and seen["said"].startswith("The fil"))
    page.press("y")
    seen = page.see()
    assert (seen["message"], seen["options"], seen["status"]) == (message, [], True)
    assert [problem["code"] for problem in heard(page, "problem")] == ["bad_filter"]
    assert page.run("return warned[0]").startswith("<typeahead-search>: the filter is no JSON object")
    assert violations(page.driver) == []
    page.press(Keys.ENTER)
    page.run("box.filter = { country: 'Italy' }")
    page.until(lambda seen: seen["settled"] == ["Rome", "Turin"] and not seen["status"])
    assert server.texts == ["x", "xy"]


def test_a_bad_filter_in_the_markup_searches_nothing(embed: Embed, server: ScriptedServer) -> None:
    page = embed(box(filter="[1]"))
    page.run("box.type('x')")
    page.until(lambda seen: seen["message"] == "The filter does not work, so nothing is searched.")
    assert server.keys == []


@pytest.mark.parametrize(
    ("filter_json", "message"),
    [
        ('{"country": {"like": "F"}}', "The filter does not work, so nothing is searched."),
        ('{"town": "x"}', "The filter names a field that does not exist, so nothing is searched."),
    ],
)
def test_a_filter_that_the_server_refuses_is_a_state_of_the_box(embed: Embed, filter_json: str, message: str) -> None:
    page = embed(BOX)
    page.run("box.type('x')")
    page.until(shows(*FIELDS))
    page.run("box.filter = arguments[0]", filter_json)
    page.until(lambda seen: seen["message"] == message and seen["options"] == [] and seen["status"])
    page.run("box.filter = null")
    page.until(lambda seen: seen["options"] == list(FIELDS) and seen["message"] is None and not seen["status"])


def test_a_hello_that_is_refused_for_its_filter_finds_nothing(embed: Embed, server: ScriptedServer) -> None:
    page = embed(box(filter='{"town": "x"}'))
    page.until(lambda _: heard(page, "problem") != [])
    page.run("box.type('x')")
    page.until(lambda seen: seen["message"] == "The filter names a field that does not exist, so nothing is searched.")
    assert server.keys == []
    page.run("box.filter = { country: 'Italy' }")
    page.until(shows("Rome", "Turin"))
    assert server.sessions == 2


def test_access_that_expires_is_a_state_of_the_box_until_there_is_another_token(
    embed: Embed, server: ScriptedServer
) -> None:
    page = embed(BOX)
    page.run("box.type('x')")
    page.until(shows(*FIELDS))
    server.hang_up(1008, "the token has expired")
    page.until(
        lambda seen: (
            seen["message"] == "You have no access, or it has expired."
            and seen["options"] == []
            and seen["figures"] == "the token has expired"
        )
    )
    assert heard(page, "problem") == [{"code": "unauthorized", "message": "the token has expired"}]
    page.run("box.token = 'new'")
    page.until(lambda seen: seen["options"] == list(FIELDS) and not seen["status"])


def test_facets_are_buttons_with_counts_and_off_by_default(embed: Embed, server: ScriptedServer) -> None:
    page = embed(BOX)
    assert not page.part("facets").is_displayed()
    page.run("box.facets = ['country', 'year']")
    page.until(lambda seen: seen["facets"] == ["France 2", "Italy 2", "Liechtenstein 1", "2020 2", "2021 2", "2019 1"])
    server.wait_for(lambda server: server.texts == [""])
    groups = page.shadow.find_elements(By.CSS_SELECTOR, "[part=facet-group]")
    assert [(group.aria_role, group.accessible_name) for group in groups] == [("group", "country"), ("group", "year")]
    assert page.part("facets").accessible_name == "Filters"
    assert (button(page, "Italy").aria_role, button(page, "Italy").accessible_name) == ("button", "Italy 2")
    assert page.see()["hints"]


def test_values_of_one_field_are_joined_by_or_and_fields_by_and(embed: Embed, server: ScriptedServer) -> None:
    page = embed(box(facets="country,year", filter='{"country": ["France", "Italy"]}'))
    page.input.click()
    page.press("x")
    page.until(shows("Paris", "Lyon", "Rome", "Turin"))
    button(page, "France").click()
    page.until(shows("Paris", "Lyon"))
    assert page.see()["focused"], "a press takes no focus from the field"
    assert page.see()["facets"][:2] == ["France 2 ✓", "Italy"]
    button(page, "Italy").click()
    page.until(shows("Paris", "Lyon", "Rome", "Turin"))
    button(page, "2020").click()
    page.until(shows("Lyon", "Rome"))
    page_filter = {"country": ["France", "Italy"]}
    chosen = {"country": ["France", "Italy"], "year": [2020]}
    assert server.asked[-1] == {"filter": {"any": [page_filter], **chosen}}
    assert page.run("return [box.filter, box.chosen]") == [page_filter, chosen]
    page.part("facet-clear").click()
    page.until(shows("Paris", "Lyon", "Rome", "Turin"))
    assert server.asked[-1] == {"filter": page_filter}
    assert not page.part("facet-clear").is_displayed()


def test_the_keyboard_reaches_facets_and_the_panel_stays_open(embed: Embed) -> None:
    page = embed(box(facets="country"))
    page.input.click()
    page.press("x")
    page.until(shows(*FIELDS))
    page.press(Keys.TAB, Keys.TAB, Keys.TAB)
    focused = "return box.shadowRoot.activeElement.textContent"
    assert page.run(focused) == "Italy 2"
    page.press(Keys.SPACE)
    page.until(lambda seen: seen["options"] == ["Rome", "Turin"] and "Italy 2 ✓" in seen["facets"])
    assert page.run(focused) == "Italy 2", "the focus stays on the button, which stays in its place"
    assert page.see()["facets"] == ["France", "Italy 2 ✓", "Liechtenstein"]
    page.until(lambda seen: seen["said"] == "2 results")
    assert violations(page.driver) == []
    page.press(Keys.ESCAPE)
    seen = page.see()
    assert (seen["panel"], seen["focused"]) == (False, True)
    page.press(Keys.ARROW_DOWN)
    page.until(shows("Rome", "Turin"))


def test_the_panel_lies_below_the_facets(embed: Embed) -> None:
    page = embed(box(facets="country"))
    page.input.click()
    page.press("x")
    page.until(shows(*FIELDS))
    facets, panel = page.part("facets").rect, page.part("panel").rect
    assert panel["y"] >= facets["y"] + facets["height"]


def test_facets_of_an_empty_text_are_chosen_and_cleared_by_the_keyboard(embed: Embed, server: ScriptedServer) -> None:
    page = embed(box(facets="country, river"))
    page.until(lambda seen: len(seen["facets"]) == 5)
    page.run("arguments[0].focus()", button(page, "France"))
    page.press(Keys.ENTER)
    page.until(lambda seen: seen["facets"] == ["France 2 ✓", "Italy", "Liechtenstein", "Seine 1"])
    assert not page.see()["panel"]
    page.run("arguments[0].focus()", page.part("facet-clear"))
    page.press(Keys.ENTER)
    page.until(lambda seen: "Italy 2" in seen["facets"])
    assert page.see()["focused"], "the button is gone, so the focus goes to the field"
    assert server.asked[-1] == {"filter": None}


def test_a_field_with_more_values_says_so(embed: Embed, server: ScriptedServer) -> None:
    server.library.most = 2
    page = embed(box(facets="country"))
    page.until(lambda seen: seen["facets"] == ["France 2", "Italy 2"])
    assert page.part("facet-more").text == "and more"


def test_a_field_that_no_document_has_shows_nothing(embed: Embed) -> None:
    page = embed(box(facets="town,country"))
    page.until(lambda seen: len(seen["facets"]) == 3)
    groups = page.shadow.find_elements(By.CSS_SELECTOR, "[part=facet-group]")
    assert [group.is_displayed() for group in groups] == [False, True]


def test_enter_after_more_keeps_all_pages(embed: Embed) -> None:
    page = embed(box(results="2"))
    page.input.click()
    page.press("x")
    page.until(shows("Paris", "Lyon"))
    page.press(Keys.ARROW_UP, Keys.ENTER)
    page.until(shows("Paris", "Lyon", "Rome", "Turin"))
    page.press(*[Keys.ARROW_UP] * 3, Keys.ENTER)
    page.until(lambda seen: seen["settled"] == ["Paris", "Lyon", "Rome", "Turin"])
    page.until(lambda _: any(answer["submit"] for answer in heard(page, "hits")))
    seen = page.see()
    assert (seen["settled"], seen["more"]) == (["Paris", "Lyon", "Rome", "Turin"], True)


def test_hostile_values_are_text(embed: Embed, server: ScriptedServer) -> None:
    value = "<img src=x onerror='globalThis.pwned=1'>"
    server.library.fields = {"a": {"tag": value}, "b": {"tag": ""}, "c": {"tag": "x" * 1000}}
    page = embed(box(facets="tag"))
    seen = page.until(lambda seen: len(seen["facets"]) == 3)
    assert seen["facets"][:2] == [f"{value} 1", "– 1"]
    assert len(seen["facets"][2]) < 70
    assert page.run("return globalThis.pwned ?? null") is None


def test_a_page_draws_facets_of_its_own(embed: Embed) -> None:
    page = embed(BOX.replace(" src", " facets=country src").replace("><", "><select slot=facets></select><"))
    page.until(lambda _: heard(page, "typeahead-facets") != [])
    assert heard(page, "typeahead-facets")[0] == {
        "facets": {
            "country": {
                "values": [
                    {"value": "France", "count": 2},
                    {"value": "Italy", "count": 2},
                    {"value": "Liechtenstein", "count": 1},
                ],
                "more": False,
            }
        },
        "over": "filter",
        "chosen": {},
    }
    assert page.see()["facets"] == []
    page.input.click()
    page.press("x")
    page.until(shows(*FIELDS))
    page.run("document.querySelector('select').focus()")
    assert page.see()["panel"], "the panel stays open while the page's own facets have the focus"
    page.run("box.chosen = { country: ['Italy'], year: [2020] }")
    page.until(shows("Rome", "Turin"))
    assert page.run("return box.chosen") == {"country": ["Italy"]}


def test_words_of_facets_are_the_pages(embed: Embed) -> None:
    page = embed(box(facets="year"))
    page.until(lambda seen: len(seen["facets"]) == 3)
    page.run("""box.messages = {
      facets: "Filter", facet: (field) => field.toUpperCase(), facetValue: (value, field) => `${field} ${value}`,
    }""")
    assert page.see()["facets"][0] == "year 2020 2"
    assert (page.part("facet-group").accessible_name, page.part("facets").accessible_name) == ("YEAR", "Filter")


def test_the_last_row_brings_more_and_the_choice_goes_on_from_there(embed: Embed, server: ScriptedServer) -> None:
    page = embed(box(results="2"))
    page.input.click()
    page.press("x")
    assert page.until(shows("Paris", "Lyon"))["more"]
    page.press(*[Keys.ARROW_DOWN] * 3)
    assert page.see()["active"] == "More results"
    assert violations(page.driver) == []
    page.press(Keys.ENTER)
    page.until(shows("Paris", "Lyon", "Rome", "Turin"))
    assert server.asked[-1] == {"offset": 2}
    assert page.see()["active"] == "Rome"
    page.until(lambda seen: seen["said"] == "4 results")
    page.press(*[Keys.ARROW_DOWN] * 2, Keys.ENTER)
    seen = page.until(shows(*FIELDS))
    assert (seen["active"], seen["more"], seen["expanded"]) == ("Vaduz", False, "true")


def test_more_keeps_the_rows_and_the_place_under_the_mouse(embed: Embed) -> None:
    page = embed(box(results="2"))
    page.input.click()
    page.press("x")
    page.until(shows("Paris", "Lyon"))
    rows = "[...box.shadowRoot.querySelectorAll('[part=row]')]"
    page.run(f"{rows}.forEach((row) => {{ row.kept = true; }})")
    more = page.shadow.find_element(By.CSS_SELECTOR, "[part~=more-row]")
    ActionChains(page.driver, duration=0).move_to_element(more).click().perform()
    page.until(shows("Paris", "Lyon", "Rome", "Turin"))
    assert page.run(f"return {rows}.map((row) => row.kept === true)") == [True, True, False, False]
    assert page.see()["focused"]


def test_more_results_in_the_page_take_the_focus_along(embed: Embed, server: ScriptedServer) -> None:
    server.find = lambda _: [document(city, "", f"{server.url}landing/{city}") for city in FIELDS]
    page = embed(box(results="2"))
    page.run("box.type('x')")
    page.press(Keys.ENTER)
    page.until(lambda seen: seen["settled"] == ["Paris", "Lyon"])
    assert violations(page.driver) == []
    title = "return box.shadowRoot.activeElement.querySelector('[part=title]')?.textContent"
    for shown, focused in ((4, "Rome"), (5, "Vaduz")):
        page.run("arguments[0].focus()", page.part("more"))
        page.press(Keys.ENTER)
        page.until(lambda seen, shown=shown: seen["settled"] == list(FIELDS)[:shown])  # type: ignore[misc]
        assert page.run(title) == focused
    assert not page.see()["more"]


def test_more_ends_where_exactly_all_were_shown(embed: Embed) -> None:
    page = embed(box(results="5"))
    page.input.click()
    page.press("x")
    page.until(lambda seen: seen["options"] == list(FIELDS) and seen["more"])
    page.press(Keys.ARROW_UP, Keys.ENTER)
    page.until(lambda seen: not seen["more"] and seen["active"] == "Vaduz")


def test_documents_that_changed_between_two_pages_are_shown_from_the_first(
    embed: Embed, server: ScriptedServer
) -> None:
    page = embed(box(results="2"))
    page.input.click()
    page.press("x")
    page.until(shows("Paris", "Lyon"))
    server.library.version = "2"
    server.find = lambda _: [document(name) for name in ("Oslo", "Paris", "Lyon")]
    page.press(Keys.ARROW_UP, Keys.ENTER)
    server.wait_for(lambda server: len(server.keys) == 3)
    page.press(*[Keys.ARROW_UP] * 3)
    page.until(shows("Oslo", "Paris"))


def test_the_name_of_the_index_is_in_the_address_and_its_hits_name_theirs(embed: Embed, server: ScriptedServer) -> None:
    server.find = lambda _: [document("Paris") | {"index": index} for index in ("wiki", "shop")]
    page = embed(
        '<typeahead-search index="wiki,shop" src="/v1/type"><template slot="result"><b data-hit="title" part="title">'
        '</b><i data-hit="index" part="of"></i></template></typeahead-search>'
    )
    assert server.addresses == ["/v1/type?index=wiki%2Cshop"]
    page.run("box.type('x')")
    page.until(lambda seen: len(seen["options"]) == 2)
    assert [of.text for of in page.shadow.find_elements(By.CSS_SELECTOR, "[part=of]")] == ["wiki", "shop"]
    assert page.run("return box.hits.map(({ index }) => index)") == ["wiki", "shop"]
    page.run("box.index = 'news'")
    server.wait_for(lambda server: server.addresses[-1] == "/v1/type?index=news")


def test_another_index_forgets_the_chosen_values(embed: Embed, server: ScriptedServer) -> None:
    page = embed(box(facets="country"))
    page.until(lambda seen: len(seen["facets"]) == 3)
    page.run("box.chosen = { country: ['Italy'] }")
    page.until(lambda seen: "Italy 2 ✓" in seen["facets"])
    page.run("box.index = 'news'")
    page.until(lambda seen: seen["facets"] == ["France 2", "Italy 2", "Liechtenstein 1"])
    assert server.asked[-1] == {"facets": ["country"]}
