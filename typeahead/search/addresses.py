"""Opens the back end of an address: ``my-index``, ``postgresql://…``.

An address without a scheme is a folder, the embedded index; ``postgresql://…`` is a table, and ``qdrant://…`` and
``milvus://…`` are collections. Several addresses with schemes, separated by white space, are the parts of one index.
Other packages register schemes as entry points of the group ``typeahead.backends``; the entry point ``x`` answers to
``x://…``. It names a function ``open(address, options) -> Backend``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from typeahead.errors import AddressError
from typeahead.search.port import Backend

log = logging.getLogger(__name__)

GROUP: Final = "typeahead.backends"

#: Schemes of this package itself, and where they are opened.
_OURS: Final = {
    "file": "typeahead.index.backend:open_embedded",
    "postgresql": "typeahead.engines.postgres.entry:open_postgres",
    "postgres": "typeahead.engines.postgres.entry:open_postgres",
    "qdrant": "typeahead.engines.qdrant.entry:open_qdrant",
    "qdrants": "typeahead.engines.qdrant.entry:open_qdrant",
    "milvus": "typeahead.engines.milvus.entry:open_milvus",
    "milvuss": "typeahead.engines.milvus.entry:open_milvus",
}
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://")
#: What opens several addresses as one.
_PARTS: Final = "typeahead.engines.parts.opening:open_parts"


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """What a back end may be told when it is opened. One that has no use for an option passes it over."""

    #: "sparse" searches the token weights of a sparse encoder as well as words; otherwise "words".
    lexical: str = "words"
    #: Told in one line what the person who opens it should know, such as vectors that nobody checked.
    warn: Callable[[str], None] = log.warning


Opener = Callable[[str, OpenOptions], Awaitable[Backend]]


async def open_backend(address: str, options: OpenOptions | None = None) -> Backend:
    """Open the back end of ``address``.

    Raises :class:`~typeahead.errors.AddressError` for a scheme that nobody answers to, and what the back end raises.
    """
    options = options or OpenOptions()
    parts = parts_of(address)
    if len(parts) == 1:
        return await _opener(address)(address, options)
    backend: Backend = await _loaded(_PARTS)(parts, lambda one: _opener(one)(one, options))
    return backend


def parts_of(address: str) -> list[str]:
    """The addresses that one consists of: several URLs, separated by white space, or the address itself."""
    parts = address.split()
    return parts if len(parts) > 1 and all(map(_SCHEME.match, parts)) else [address]


def folder_of(address: str) -> Path | None:
    """The folder of an address of the embedded index, None for any other address."""
    if len(parts_of(address)) > 1:
        return None
    found = _SCHEME.match(address)
    return Path(address.removeprefix("file://")) if found is None or found.group(1) == "file" else None


def _opener(address: str) -> Opener:
    found = _SCHEME.match(address)
    scheme = "file" if found is None else found.group(1)
    if scheme in _OURS:
        opener: Opener = _loaded(_OURS[scheme])
        return opener
    others = entry_points(group=GROUP)
    for entry in others.select(name=scheme):
        loaded: Opener = entry.load()
        return loaded
    close = get_close_matches(scheme, [*_OURS, *others.names], 1)
    hint = f"did you mean {close[0]}://?" if close else "give the folder of an index, or install one that answers to it"
    raise AddressError(address, f"no back end is installed for {scheme}://: {hint}")


def _loaded(place: str) -> Any:
    module, name = place.split(":")
    return getattr(import_module(module), name)
