"""Reads one document of a request; :mod:`typeahead.index.drafts` says what it may hold."""

from __future__ import annotations

from typeahead.errors import ProtocolError
from typeahead.index.drafts import BadDocument, Draft, check_kinds, draft_of
from typeahead.search.space import Space
from typeahead.wire.fields import load_object

__all__ = ["BadDocument", "Draft", "check_kinds", "read_draft"]


def read_draft(data: bytes, space: Space) -> Draft:
    """Read a document as JSON; its vectors are those of ``space``. Raises :class:`BadDocument`."""
    try:
        fields = load_object(data)
    except ProtocolError as error:
        code = "bad_json" if error.code == "bad_json" else "bad_document"
        raise BadDocument(code, str(error)) from None
    return draft_of(fields, space)
