"""Values of settings as they are written: in flags and environment variables as text, in files as TOML."""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from typeahead.settings.declaring import Declared

_WORDS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
_LONGEST_SHOWN: Final = 60


class BadValue(ValueError):
    """A value of the wrong type. The message follows a setting's name: ``is 'x': it must be a whole number``."""


def parse(declared: Declared, text: str) -> Any:
    """Read one value from text: a flag's, or an item of a list. Raises :class:`BadValue`."""
    if declared.scalar is bool:
        if text.strip().lower() not in _WORDS:
            raise _bad(declared, text)
        return _WORDS[text.strip().lower()]
    if declared.scalar in (int, float):
        try:
            return declared.scalar(text)
        except ValueError:
            raise _bad(declared, text) from None
    return accept_one(declared, text)


def parse_variable(declared: Declared, text: str) -> Any:
    """Read an environment variable. A list's items are separated by commas. Raises :class:`BadValue`."""
    if declared.about.given_by == "environment":
        return text
    if declared.many:
        return tuple(parse(declared, part) for part in map(str.strip, text.split(",")) if part)
    return parse(declared, text)


def accept(declared: Declared, value: Any) -> Any:
    """Take a value as a TOML or JSON file holds it. Raises :class:`BadValue` for one of the wrong type."""
    if not declared.many:
        return accept_one(declared, value)
    if declared.about.names == "index" and isinstance(value, str):
        # Once there could be only one.
        return (accept_one(declared, value),)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _bad(declared, value)
    return tuple(value)


def accept_one(declared: Declared, value: Any) -> Any:
    """Take a value that is not a list. Raises :class:`BadValue`."""
    if declared.scalar is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise _bad(declared, value) from None
    if declared.scalar in (bool, int, float):
        if type(value) is not declared.scalar:
            raise _bad(declared, value)
        return value
    if not isinstance(value, str):
        raise _bad(declared, value)
    if "\0" in value:
        raise BadValue("holds a null character, which no path or name can have")
    if not value:
        raise BadValue("is empty: give a value, or leave it out")
    if declared.choices and value not in declared.choices:
        raise _bad(declared, value)
    return Path(value) if declared.scalar is Path else value


def wanted(declared: Declared) -> str:
    """What a value has to be, in words."""
    if declared.many:
        return "a list of strings"
    if declared.choices:
        return f"one of {', '.join(declared.choices)}"
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(declared.scalar, "a string")


def did_you_mean(name: str, names: list[str]) -> str:
    """A hint at the closest of ``names``, to end a message with; empty where none is close."""
    close = get_close_matches(name, names, n=1)
    return f": did you mean {close[0]}?" if close else ""


def shown(value: Any) -> str:
    """A value of a file in one short line, for messages."""
    if isinstance(value, dict):
        return "a table"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def _bad(declared: Declared, value: Any) -> BadValue:
    hint = ""
    if declared.choices and isinstance(value, str):
        hint = did_you_mean(value, list(declared.choices))
    return BadValue(f"is {shown(value)}: it must be {wanted(declared)}{hint}")
