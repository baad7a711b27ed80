"""Documents of two tenants in a back end that filters, counts, makes views and takes writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.search.contract_living import entry
from tests.search.memory_backend import MemoryBackend
from tests.server.fakes import DIM, MeanEncoder
from typeahead.search.port import Entry
from typeahead.search.space import Space
from typeahead.text.document import Document

_DRAWERS = (("a", "apple pie", "sweet apples in dough"), ("b", "apricot jam", "sweet apricots in a jar"))
DOCUMENTS = [
    *(
        Document(f"{tenant}{number}", f"{title} {number}", text, fields={"tenant": tenant, "year": number})
        for tenant, title, text in _DRAWERS
        for number in range(9)
    ),
    Document("a-secret", "quince recipe", "only for the first tenant", fields={"tenant": "a", "secret": True}),
    Document("b-other", "medlar recipe", "only for the second tenant", fields={"tenant": "b", "draft": True}),
]


class Shelf(MemoryBackend):
    """Documents in the space of :class:`~tests.server.fakes.MeanEncoder`."""

    def __init__(self, documents: Sequence[Document] = DOCUMENTS) -> None:
        vectors = MeanEncoder().encode([one.passage for one in documents])
        super().__init__(documents, vectors if len(documents) else np.zeros((0, DIM), np.float32))
        self.space = Space("teacher", None, DIM, "cosine")
        self.views: list[MemoryBackend] = []

    async def scoped(self, tree: Any) -> MemoryBackend:
        """See :meth:`MemoryBackend.scoped`; the views are kept."""
        view = await super().scoped(tree)
        view.space = self.space
        self.views.append(view)
        return view


def shelved(document: Document) -> Entry:
    """A document as it is written."""
    return entry(document, MeanEncoder().encode([document.passage]))
