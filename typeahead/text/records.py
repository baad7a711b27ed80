"""JSON objects, one a line, and the checks that their values must pass."""

from __future__ import annotations

import json
from typing import Any


def parse_object(text: str) -> dict[str, Any]:
    """Read a JSON object; ``ValueError`` says why the text is none."""
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: lists or objects lie too deep in each other") from None
    if not isinstance(record, dict):
        raise ValueError(f"a JSON {type(record).__name__}, not an object")
    return record


def clean(value: Any, name: str, *, nul: bool = True) -> str:
    """Return ``value`` if it is a text that has UTF-8; ``ValueError`` says what is wrong with the field ``name``.

    A NUL character is refused unless ``nul``: an index stores texts where many readers stop at NUL.
    """
    if not isinstance(value, str):
        raise ValueError(f"the field {name!r} holds {type(value).__name__} {str(value)[:40]!r}, not text")
    if not nul and "\0" in value:
        raise ValueError(f"the field {name!r} holds a NUL character at position {value.index(chr(0))}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the field {name!r} holds a lone surrogate at position {error.start}") from None
    return value


def identifier(value: Any, name: str, *, one_word: bool = False) -> str:
    """Return an id as text, without white space around it; ``ValueError`` says what is wrong with the field ``name``.

    An id is text or an integer. With ``one_word`` it must hold no white space at all: TREC's runs and judgements
    separate their columns by it.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"the id {str(value)[:40]} is neither text nor an integer")
    if not value.strip():
        raise ValueError(f"the id {value[:40]!r} is empty")
    if one_word and value.split() != [value]:
        raise ValueError(f"the id {value[:40]!r} has white space in it, which no run file can hold")
    return clean(value, name, nul=False).strip()
