"""The element as frameworks use it: false as a text, a controlled value, events of a field, templates of nodes."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.conftest import BOX, Embed
from tests.web.scripted import ScriptedServer
from tests.web.test_embedding import KEEP_REQUESTS

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("value", ["false", "0", "off", " FALSE "])
def test_what_a_framework_writes_for_false_is_off(value: str, embed: Embed, server: ScriptedServer) -> None:
    attributes = " ".join(f"{name}='{value}'" for name in ("recent", "hotkeys", "events", "figures"))
    server.events = "texts"
    page = embed(BOX.replace(" src", f" {attributes} src"))
    page.run(KEEP_REQUESTS)
    page.run("localStorage.clear()")
    page.press("/")
    assert not page.see()["focused"]
    page.input.click()
    page.press("json", Keys.ENTER)
    server.wait_for(lambda server: server.keys[-1].kind == "submit")
    assert page.run("return [localStorage.length, posted]") == [0, []]
    assert not page.see()["status"]


def test_the_same_holds_for_properties(embed: Embed) -> None:
    page = embed(BOX)
    page.run("Object.assign(box, { recent: false, hotkeys: false, events: false, http: false, figures: 'false' })")
    attributes = "['recent', 'hotkeys', 'events', 'http', 'figures'].map((name) => box.getAttribute(name))"
    assert page.run(f"return {attributes}") == ["off", "off", "off", "off", None]
    page.run("Object.assign(box, { recent: true, hotkeys: true, events: true, http: true, label: false })")
    assert page.run(f"return [...{attributes}, box.getAttribute('label')]") == ["", "", "", "", None, None]


def test_a_page_that_sets_the_value_to_what_was_typed_changes_nothing(embed: Embed, server: ScriptedServer) -> None:
    """A controlled field, as React has it."""
    page = embed(BOX)
    page.run("box.addEventListener('input', () => { box.value = box.value; })")
    page.input.click()
    options = page.type_and_see("path")["options"]
    assert options != []
    assert page.see()["panel"]
    assert server.texts == ["p", "pa", "pat", "path"]


def test_a_page_hears_of_each_change_of_the_text_and_of_its_end(embed: Embed) -> None:
    page = embed(f"<div id=around>{BOX.replace(' src', ' recent src')}</div><button id=after>After</button>")
    page.run("""
      globalThis.told = [];
      localStorage.clear();
      for (const name of ["input", "change"]) around.addEventListener(name, () => told.push(`${name} ${box.value}`));
    """)
    page.input.click()
    page.press("jo")
    assert page.run("return told") == ["input j", "input jo"]
    page.press(Keys.ESCAPE, Keys.ESCAPE)
    assert page.run("return told.splice(0)")[2:] == ["input "]
    page.press("path")
    page.part("clear").click()
    assert page.run("return told.splice(0).at(-1)") == "input "
    page.press("jo", Keys.ENTER)
    assert page.run("return told.splice(0).slice(-2)") == ["input jo", "change jo"]
    page.run("box.value = 'json'")
    assert page.run("return told") == [], "a page knows what it sets"
    page.run("document.getElementById('after').focus()")
    assert page.run("return told") == []
    page.input.click()
    page.press(Keys.END, "x")
    page.run("document.getElementById('after').focus()")
    assert page.run("return told.splice(0)") == ["input jsonx", "change jsonx"]
    page.run("box.type('')")
    assert page.run("return told.splice(0)") == ["input "]
    page.input.click()
    page.press(Keys.ARROW_DOWN, Keys.ENTER)
    assert page.run("return told.at(-1)") == "input jo", "a recent search"


def test_rows_are_made_of_a_template_whose_children_a_framework_made(embed: Embed) -> None:
    page = embed(BOX)
    page.run("""
      const template = document.createElement("template");
      template.slot = "result";
      const title = document.createElement("em");
      title.dataset.hit = "title";
      template.append("Found: ", title);
      box.append(template);
    """)
    page.input.click()
    page.press("json")
    page.until(lambda seen: seen["panel"])
    assert page.part("row").text.split() == ["Found:", "json.loads"]
