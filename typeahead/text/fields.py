"""Chooses the members of a record that become the fields of its document, which filters and facets use.

By default these are the members of the object ``fields``, the form that HTTP uses. A record without such an object
gives all its members at the top level but id, title, text, URL and vector. A field is short: long texts, long lists and
objects are left out and counted.

A field has one kind of value in the whole index: "text", "number" or "truth". The first value decides, except in CSV
and TSV files, where everything is text: there the first thousand rows decide.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from typeahead.text.document import Value, Values
from typeahead.text.paths import MISSING, find
from typeahead.text.records import clean

KINDS = ("text", "number", "truth")
#: Fields of an index, characters of a value, and values of a list.
MOST_FIELDS, LONGEST, MOST_VALUES = 64, 1000, 100
#: Members of a record that may all become fields. More are a mistake, such as a wrong delimiter.
MOST_MEMBERS = 1000
#: Integers up to this are exact in float64, the type of columns of numbers.
_EXACT = 1 << 53
#: Names that stand for the parts of a document; as fields they must be asked for.
_USUAL = frozenset({"_id", "id", "title", "text", "url"})
#: The end of a path that stands for all members of an object.
_ALL = ".*"
_VECTORS = frozenset({"vector", "vectors", "embedding", "embeddings"})
#: A number as programs write it. "007" and "+49" are codes, and so are more digits than a float keeps.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?(?:[eE][+-]?\d{1,3})?")
_TRUTH = {"true": True, "false": False}
_MORE_TRUTH = _TRUTH | {"yes": True, "no": False, "1": True, "0": False}


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """Which members become fields, and of which kind."""

    #: "auto", "all", "none", or the dotted paths of members, each of which is the name of its field. ``metadata.*``
    #: stands for all short members of the object ``metadata``, under their own names.
    members: str | Sequence[str] = "auto"
    #: Further fields: the dotted path of each, by name.
    named: Mapping[str, str] = field(default_factory=dict)
    #: The kinds of some fields by name; values are converted.
    kinds: Mapping[str, str] = field(default_factory=dict)
    #: The kinds that fields have in the index already. Only values of tables, which are all text, are converted.
    known: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.members, str) and self.members not in ("auto", "all", "none"):
            raise ValueError(f"members {self.members!r} is neither 'auto', 'all', 'none' nor a list")
        for name, kind in self.kinds.items():
            if kind not in KINDS:
                raise ValueError(f"the field {name!r} cannot be of the kind {kind!r}: choose {', '.join(KINDS)}")
        if len(self.paths) > MOST_FIELDS:
            raise ValueError(f"{len(self.paths)} fields are more than the {MOST_FIELDS} that an index can have")

    @property
    def paths(self) -> dict[str, str]:
        """The dotted paths of the fields that were asked for, by name."""
        own = {} if isinstance(self.members, str) else {path: path for path in self.members if not path.endswith(_ALL)}
        return own | dict(self.named)

    @property
    def objects(self) -> tuple[str, ...]:
        """The dotted paths of objects whose members all become fields."""
        if isinstance(self.members, str):
            return ()
        return tuple(path.removesuffix(_ALL) for path in self.members if path.endswith(_ALL))


class TooLongError(ValueError):
    """A value that is no field, and is left out if nobody asked for it."""


class FieldReader:
    """Reads the fields of all records of one index. It remembers the kind of each.

    ``taken`` are the dotted paths of members that documents have as title, text and so on.
    """

    def __init__(self, choice: FieldChoice, taken: Collection[str] = ()) -> None:
        self.choice = choice
        self._paths = choice.paths
        self._taken = frozenset(taken)
        #: Objects from which something was taken already: the rest of them is not worth a notice.
        self._used = {path.partition(".")[0] for path in (*taken, *self._paths.values(), *choice.objects)}
        #: The kind of each field, and where it was seen first.
        self._kinds: dict[str, tuple[str, str]] = {name: (kind, "in the index") for name, kind in choice.known.items()}
        self._kinds |= {name: (kind, "") for name, kind in choice.kinds.items()}
        #: How often something was left out of the fields, by the reason.
        self.left_out: dict[str, int] = {}
        self._found: set[str] = set()

    def read(self, record: Mapping[str, Any], place: str, *, texts: bool = False) -> dict[str, Values]:
        """Return the fields of a record; ``place`` names it for later errors.

        If the values of the record are all ``texts``, those of fields that are numbers or truth are converted. Raises
        ``ValueError`` for a value of another kind than its field has, and for a field that was asked for and cannot be
        one. Nothing of such a record is remembered.
        """
        fields: dict[str, Values] = {}
        kinds: dict[str, str] = {}
        # A dict, as its order is that of the members.
        left_out: dict[str, None] = {}
        if len(record) > MOST_MEMBERS and self.choice.members in ("auto", "all"):
            raise ValueError(
                f"{len(record):,} members are too many to be fields: choose with --fields a,b,c or --fields none"
            )
        for name, value, asked in self._candidates(record):
            try:
                read = self._read(name, value, texts)
            except TooLongError as error:
                if asked:
                    raise ValueError(f"the field {name!r} {error}") from None
                left_out[f"{name} ({error})"] = None
                continue
            if read is None:
                continue
            if name not in self._kinds and len(self._kinds) + len(kinds.keys() - self._kinds) >= MOST_FIELDS:
                if asked:
                    raise ValueError(f"the field {name!r} would be one more than the {MOST_FIELDS} of an index")
                left_out[f"members beyond the first {MOST_FIELDS}: choose with --fields"] = None
                continue
            fields[name], kinds[name] = read
        for name, kind in kinds.items():
            self._kinds.setdefault(name, (kind, f"since {place}"))
        for reason in left_out:
            self.left_out[reason] = self.left_out.get(reason, 0) + 1
        self._found |= fields.keys()
        return fields

    def infer(self, records: Sequence[Mapping[str, str]]) -> None:
        """Learn from a sample of a table, whose values are all text, which fields are numbers or truth."""
        for name, path in self._columns(records[0] if records else {}):
            if name not in self._kinds:
                values = [value for record in records if (value := record.get(path, ""))]
                if (kind := _kind_of_texts(values)) != "text":
                    self._kinds[name] = kind, f"in the first {len(records):,} rows"

    def missing(self) -> list[str]:
        """Return the fields that were asked for and that no record has."""
        asked = [*self._paths, *(path + _ALL for path in self.choice.objects)]
        return [name for name in asked if name not in self._found]

    def _columns(self, record: Mapping[str, str]) -> Iterable[tuple[str, str]]:
        for name, _, asked in self._candidates(record):
            yield name, self._paths[name] if asked else name

    def _candidates(self, record: Mapping[str, Any]) -> Iterable[tuple[str, Any, bool]]:
        """The name and value of each member that may become a field, and whether it was asked for."""
        for name, path in self._paths.items():
            if (value := find(record, path)) is not MISSING:
                yield name, value, True
        for path in self.choice.objects:
            if isinstance(inner := find(record, path), Mapping):
                self._found.add(path + _ALL)
                yield from self._members_of(inner, path)
        members = self.choice.members
        if members not in ("auto", "all"):
            return
        apart = self._taken | self._paths.keys() | _USUAL
        given = record.get("fields")
        if isinstance(given, Mapping):
            yield from self._members_of(given, "fields")
            if members == "auto":
                return
            apart |= given.keys() | {"fields"}
        for name, value in record.items():
            one = isinstance(value, str | int | float)
            if name not in apart and (one or name not in self._used | _VECTORS):
                yield name, value, False

    def _members_of(self, inner: Mapping[str, Any], path: str) -> Iterable[tuple[str, Any, bool]]:
        for name, value in inner.items():
            if name not in self._paths and f"{path}.{name}" not in self._taken:
                yield name, value, False

    def _read(self, name: str, value: Any, texts: bool) -> tuple[Values, str] | None:
        """The values of one field and their kind; ``None`` if there are none."""
        if isinstance(value, np.ndarray):
            value = value.tolist()
        several = isinstance(value, list | tuple)
        values = [one for one in (value if several else [value]) if one is not None]
        kind = self._kinds.get(name, ("", ""))[0]
        target = kind if texts else self.choice.kinds.get(name)
        if target in ("number", "truth"):
            # Such as an empty cell of a table.
            values = [one for one in values if one != ""]
        if len(values) > MOST_VALUES:
            raise TooLongError(f"more than {MOST_VALUES} values")
        read: list[Value] = []
        for one in values:
            converted = self._converted(name, one, target)
            found = kind_of(converted)
            if kind and found != kind:
                raise ValueError(self._other_kind(name, converted, found, kind))
            kind = found
            read.append(converted)
        if not read:
            return None
        return (read if several else read[0]), kind

    def _converted(self, name: str, value: Any, target: str | None) -> Value:
        if isinstance(value, Mapping | list):
            raise TooLongError("objects: name one of its members with --field")
        if not isinstance(value, str | int | float):
            raise TooLongError(f"values of the type {type(value).__name__}")
        if isinstance(value, str):
            if len(value) > LONGEST:
                raise TooLongError(f"longer than {LONGEST:,} characters")
            clean(value, name, nul=False)
        if target and target != kind_of(value):
            value = self._convert(name, value, target)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"the field {name!r} holds {value}, which is no number to compare with: leave it out")
        if isinstance(value, int) and abs(value) > _EXACT:
            raise ValueError(
                f"the field {name!r} holds {str(value)[:40]}, which is too large for an exact number: "
                f"--field-type {name}=text keeps its digits"
            )
        result: Value = value
        return result

    def _convert(self, name: str, value: Value, kind: str) -> Value:
        if kind == "text":
            return str(value).lower() if isinstance(value, bool) else str(value)
        text = str(value).strip()
        if kind == "truth" and text.lower() in _MORE_TRUTH:
            return _MORE_TRUTH[text.lower()]
        if kind == "number" and not isinstance(value, bool) and _NUMBER.fullmatch(text):
            return _number(text)
        raise ValueError(self._other_kind(name, value, kind_of(value), kind))

    def _other_kind(self, name: str, value: Value, found: str, kind: str) -> str:
        where = self._kinds.get(name, ("", ""))[1]
        return (
            f"the field {name!r} holds {found} ({str(value)[:40]!r}), but its kind is {kind}{where and ' ' + where}: "
            f"correct the value, or index the field as text with --field-type {name}=text"
        )


def kind_of(value: Value) -> str:
    """Return "text", "number" or "truth"."""
    return "text" if isinstance(value, str) else "truth" if isinstance(value, bool) else "number"


def _kind_of_texts(values: Sequence[str]) -> str:
    if values and all(value.strip().lower() in _TRUTH for value in values):
        return "truth"
    return "number" if values and all(_NUMBER.fullmatch(value.strip()) for value in values) else "text"


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdecimal() else float(text)
