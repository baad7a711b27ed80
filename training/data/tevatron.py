"""Reads Tevatron's JSON lines in the two forms of its ``docs/datasets.md``, and writes them.

Raw: ``{"query_id", "query", "positive_passages": [{"docid", "title", "text"}], "negative_passages": […]}``, possibly
with ``answers``. Prepared: ``{"query", "positives": […], "negatives": […]}``, where each text is a string or a list of
token ids without special tokens. One file may contain both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from training.data.records import Group, Passage, Text
from typeahead.text.bad_lines import accounted
from typeahead.text.reading import parsed, utf8_lines
from typeahead.text.records import clean, identifier, parse_object


def _text(value: Any, name: str) -> Text:
    if isinstance(value, list):
        if not value or not all(type(token) is int and token >= 0 for token in value):
            raise ValueError(f"{name} holds a list that is not one of token ids")
        return tuple(value)
    text = clean(value, name).strip()
    if not text:
        raise ValueError(f"{name} is empty")
    return text


def _passage(value: Any, name: str) -> Passage:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is no object with docid, title and text")
    title = value.get("title")
    title = "" if title is None else clean(title, f"{name}.title").strip()
    text = value.get("text")
    key = value.get("docid")
    return Passage(
        "" if key is None else identifier(key, f"{name}.docid"),
        title,
        "" if title and text == "" else _text(text, f"{name}.text"),
    )


def _list(record: dict[str, Any], name: str) -> list[Any]:
    values = record.get(name, [])
    if not isinstance(values, list):
        raise ValueError(f"{name} is no list")
    return values


def parse_group(line: str, number: int) -> Group:
    """Read one line of either form; ``ValueError`` says what is wrong. ``number`` replaces a missing id."""
    group = _group(line)
    return group if group.query_id else replace(group, query_id=str(number))


def _group(line: str) -> Group:
    record = parse_object(line)
    if "positive_passages" in record:
        first, second = "positive_passages", "negative_passages"
    elif "positives" in record:
        first, second = "positives", "negatives"
    else:
        fields = ", ".join(map(repr, list(record)[:10]))
        raise ValueError(f"neither 'positive_passages' nor 'positives': the fields are {fields}")
    sides = []
    for name in (first, second):
        values = [(value, f"{name}[{place}]") for place, value in enumerate(_list(record, name))]
        if name.endswith("_passages"):
            sides.append(tuple(_passage(value, where) for value, where in values))
        else:
            sides.append(tuple(Passage("", "", _text(value, where)) for value, where in values))
    if not sides[0]:
        raise ValueError(f"{first} is empty")
    key = record.get("query_id")
    return Group("" if key is None else identifier(key, "query_id"), _text(record.get("query"), "query"), *sides)


def read_tevatron(path: Path) -> Iterator[Group]:
    """Stream the groups of a file."""
    with accounted(path) as bad:
        for line, group in parsed(utf8_lines(path), _group, path, bad):
            yield group if group.query_id else replace(group, query_id=str(line.number))


def format_group(group: Group) -> str:
    """Write a group as one line without line break: in the raw form, or in the prepared one if it has token ids."""
    passages = [*group.positives, *group.negatives]
    if all(isinstance(text, str) for text in (group.query, *(passage.text for passage in passages))):
        sides = [
            [{"docid": passage.id, "title": passage.title, "text": passage.text} for passage in side]
            if all(passage.id for passage in side)
            else [{"title": passage.title, "text": passage.text} for passage in side]
            for side in (group.positives, group.negatives)
        ]
        record: dict[str, Any] = {
            "query_id": group.query_id,
            "query": group.query,
            "positive_passages": sides[0],
            "negative_passages": sides[1],
        }
    else:
        texts = [[passage.text for passage in side] for side in (group.positives, group.negatives)]
        record = {"query_id": group.query_id, "query": group.query, "positives": texts[0], "negatives": texts[1]}
    return json.dumps(record, ensure_ascii=False)
