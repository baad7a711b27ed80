"""Keyboard, mouse and input methods in the real page, by the ARIA combobox pattern."""

from __future__ import annotations

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.web.conftest import Page, document
from tests.web.scripted import ScriptedServer

pytestmark = pytest.mark.browser


def compose(page: Page, text: str) -> None:
    """What an input method does while it composes."""
    page.devtools("Input.imeSetComposition", text=text, selectionStart=len(text), selectionEnd=len(text))


def press_while_composing(page: Page, key: str, code: int) -> None:
    """A key that the input method takes; the browser flags it as part of the composition."""
    for kind in ("rawKeyDown", "keyUp"):
        page.devtools("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)


def test_the_field_is_a_combobox_over_the_list(page: Page) -> None:
    page.type_and_see("path")
    attributes = page.run(
        "return Object.fromEntries([...arguments[0].attributes].map((a) => [a.name, a.value]))", page.input
    )
    listbox = page.shadow.find_element(By.ID, attributes["aria-controls"])
    assert (attributes["role"], attributes["aria-autocomplete"]) == ("combobox", "list")
    assert listbox.aria_role == "listbox"
    rows = listbox.find_elements(By.CSS_SELECTOR, "[part~=row]")
    assert {row.aria_role for row in rows} == {"option"}
    assert rows[0].accessible_name.startswith("os.path.join")
    assert page.input.accessible_name == "Search"


def test_arrows_go_round_the_options_and_the_field_keeps_focus_and_caret(page: Page) -> None:
    options = page.type_and_see("path")["options"]
    walked = []
    for _ in range(len(options) + 1):
        page.press(Keys.ARROW_DOWN)
        walked.append(page.see()["active"])
    assert [*options, None] == walked
    page.press(Keys.ARROW_UP)
    seen = page.see()
    assert (seen["active"], seen["selected"], seen["focused"]) == (options[-1], [options[-1]], True)
    page.press(Keys.HOME)
    assert page.run("return arguments[0].selectionStart", page.input) == 0


def test_enter_opens_the_active_result(page: Page, server: ScriptedServer) -> None:
    options = page.type_and_see("path")["options"]
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    page.until_at(f"{server.url}landing/{options[1]}")
    assert "submit" not in {key.kind for key in server.keys}


def test_control_enter_opens_the_active_result_in_a_new_tab(page: Page, server: ScriptedServer) -> None:
    options = page.type_and_see("path")["options"]
    page.press(Keys.ARROW_DOWN)
    here = page.driver.current_window_handle
    page.chord(Keys.CONTROL, Keys.ENTER)
    page.until(lambda _: len(page.driver.window_handles) == 2)
    page.driver.switch_to.window(next(tab for tab in page.driver.window_handles if tab != here))
    page.until_at(f"{server.url}landing/{options[0]}")
    page.driver.close()
    page.driver.switch_to.window(here)
    assert page.see()["options"] == options


def test_a_click_opens_a_result_before_the_panel_closes(page: Page, server: ScriptedServer) -> None:
    options = page.type_and_see("path")["options"]
    page.part("row").click()
    page.until_at(f"{server.url}landing/{options[0]}")


def test_enter_submits_and_the_results_become_links_of_the_page(page: Page, server: ScriptedServer) -> None:
    options = page.type_and_see("path")["options"]
    page.press(Keys.ENTER)
    seen = page.until(lambda seen: "ready at Enter" in seen["figures"])
    assert (seen["panel"], seen["expanded"], seen["settled"]) == (False, "false", options)
    assert [key.text for key in server.keys if key.kind == "submit"] == ["path"]
    page.press(Keys.TAB, Keys.TAB)
    assert (
        page.run("return document.activeElement.shadowRoot.activeElement.href") == f"{server.url}landing/{options[0]}"
    )


def test_the_share_of_submits_that_were_ready_is_counted(page: Page, server: ScriptedServer) -> None:
    page.type_and_see("path")
    page.press(Keys.ENTER)
    page.until(lambda seen: "ready at Enter" in seen["figures"])
    server.ready = False
    page.type_and_see(" join")
    page.press(Keys.ENTER)
    page.until(lambda seen: "after Enter (1 of 2)" in seen["figures"])


def test_an_enter_before_the_results_shows_them_when_they_come(page: Page, server: ScriptedServer) -> None:
    server.hold = True
    page.press("json", Keys.ENTER)
    server.wait_for(lambda server: server.keys[-1:] != [] and server.keys[-1].kind == "submit")
    assert page.see()["settled"] == []
    server.release()
    seen = page.until(lambda seen: seen["settled"] == ["json.loads"])
    assert seen["expanded"] == "false"


def test_typing_after_a_submit_opens_the_panel_again(page: Page) -> None:
    page.type_and_see("path")
    page.press(Keys.ENTER)
    page.until(lambda seen: seen["settled"] != [])
    assert page.type_and_see(" j")["settled"] == []


def test_escape_closes_then_clears(page: Page) -> None:
    page.type_and_see("path")
    page.press(Keys.ESCAPE)
    seen = page.see()
    assert (seen["panel"], seen["expanded"], seen["value"]) == (False, "false", "path")
    page.press(Keys.ESCAPE)
    seen = page.see()
    assert (seen["value"], seen["hints"]) == ("", True)


def test_an_escape_that_has_nothing_to_do_is_left_to_the_page(page: Page) -> None:
    page.run("left = 0; addEventListener('keydown', (e) => { left += e.key === 'Escape' && !e.defaultPrevented })")
    page.type_and_see("path")
    page.press(Keys.ESCAPE, Keys.ESCAPE)
    assert page.run("return left") == 0
    page.press(Keys.ESCAPE)
    assert page.run("return left") == 1


def test_alt_and_the_arrows_open_and_close_without_choosing(page: Page) -> None:
    page.type_and_see("path")
    page.chord(Keys.ALT, Keys.ARROW_UP)
    assert not page.see()["panel"]
    page.chord(Keys.ALT, Keys.ARROW_DOWN)
    seen = page.see()
    assert (seen["panel"], seen["active"]) == (True, None)


def test_shift_and_the_arrows_are_left_to_the_text(page: Page) -> None:
    page.type_and_see("path")
    page.chord(Keys.SHIFT, Keys.ARROW_UP)
    assert page.see()["active"] is None
    assert page.run("return arguments[0].selectionEnd - arguments[0].selectionStart", page.input) == 4


def test_arrow_down_opens_a_closed_panel(page: Page) -> None:
    options = page.type_and_see("path")["options"]
    page.press(Keys.ESCAPE, Keys.ARROW_DOWN)
    seen = page.see()
    assert (seen["options"], seen["active"]) == (options, options[0])


@pytest.mark.parametrize("way", ["escape", "blur", "submit"])
def test_no_answer_reopens_a_panel_that_was_closed(page: Page, server: ScriptedServer, way: str) -> None:
    page.type_and_see("path")
    server.hold = True
    page.press(" j")
    server.wait_for(lambda server: server.texts[-1] == "path j")
    if way == "escape":
        page.press(Keys.ESCAPE)
    elif way == "blur":
        page.driver.find_element(By.TAG_NAME, "h1").click()
    else:
        page.press(Keys.ENTER)
        server.wait_for(lambda server: server.keys[-1].kind == "submit")
    server.release()
    page.round_trip()
    seen = page.see()
    assert (seen["panel"], seen["expanded"], seen["options"]) == (False, "false", [])
    server.hold = False
    if way == "blur":
        page.input.click()
        assert not page.see()["panel"]
    page.type_and_see("oi")


def test_the_order_is_frozen_under_the_active_option_until_typing_goes_on(page: Page, server: ScriptedServer) -> None:
    server.find = lambda text: [document(f"{place} {text}") for place in ("first", "second")]
    page.type_and_see("a")
    server.hold = True
    page.press("b")
    server.wait_for(lambda server: server.texts[-1] == "ab")
    page.press(Keys.ARROW_DOWN)
    server.release()
    page.round_trip()
    seen = page.see()
    assert (seen["options"], seen["active"]) == (["first a", "second a"], "first a")
    server.hold = False
    page.type_and_see("c")


def test_an_answer_that_was_held_is_shown_when_the_arrows_are_back_at_the_field(
    page: Page, server: ScriptedServer
) -> None:
    server.find = lambda text: [document(f"{place} {text}") for place in ("first", "second")]
    page.type_and_see("a")
    server.hold = True
    page.press("b")
    server.wait_for(lambda server: server.texts[-1] == "ab")
    page.press(Keys.ARROW_DOWN)
    server.release()
    page.round_trip()
    page.press(Keys.ARROW_UP)
    seen = page.see()
    assert (seen["options"], seen["active"]) == (["first ab", "second ab"], None)


def test_the_order_is_frozen_under_the_pointer_until_it_leaves(page: Page, server: ScriptedServer) -> None:
    server.find = lambda text: [document(f"{place} {text}") for place in ("first", "second")]
    page.type_and_see("a")
    server.hold = True
    page.press("b")
    server.wait_for(lambda server: server.texts[-1] == "ab")
    row = page.part("row")
    ActionChains(page.driver, duration=10).move_to_element(row).move_by_offset(3, 0).perform()
    server.release()
    page.round_trip()
    assert page.see()["options"] == ["first a", "second a"]
    ActionChains(page.driver, duration=10).move_to_element(page.driver.find_element(By.TAG_NAME, "h1")).perform()
    page.until(lambda seen: seen["options"] == ["first ab", "second ab"])


def test_a_pointer_that_only_rests_there_does_not_stop_the_results(page: Page) -> None:
    page.type_and_see("pa")
    row = page.part("row")
    ActionChains(page.driver, duration=10).move_to_element(row).move_by_offset(3, 0).perform()
    page.type_and_see("th jo")


def test_what_is_being_composed_is_searched(page: Page, server: ScriptedServer) -> None:
    compose(page, "と")
    compose(page, "とう")
    server.wait_for(lambda server: server.texts == ["と", "とう"])
    page.devtools("Input.insertText", text="東京")
    page.until(lambda seen: seen["options"] == ["café.naïve"] or seen["value"] == "東京")
    server.wait_for(lambda server: server.texts[-1] == "東京")


def test_the_enter_that_ends_a_composition_does_not_submit(page: Page, server: ScriptedServer) -> None:
    compose(page, "ni hao")
    press_while_composing(page, "Enter", 13)
    press_while_composing(page, "Enter", 229)
    page.devtools("Input.insertText", text="你好")
    page.press(" x")
    server.wait_for(lambda server: server.texts[-1] == "你好 x")
    assert "submit" not in {key.kind for key in server.keys}
    page.press(Keys.ENTER)
    server.wait_for(lambda server: server.keys[-1].kind == "submit")


def test_letters_on_their_way_to_other_scripts_are_not_searched(page: Page, server: ScriptedServer) -> None:
    for letters, text in (("ni", "你"), ("hao", "好")):
        compose(page, letters)
        page.devtools("Input.insertText", text=text)
    server.wait_for(lambda server: server.texts[-1] == "你好")
    # Where Latin goes is known once a composition has ended.
    assert "你hao" not in server.texts


def test_what_a_phones_keyboard_composes_in_latin_is_searched_letter_by_letter(
    page: Page, server: ScriptedServer
) -> None:
    for text in ("p", "pa", "pat", "path"):
        compose(page, text)
    page.until_shown(server.find("path"))
    page.devtools("Input.insertText", text="paths ")
    compose(page, "jo")
    server.wait_for(lambda server: server.texts == ["p", "pa", "pat", "path", "paths ", "paths jo"])


def test_keys_of_a_composition_move_and_close_nothing(page: Page) -> None:
    page.type_and_see("path ")
    compose(page, "jo")
    page.until(lambda seen: seen["options"][:1] == ["os.path.join"] and seen["marks"].count("jo") > 0)
    press_while_composing(page, "ArrowDown", 40)
    press_while_composing(page, "Escape", 27)
    seen = page.see()
    assert (seen["active"], seen["panel"]) == (None, True)


def test_a_tap_opens_a_result(page: Page, server: ScriptedServer) -> None:
    page.devtools("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        options = page.type_and_see("path")["options"]
        row = page.part("row").rect
        point = {"x": row["x"] + row["width"] / 2, "y": row["y"] + row["height"] / 2}
        page.devtools("Input.dispatchTouchEvent", type="touchStart", touchPoints=[point])
        page.devtools("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        page.until_at(f"{server.url}landing/{options[0]}")
    finally:
        page.devtools("Emulation.setTouchEmulationEnabled", enabled=False)


def test_the_clear_button_empties_the_field_and_gives_it_the_focus(page: Page) -> None:
    page.type_and_see("path")
    page.part("clear").click()
    seen = page.see()
    assert (seen["value"], seen["focused"], seen["hints"], seen["panel"]) == ("", True, True, False)


def test_putting_a_phones_keyboard_away_leaves_the_results_in_the_page(page: Page) -> None:
    page.devtools("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    page.devtools("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        options = page.type_and_see("path")["options"]
        page.run("arguments[0].blur()", page.input)
        seen = page.see()
        assert (seen["panel"], seen["expanded"], seen["settled"]) == (False, "false", options)
    finally:
        page.devtools("Emulation.setTouchEmulationEnabled", enabled=False)
        page.devtools("Emulation.clearDeviceMetricsOverride")
