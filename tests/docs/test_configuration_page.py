"""``docs/configuration.md`` against the settings: defaults, and the settings on their way out."""

from __future__ import annotations

import re

from tests.conftest import ROOT
from typeahead.commands.serve import all_settings

PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
SETTINGS = {each.name: each for each in all_settings()}


def _rows(heading: str) -> list[list[str]]:
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


def test_the_defaults_of_a_search_are_those_of_the_settings() -> None:
    for name, stated, _ in _rows("What a key is searched by"):
        default = SETTINGS[name.strip("`")].default
        if default is not None:
            assert stated.strip('`"') == str(default).lower().strip('"'), name


def test_all_settings_on_their_way_out_are_named() -> None:
    named = {name for row in _rows("Settings that go in 0.3.0") for name in re.findall(r"`(\w+)", row[0])}
    assert named == {name for name, each in SETTINGS.items() if each.about.instead}
