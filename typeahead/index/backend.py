"""The embedded back end: an index folder behind the search port (:mod:`typeahead.search.port`).

It blocks, so :func:`embed` wraps it in a thread (:mod:`typeahead.search.threads`).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import cast

import numpy as np

from typeahead.core.prefixes import Scope
from typeahead.errors import BackendClosed, DeadlinePassed
from typeahead.index.folder import Index, Lexical, open_index
from typeahead.index.manifest import Manifest
from typeahead.search.addresses import OpenOptions, folder_of
from typeahead.search.port import DENSE, LEXICAL, Backend, Candidates, Capabilities, Key, Request
from typeahead.search.ranking import check_requests
from typeahead.search.terms import document_frequencies, forms, weigh
from typeahead.search.threads import ThreadedBackend
from typeahead.text.document import Document


async def open_embedded(address: str, options: OpenOptions) -> Backend:
    """Open the index folder of ``address``; raises what :func:`~typeahead.index.folder.open_index` does.

    ``options.snapshot`` is a folder with the manifest of an older generation, which is opened instead.
    """
    folder = folder_of(address)
    assert folder is not None
    manifest = None if options.snapshot is None else Manifest.read(Path(options.snapshot))
    index = await asyncio.to_thread(open_index, folder, lexical=cast("Lexical", options.lexical), manifest=manifest)
    if index.manifest.warning:
        options.warn(index.manifest.warning)
    return embed(index)


def embed(index: Index) -> Backend:
    """Put an open index behind the port; closing the back end closes the index."""
    return ThreadedBackend(EmbeddedEngine(index))


class EmbeddedEngine:
    """An index as a back end that blocks; see :class:`~typeahead.search.port.Backend`. One thread at a time."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.address = str(index.folder)
        self.space = index.space
        self._closed = False
        self.capabilities = Capabilities(lexical=True, vocabulary=self._vocabulary)

    @property
    def version(self) -> str:
        """The generation: an open index never changes."""
        return self._index.manifest.generation

    @property
    def count(self) -> int:
        """Number of documents."""
        return self._index.manifest.count

    async def candidates(self, requests: Sequence[Request], deadline: float) -> Sequence[Candidates]:
        """See :meth:`~typeahead.search.port.Backend.candidates`."""
        self._check(deadline)
        check_requests(requests, self.space.dim)
        asked = [row for row, request in enumerate(requests) if request.vector is not None]
        near: dict[int, list[str]] = {}
        if asked:
            vectors = np.stack([requests[row].vector for row in asked])  # type: ignore[misc]
            depth = max(requests[row].k + requests[row].offset for row in asked)
            ids = self._ids
            for row, ranking in zip(asked, self._index.rank(vectors, depth), strict=True):
                near[row] = [ids[at] for at, _ in ranking[: requests[row].k + requests[row].offset]]
        return [self._find(request, near.get(row)) for row, request in enumerate(requests)]

    async def fetch(self, ids: Sequence[str], deadline: float) -> Mapping[str, Document]:
        """See :meth:`~typeahead.search.port.Backend.fetch`."""
        self._check(deadline)
        return {document.id: document for document in self._index.named(ids).values()}

    async def close(self) -> None:
        """Close the files."""
        if not self._closed:
            self._closed = True
            self._index.close()

    async def _vocabulary(self) -> Mapping[str, int]:
        self._check()
        return self._counted

    def _find(self, request: Request, near: list[str] | None) -> Candidates:
        wanted = request.k + request.offset
        arms: dict[str, list[str]] = {}
        ids = self._ids
        if near is not None:
            arms[DENSE] = near
        terms = [] if request.words is None else request.words.terms
        if request.words is not None:
            text = " ".join([word for term in terms for word in term.words] + [term.beginning for term in terms])
            arms[LEXICAL] = [ids[row] for row, _ in self._index.match(text, wanted, Scope(request.scope))]
        named = self._index.named(list(dict.fromkeys(chain(*arms.values()))))
        documents = list(named.values())
        similarities: Sequence[float | None] = [None] * len(documents)
        if request.vector is not None:
            similarities = self._index.similarities(request.vector, list(named)) or similarities
        sets = {arm: set(found) for arm, found in arms.items()}
        return Candidates(
            [Key(document.id) for document in documents],
            {arm: np.array([document.id in found for document in documents], bool) for arm, found in sets.items()},
            np.array([np.nan if one is None else one for one in similarities], np.float32),
            *weigh(documents, terms),
            np.array(document_frequencies(self._counted, self.count, terms)),
            20.0,
        )

    @cached_property
    def _ids(self) -> Sequence[str]:
        return self._index.ids()

    @cached_property
    def _counted(self) -> Mapping[str, int]:
        counts: Counter[str] = Counter()
        for row in range(self.count):
            (document,) = self._index.documents([row])
            counts.update({*forms(document.title), *forms(document.text)})
        return counts

    def _check(self, deadline: float = math.inf) -> None:
        if self._closed:
            raise BackendClosed(self.address)
        if time.monotonic() >= deadline:
            raise DeadlinePassed(f"{self.address} was asked too late")
