"""Opens the back end of an address: ``my-index``, ``postgresql://…``.

An address without a scheme is a folder, the embedded index; ``postgresql://…`` is a table, and ``qdrant://…`` and
``milvus://…`` are collections. Other packages register schemes as entry points of the group ``typeahead.backends``; the
entry point ``x`` answers to ``x://…``. It names a function ``open(address, options) -> Backend``.
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
from typing import Final

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
    return await _opener(address)(address, options or OpenOptions())


def folder_of(address: str) -> Path | None:
    """The folder of an address of the embedded index, None for any other address."""
    found = _SCHEME.match(address)
    return Path(address.removeprefix("file://")) if found is None or found.group(1) == "file" else None


def _opener(address: str) -> Opener:
    found = _SCHEME.match(address)
    scheme = "file" if found is None else found.group(1)
    if scheme in _OURS:
        module, name = _OURS[scheme].split(":")
        opener: Opener = getattr(import_module(module), name)
        return opener
    others = entry_points(group=GROUP)
    for entry in others.select(name=scheme):
        loaded: Opener = entry.load()
        return loaded
    close = get_close_matches(scheme, [*_OURS, *others.names], 1)
    hint = f"did you mean {close[0]}://?" if close else "give the folder of an index, or install one that answers to it"
    raise AddressError(address, f"no back end is installed for {scheme}://: {hint}")
