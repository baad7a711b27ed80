"""Entries for journals: documents, divided as a test wants, with vectors that any reader can compute again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tests.index.hashing import HashingEncoder
from typeahead.search.port import Entry
from typeahead.text.document import Document, Passage, Values

DIM = 16
_ENCODER = HashingEncoder()


def entry(
    key: str,
    text: str | Sequence[str] = "",
    title: str = "",
    *,
    url: str = "",
    fields: Mapping[str, Values] | None = None,
) -> Entry:
    """An entry of one passage, or of several texts."""
    texts = [text] if isinstance(text, str) else list(text)
    document = Document(key, title, "".join(texts), url, fields or {})
    passages = tuple(
        Passage(one, (f"part {place}",) if len(texts) > 1 else (), f"a{place}" if len(texts) > 1 else "")
        for place, one in enumerate(texts)
    )
    encoded = [document.encoded(one).encode("utf-8", "replace").decode() for one in passages]
    return Entry(document, passages, _ENCODER.encode(encoded).astype(np.float32))


def entries(count: int, *, start: int = 0, tag: str = "") -> list[Entry]:
    return [entry(f"d{row}", f"text {tag} of {row}", f"title {row}") for row in range(start, start + count)]
