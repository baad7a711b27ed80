"""The kinds of values that fields have: each field of an index has one, and the first value decides.

Filters, facets and columns rely on it: values of a field can be put in order, and each column has one type.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from typeahead.errors import FieldTypeError
from typeahead.text.document import Document

TEXT, NUMBER, TRUTH = "text", "number", "truth"
KINDS: Final = (TEXT, NUMBER, TRUTH)
#: Fields that an index can have, and code points of a name.
MOST_FIELDS, LONGEST_NAME = 1000, 256


def kind_of(value: object) -> str | None:
    """Return the kind of a value: "text", "number" or "truth". None if a field cannot have such a value."""
    if isinstance(value, str):
        return TEXT
    if isinstance(value, bool):
        return TRUTH
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return NUMBER
    return None


class FieldKinds:
    """Collects the kind of each field, document by document."""

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        #: By field, in the order in which they came.
        self.kinds: dict[str, str] = dict(known or {})

    def add(self, document: Document) -> None:
        """Take the fields of a document in, all or none.

        Raises :class:`~typeahead.errors.FieldTypeError`, which names the document and the field: for a value of another
        kind than the field has, for a value that is neither text, a number, true nor false, and for too many fields.
        """
        found: dict[str, str] = {}
        for name, values in document.fields.items():
            where = f"document {document.id!r}: field {str(name)[:60]!r}"
            if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
                raise FieldTypeError(f"{where} has no name of 1 to {LONGEST_NAME} characters: rename it")
            for value in values if isinstance(values, list | tuple) else (values,):
                kind = kind_of(value)
                if kind is None:
                    raise FieldTypeError(
                        f"{where} is {value!r:.60}: it must be text, a finite number, true or false, or a list of these"
                    )
                known = found.setdefault(name, self.kinds.get(name, kind))
                if kind != known:
                    raise FieldTypeError(
                        f"{where} is {value!r:.60}, of the kind {kind!r}, but the field's kind in this index is "
                        f"{known!r}: give all its values one kind"
                    )
        if len(found.keys() | self.kinds.keys()) > MOST_FIELDS:
            raise FieldTypeError(
                f"document {document.id!r}: with its fields the index has more than {MOST_FIELDS}: leave some out"
            )
        self.kinds |= found


def fields_json(document: Document) -> str:
    """Return the fields as they are stored, once :class:`FieldKinds` has taken them: a JSON object."""
    return json.dumps(dict(document.fields), ensure_ascii=False, default=repr) if document.fields else "{}"


def read_fields(text: str) -> dict[str, Any]:
    """Return the fields that :func:`fields_json` wrote; several values are a list."""
    if text == "{}":
        return {}
    fields: dict[str, Any] = json.loads(text)
    return fields
