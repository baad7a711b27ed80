"""Settings written as the TOML of a configuration file, with help and sources as comments."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any, Final

from typeahead.settings.declaring import ConfigError, Declared
from typeahead.settings.sources import Rank, Settings, Source

_WIDTH: Final = 100


def as_toml(settings: Settings, *, header: str) -> str:
    """All settings as a configuration file that gives the same values when it is read.

    Relative paths are written as absolute ones, since the file may be put anywhere. Secrets are left out, with a
    comment that says whether they are set. Raises :class:`ConfigError` for a text that TOML cannot hold.
    """
    lines = _comment(header)
    shown = [
        declared
        for declared in settings.declared
        if declared.about.given_by != "code" and not (declared.about.instead and settings.is_default(declared.name))
    ]
    for group in dict.fromkeys(declared.about.group for declared in shown):
        lines += ["", f"# ==== {group.title} ===="]
        for declared in shown:
            if declared.about.group == group:
                lines += ["", *_comment(declared.about.help)]
                lines += _assignment(declared, settings.values[declared.name], settings.sources[declared.name])
    return "\n".join(lines) + "\n"


def _assignment(declared: Declared, value: Any, source: Source) -> list[str]:
    if declared.about.given_by == "environment":
        state = "is not set" if value is None else f"is set {_origin(source)} and not shown"
        return [f"# {declared.name} {state}."]
    if value is None:
        return [f"# {declared.name} is not set."]
    return [f"# Set {_origin(source)}.", f"{declared.name} = {_literal(declared, value)}"]


def _origin(source: Source) -> str:
    match source.rank:
        case Rank.FLAG:
            return f"by the flag {source.where}"
        case Rank.ENVIRONMENT:
            return f"by the environment variable {source.where}"
        case Rank.FILE:
            return f"by the file {_visible(source.where)}"
        case Rank.DEFAULT:
            return "by default"


def _literal(declared: Declared, value: Any) -> str:
    value = declared.anchored(value, Path.cwd())
    if isinstance(value, tuple):
        return f"[{', '.join(_string(declared, item) for item in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else _string(declared, str(value))


def _string(declared: Declared, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(declared.name, f"is {text!r}, which is not valid Unicode: TOML cannot hold it") from None
    # JSON's escapes are TOML's too, but JSON may leave DEL as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _visible(text: str) -> str:
    """The text without what would end a comment or is not valid Unicode."""
    return text if text.isprintable() else ascii(text)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)]
