"""Typing in the real page: results before Enter, edits of every kind, replies late and out of order."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.conftest import Page, document
from tests.web.scripted import ScriptedServer

pytestmark = pytest.mark.browser


def test_results_stand_before_enter_and_say_how_long_they_took(page: Page, server: ScriptedServer) -> None:
    page.press("path")
    seen = page.until(lambda seen: "os.path.join" in seen["options"] and "from key to result" in seen["figures"])
    assert "submit" not in {key.kind for key in server.keys}
    assert seen["expanded"] == "true"
    assert not seen["hints"]
    assert seen["active"] is None


def test_every_key_is_sent_at_once(page: Page, server: ScriptedServer) -> None:
    page.press("join")
    server.wait_for(lambda server: server.texts == ["j", "jo", "joi", "join"])


def test_words_of_the_query_are_marked(page: Page) -> None:
    page.press("PATH jo")
    page.until(lambda seen: {"path", "jo"} <= set(seen["marks"]))


def test_the_text_on_the_server_is_the_text_in_the_field_after_edits_of_all_kinds(
    page: Page, server: ScriptedServer
) -> None:
    page.press("how to read a file line by line")
    page.press(Keys.HOME, "q🥚 ", Keys.ARROW_LEFT, Keys.BACKSPACE, Keys.DELETE, Keys.DELETE)
    page.press(Keys.END, *[Keys.ARROW_LEFT] * 5, "한글 ")
    page.chord(Keys.CONTROL, "z")
    page.chord(Keys.CONTROL, "a")
    page.chord(Keys.CONTROL, "x")
    page.press("before ")
    page.chord(Keys.CONTROL, "v")
    page.chord(Keys.CONTROL, "v")
    value = page.see()["value"]
    assert "line by" in value
    server.wait_for(lambda server: server.texts[-1] == value)


def test_text_that_is_replaced_or_dropped_is_sent_as_the_field_has_it(page: Page, server: ScriptedServer) -> None:
    page.press("read a fiel line")
    page.run(
        """
        // What a spelling checker does: it selects the word and replaces it.
        arguments[0].setSelectionRange(7, 11);
        document.execCommand("insertText", false, "file");
        """,
        page.input,
    )
    server.wait_for(lambda server: server.texts[-1] == "read a file line")
    field = page.input.rect
    where = {"x": field["x"] + field["width"] - 5, "y": field["y"] + field["height"] / 2}
    data = {"items": [{"mimeType": "text/plain", "data": " by line"}], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        page.devtools("Input.dispatchDragEvent", type=kind, data=data, **where)
    server.wait_for(lambda server: server.texts[-1] == "read a file line by line")


def test_half_a_surrogate_pair_in_the_field_does_no_harm(page: Page, server: ScriptedServer) -> None:
    page.press("path ")
    page.run("const i = arguments[0]; i.value += '\\ud83e'; i.dispatchEvent(new InputEvent('input'))", page.input)
    server.wait_for(lambda server: server.texts[-1] == "path \ufffd")
    page.run("const i = arguments[0]; i.value += '\\udd5a'; i.dispatchEvent(new InputEvent('input'))", page.input)
    server.wait_for(lambda server: server.texts[-1] == "path 🥚")


def test_a_text_beyond_the_limit_is_explained_and_shortening_it_goes_on(page: Page, server: ScriptedServer) -> None:
    page.type_and_see("path")
    page.run("arguments[0].value = 'x'.repeat(1e6)", page.input)
    page.press("y")
    seen = page.until(lambda seen: "at most 512" in seen["figures"])
    assert seen["options"][0] == "os.path.join"
    page.chord(Keys.CONTROL, "a")
    page.type_and_see("json")
    assert max(map(len, server.texts)) <= 512


def test_old_results_stand_until_new_ones_do(page: Page, server: ScriptedServer) -> None:
    before = page.type_and_see("join")["options"]
    server.hold = True
    page.chord(Keys.CONTROL, "a")
    page.press("json")
    server.wait_for(lambda server: server.texts[-1] == "json")
    assert page.see()["options"] == before
    server.release()
    page.until_shown(server.find("json"))


def test_a_sign_of_waiting_comes_after_a_quarter_of_a_second_and_goes_with_the_answer(
    page: Page, server: ScriptedServer
) -> None:
    page.run("""
      const { setTimeout } = window;
      globalThis.late = [];
      window.setTimeout = (callback, ms) => ms === 250 ? late.push(callback) : setTimeout(callback, ms);
    """)
    server.hold = True
    page.press("json")
    server.wait_for(lambda server: server.texts[-1:] == ["json"])
    assert not page.see()["waiting"]
    page.run("late.at(-1)()")
    assert page.see()["waiting"]
    server.release()
    assert not page.until(lambda seen: seen["options"] != [] and not seen["waiting"])["waiting"]


def test_a_late_answer_never_replaces_a_newer_one(page: Page, server: ScriptedServer) -> None:
    server.hold = True
    server.find = lambda text: [document(f"found for {text}")]
    page.press("abc")
    server.wait_for(lambda server: server.texts == ["a", "ab", "abc"])
    server.release(2)
    page.until(lambda seen: seen["options"] == ["found for ab"])
    page.run("""
      globalThis.titles = [];
      const options = document.querySelector("typeahead-search").shadowRoot.querySelector("[part=options]");
      new MutationObserver(() => titles.push(options.querySelector("[part=title]").textContent))
        .observe(options, {childList: true, subtree: true, characterData: true});
    """)
    server.release(1)
    server.release(3)
    page.until(lambda seen: seen["options"] == ["found for abc"])
    assert "found for a" not in page.run("return titles")


def test_answers_after_the_field_was_emptied_show_nothing(page: Page, server: ScriptedServer) -> None:
    page.type_and_see("join")
    server.hold = True
    page.press("x", *[Keys.BACKSPACE] * 5)
    server.wait_for(lambda server: server.texts[-1] == "")
    assert page.see()["hints"]
    server.release()
    page.round_trip()
    seen = page.see()
    assert (seen["options"], seen["expanded"], seen["hints"], seen["figures"]) == ([], "false", True, "")


def test_a_row_that_stays_is_the_same_element(page: Page) -> None:
    page.type_and_see("pa")
    rows = "[...document.querySelector('typeahead-search').shadowRoot.querySelectorAll('[part=row]')]"
    page.run(f"{rows}.forEach((row) => {{ row.kept = true; }})")
    page.type_and_see("t")
    assert page.run(f"return {rows}.map((row) => row.kept === true)").count(True) >= 3


def test_nothing_found_says_so_and_shows_no_empty_panel(page: Page) -> None:
    page.press("zzzz")
    seen = page.until(lambda seen: seen["message"] == "Nothing found for “zzzz”.")
    assert (seen["panel"], seen["expanded"]) == (False, "false")


def test_a_server_without_documents_is_named_as_the_reason(page: Page, server: ScriptedServer) -> None:
    server.documents = None
    server.find = lambda _: []
    page.open()
    page.press("path")
    page.until(lambda seen: seen["message"] == "This server has no documents to search.")


def test_an_example_types_itself(page: Page, server: ScriptedServer) -> None:
    page.run("document.querySelector('#examples button').click()")
    page.until(
        lambda seen: seen["value"] == "read a file line by line" and seen["focused"] and len(seen["options"]) > 2
    )
    assert [key.kind for key in server.keys] == ["text"]


def test_the_number_of_results_is_told_to_screen_readers_after_a_pause(page: Page) -> None:
    page.type_and_see("json")
    page.until(lambda seen: seen["said"] == "1 result")


def test_the_number_of_documents_stands_in_the_status_line(page: Page) -> None:
    page.until(lambda seen: seen["connection"] == "Connected · 39,000 documents")


def test_poor_results_stand_apart_until_better_ones_come(page: Page, server: ScriptedServer) -> None:
    server.weak = True
    page.press("path")
    seen = page.until(lambda seen: seen["weak"] is not None and seen["said"] != "")
    assert seen["weak"] == "No good match. Closest results:"
    assert seen["said"].startswith("No good match. Closest results: ")
    assert seen["dimmed"] == len(seen["options"]) > 0
    assert (seen["active"], seen["selected"]) == (None, [])
    page.press(Keys.ENTER)
    page.until(lambda seen: seen["settled"] != [] and seen["weak"] is not None)
    server.weak = False
    page.press(" jo")
    page.until(lambda seen: seen["options"] != [] and seen["weak"] is None)
    page.press(Keys.ENTER)
    page.until(lambda seen: seen["settled"] != [] and seen["weak"] is None and seen["dimmed"] == 0)


def test_a_row_says_how_many_copies_it_stands_for(page: Page, server: ScriptedServer) -> None:
    server.find = lambda text: [document(text) | {"copies": 3}, document("other")]
    page.press("p")
    assert page.until(lambda seen: seen["options"] == ["p", "other"])["copies"] == ["3 copies"]
