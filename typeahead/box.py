"""A search box in Python: what the server shows for a text, without a server.

    >>> with Box("my-index") as box:                        # doctest: +SKIP
    ...     for hit in box.search("how to bo", k=3).hits:
    ...         print(f"{hit.score:.2f} {hit.title}")

The best encoder for this machine, words and meaning together, half-typed words and slips: it finds what ``typeahead
serve`` finds with its defaults.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from typeahead.core.encoder import Encoder, IncrementalEncoder
from typeahead.core.engine import Engine
from typeahead.encoders.loading import load_default
from typeahead.errors import TypeaheadError
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.asking import Asker, finds_words
from typeahead.search.fields import KnownFields, check_fields
from typeahead.search.filters import read_filter
from typeahead.search.learning import learn
from typeahead.search.narrowing import Narrowing
from typeahead.search.port import Request
from typeahead.search.ranking import Found, find
from typeahead.search.reading import CONTINUATIONS
from typeahead.search.space import check_space

#: Seconds that one search may take.
_PATIENCE: Final = 60.0


class Box:
    """An open index, and what asks it. Use it from one thread; :meth:`close` it, or use it as a context.

    Args:
        address: the folder of an index, or the address of another back end.
        encoder: encodes what is typed, such as ``typeahead.load("minilm-gru")``. Defaults to the best on this machine.
        words: whether words are searched beside vectors, where the back end can do that.
        continuations: ways to finish a half-typed word that are encoded; 0 for none.
        options: what the back end is told when it is opened.

    Raises:
        TeacherMismatch: the index holds vectors of another teacher than the encoder's.
        TypeaheadError: the encoder is one of passages, or the back end cannot be opened.
    """

    def __init__(
        self,
        address: str | Path,
        encoder: Encoder | None = None,
        *,
        words: bool = True,
        continuations: int = CONTINUATIONS,
        options: OpenOptions | None = None,
    ) -> None:
        encoder = load_default() if encoder is None else encoder
        if not isinstance(encoder, IncrementalEncoder):
            raise TypeaheadError(f"{encoder.config.name} cannot encode what is typed: give a query encoder")
        self._runner = asyncio.Runner()
        try:
            self._backend = self._runner.run(open_backend(str(address), options))
            check_space(self._backend.space, encoder.config)
            words = words and finds_words(self._backend)
            self._asker = Asker(Engine(encoder), words=words, continuations=continuations)
            self._scale = self._runner.run(learn(self._backend, self._asker, time.monotonic() + _PATIENCE))
        except BaseException:
            self.close()
            raise
        # Whatever is typed here is one person's.
        self._scope = self._asker.engine.scope()
        self._fields = KnownFields()

    def search(
        self,
        text: str,
        k: int = 8,
        *,
        filter: Mapping[str, Any] | None = None,
        facets: Sequence[str] = (),
        offset: int = 0,
    ) -> Found:
        """Find the ``k`` best hits after the first ``offset`` for a text, which may be half-typed.

        ``filter`` says which documents count, such as ``{"country": "France", "year": {"gte": 2019}}``
        (:mod:`typeahead.search.filters`). ``facets`` are fields whose values are counted: among the documents that the
        filter admits if the text is empty, otherwise among those that the search weighed.

        Raises :class:`~typeahead.errors.TextError` for a lone surrogate, :class:`~typeahead.errors.FilterError`,
        :class:`~typeahead.errors.UnsupportedFilter`, ``ValueError`` for ``k`` below 1 and ``offset`` below 0, and what
        the back end raises.
        """
        narrowing = Narrowing(None if filter is None else read_filter(filter), tuple(dict.fromkeys(facets)), offset)
        requests = self._asker.ask([text], k, scope=self._scope, narrowing=narrowing)
        return self._runner.run(self._find(requests))

    async def _find(self, requests: Sequence[Request]) -> Found:
        for request in requests:
            if request.filter is not None:
                check_fields(request.filter, await self._fields.of(self._backend))
        (found,) = await find(self._backend, requests, time.monotonic() + _PATIENCE, self._scale)
        return found

    def close(self) -> None:
        """Close the back end. Searches fail afterwards."""
        if "_backend" in self.__dict__:
            self._runner.run(self._backend.close())
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
