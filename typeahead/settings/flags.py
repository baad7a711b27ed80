"""Command-line flags of settings."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any

from typeahead.settings.declaring import Declared, Group
from typeahead.settings.values import BadValue, parse


def add_flags(parser: argparse.ArgumentParser, settings: Iterable[Declared]) -> None:
    """Add a flag for each setting, in groups. A flag that is not given leaves no attribute in the namespace."""
    groups: dict[Group, Any] = {}
    for declared in settings:
        about = declared.about
        if about.given_by != "all":
            continue
        if about.group not in groups:
            groups[about.group] = parser.add_argument_group(about.group.title, about.group.about or None)
        groups[about.group].add_argument(
            declared.flag, dest=declared.name, default=argparse.SUPPRESS, help=_help(declared), **_shape(declared)
        )


def given(options: argparse.Namespace, settings: Iterable[Declared]) -> dict[str, Any]:
    """Values of the flags that were given, by the names of their settings."""
    values = {each.name: getattr(options, each.name) for each in settings if hasattr(options, each.name)}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _shape(declared: Declared) -> dict[str, Any]:
    if declared.scalar is bool:
        return {"action": argparse.BooleanOptionalAction}
    shape: dict[str, Any] = {"type": _reader(declared)}
    if declared.choices:
        shape["metavar"] = "{" + ",".join(declared.choices) + "}"
    else:
        shape["metavar"] = declared.about.metavar or {int: "N", float: "X"}.get(declared.scalar, "TEXT")
    if declared.many:
        shape["action"] = "append"
    return shape


def _reader(declared: Declared) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return parse(declared, text)
        except BadValue as error:
            raise argparse.ArgumentTypeError(f"the value {error}") from None

    return read


def _help(declared: Declared) -> str:
    if declared.about.instead:
        return argparse.SUPPRESS
    parts = [declared.about.help]
    if declared.many:
        parts.append("May be given more than once.")
    if isinstance(declared.default, bool):
        parts.append(f"(default: {'on' if declared.default else 'off'})")
    elif declared.default not in (None, ()):
        parts.append(f"(default: {declared.default})")
    return " ".join(parts).replace("%", "%%")
