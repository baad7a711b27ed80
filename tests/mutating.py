"""Mutations of valid JSON: what a forger, a bug or a bad disk may leave in a manifest or a configuration."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st

from typeahead.errors import TypeaheadError
from typeahead.storage.sealed import seal

_TEXTS = ["", "0", "NaN", "..", "/etc/passwd", "../../x", "a\0b", "x" * 5000, "\ud800", "generation-2", "dot"]
#: Values of every type, and those at which code tends to break.
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308]),
    st.sampled_from(_TEXTS),
    st.sampled_from([[], {}, [[]], [None] * 100, {"": {}}]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=5,
    ),
)
#: What a JSON parser may stumble over.
_PIECES = ["", "NaN", "-Infinity", "1e999", "1" * 5000, "[" * 2000, '{"a":' * 2000, "\\ud800", "\x00", "\ufeff"]


def _places(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = data.keys() if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    return [place for key in keys for place in ((*at, key), *_places(data[key], (*at, key)))]


@st.composite
def mutated(draw: st.DrawFn, data: dict[str, Any]) -> dict[str, Any]:
    """``data`` with one to three fields, however deep, replaced, deleted or added."""
    found = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 3))):
        places = _places(found)
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        holder: Any = found
        for key in way:
            holder = holder[key]
        change = draw(st.sampled_from(["replace", "delete", "add"]))
        if change == "replace":
            holder[last] = copy.deepcopy(draw(VALUES))
        elif change == "delete":
            del holder[last]
        elif isinstance(holder, dict):
            holder[draw(st.text(max_size=6))] = copy.deepcopy(draw(VALUES))
    return found


@st.composite
def written(draw: st.DrawFn, text: str) -> str:
    """A changed version of the sealed file ``text``: a piece replaced, or fields, sealed anew or without a seal."""
    way = draw(st.sampled_from(["piece", "sealed", "unsealed"]))
    if way == "piece":
        start, length = draw(st.integers(0, len(text))), draw(st.integers(0, 12))
        return text[:start] + draw(st.sampled_from(_PIECES) | st.text(max_size=6)) + text[start + length :]
    data = draw(mutated(json.loads(text)))
    # What is no Unicode or no JSON cannot be sealed, and is written with escapes.
    with suppress(ValueError):
        if way == "sealed":
            return seal(data)
    return json.dumps(data)


def check_message(error: TypeaheadError) -> None:
    """A message is one line that a terminal can show."""
    message = str(error)
    assert "\n" not in message
    assert len(message) < 1000
