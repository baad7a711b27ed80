"""Reads the front matter of a page: YAML between lines of ``---``, or TOML between lines of ``+++``.

What names the page (title, URL) and whether it is a draft is taken out; every other key becomes a field if its value is
one value or a list of them. PyYAML reads it with its safe loader.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from typeahead.text.document import Value, Values

_YAML = re.compile(r"---[ \t]*\n(.*?\n)??(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TOML = re.compile(r"\+\+\+[ \t]*\n(.*?\n)??\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL)
#: Names of the page's own URL in Hugo, Jekyll and Docusaurus.
_URLS = ("url", "permalink", "slug")


@dataclass(frozen=True, slots=True)
class Front:
    """What front matter says."""

    title: str = ""
    url: str = ""
    draft: bool = False
    fields: Mapping[str, Values] = field(default_factory=dict)


def split_front(text: str) -> tuple[Front, str]:
    """Return the front matter of a page, whose line breaks are LF, and the rest.

    Raises ``ValueError`` for front matter that cannot be read: it may say that the page is a draft.
    """
    text = text.removeprefix("\ufeff")
    if match := _TOML.match(text):
        try:
            values: Any = tomllib.loads(match[1] or "")
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the front matter is not TOML: {error}") from None
    elif match := _YAML.match(text):
        values = _yaml(match[1] or "")
        if values is None:
            values = {}
        elif not isinstance(values, dict):
            # Text between two rules.
            return Front(), text
    else:
        return Front(), text
    return front_of({str(key): value for key, value in values.items()}), text[match.end() :]


def front_of(values: Mapping[str, Any]) -> Front:
    """Sort what front matter says."""
    own = {key.lower(): value for key, value in values.items()}
    title, draft, published = own.get("title"), own.get("draft"), own.get("published")
    urls = [own[name].strip() for name in _URLS if isinstance(own.get(name), str) and own[name].strip()]
    fields = {}
    for key, value in values.items():
        lower = key.lower()
        if lower in ("title", "draft", *_URLS) or (lower == "published" and isinstance(value, bool)):
            continue
        if (plain := plain_values(value)) is not None:
            fields[key] = plain
    return Front(
        str(_plain(title)) if _plain(title) is not None else "",
        urls[0] if urls else "",
        _says(draft, "true", "yes") or _says(published, "false", "no"),
        fields,
    )


def plain_values(value: Any) -> Values | None:
    """Return a value of a field, or None for one that is none: nothing, a mapping, a list of lists, an empty list."""
    if not isinstance(value, list):
        return _plain(value)
    values = [one for one in map(_plain, value) if one is not None]
    if not values or len(values) < len(value):
        return None
    kinds = {str if isinstance(one, str) else bool if isinstance(one, bool) else float for one in values}
    return values if len(kinds) == 1 else [str(one) for one in values]


def _plain(value: Any) -> Value | None:
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            return value.astimezone(datetime.UTC).replace(tzinfo=None).isoformat() + "Z"
        return value.isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return value if isinstance(value, str | int | float) else None


def _says(value: Any, *words: str) -> bool:
    return isinstance(value, bool | str) and str(value).strip().lower() in words


def _yaml(source: str) -> Any:
    from typeahead.text.markup.libraries import yaml

    try:
        return yaml().load(source)
    # Impossible dates and numbers raise what their constructors raise.
    except Exception as error:
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 2}" if mark is not None else ""
        raise ValueError(f"the front matter is not YAML: {problem}{where}") from None
