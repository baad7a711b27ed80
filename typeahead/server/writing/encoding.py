"""The thread that reads, divides and encodes documents, at a lower priority than what answers keys."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

import numpy as np

from typeahead.core.encoder import Encoder, Vectors
from typeahead.core.states import check_vectors
from typeahead.index.build import as_stored
from typeahead.logs import LimitedLog
from typeahead.search.port import Entry
from typeahead.server.writing.drafts import BadDocument, Draft
from typeahead.text.document import Document, Passage

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Passages that are encoded in one go. Documents of several requests take turns, and a server that stops waits for no
#: more than these.
CHUNK: Final = 16
#: Added to the thread's nice value: beside keys it gets a tenth of a core.
_NICE: Final = 10

Divide = Callable[[Document], tuple[Passage, ...]]


def in_one(document: Document) -> tuple[Passage, ...]:
    """Leave a document whole."""
    return (Passage(document.text),)


class Encoding:
    """Makes entries of drafts.

    ``encoder`` encodes passages, None where documents have to bring their vectors. ``divide`` cuts a document into what
    the encoder reads.
    """

    def __init__(self, encoder: Encoder | None, divide: Divide = in_one) -> None:
        self._encoder = encoder
        self._divide = divide
        self._executor = ThreadPoolExecutor(1, "typeahead-write", initializer=_step_back)
        self._log = LimitedLog(log)

    def close(self) -> None:
        """Stop the thread after what it is busy with."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[[], T]) -> T:
        """Do something in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def entries(self, drafts: Sequence[Draft], *, divides: bool = True) -> list[Entry | BadDocument]:
        """Return an entry for each draft, or why there is none. ``divides`` says whether long documents are divided."""
        made: list[Entry | BadDocument] = []
        pending: list[tuple[int, Document, tuple[Passage, ...]]] = []
        for row, (draft, passages) in enumerate(zip(drafts, await self._divided(drafts, divides), strict=True)):
            if draft.vectors is not None:
                made.append(_adopted(draft.document, draft.vectors, passages))
                continue
            made.append(BadDocument("no_encoder", _NO_ENCODER))
            if self._encoder is not None:
                pending.append((row, draft.document, passages))
        texts = [document.encoded(passage) for _, document, passages in pending for passage in passages]
        encoded = await self._encode(texts)
        first = 0
        for row, document, passages in pending:
            part = encoded[first : first + len(passages)]
            first += len(passages)
            if any(vector is None for vector in part):
                made[row] = BadDocument("encoding_failed", "the server could not encode this: its log says why")
            else:
                made[row] = Entry(document, passages, np.stack([vector for vector in part if vector is not None]))
        return made

    async def _divided(self, drafts: Sequence[Draft], divides: bool) -> list[tuple[Passage, ...]]:
        def divide(draft: Draft) -> tuple[Passage, ...]:
            return in_one(draft.document) if whole(draft) else self._divide(draft.document)

        def whole(draft: Draft) -> bool:
            return not divides or _is_one(draft)

        if all(map(whole, drafts)):
            return [in_one(draft.document) for draft in drafts]
        return await self.run(lambda: [divide(draft) for draft in drafts])

    async def _encode(self, texts: Sequence[str]) -> list[Vectors | None]:
        """Encode each text, float32 (dim,); None for those that the encoder fails at."""
        vectors: list[Vectors | None] = [None] * len(texts)
        # Encoders pad short texts to the length of long ones, so texts of one length are encoded together.
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        for first in range(0, len(order), CHUNK):
            rows = order[first : first + CHUNK]
            chunk = [texts[row] for row in rows]
            made: Sequence[Vectors | None]
            try:
                made = await self.run(lambda chunk=chunk: self._checked(chunk))  # type: ignore[misc]
            except Exception:
                # One text may spoil it for the others.
                made = [await self._alone(text) for text in chunk]
            for row, vector in zip(rows, made, strict=True):
                vectors[row] = vector
        return vectors

    async def _alone(self, text: str) -> Vectors | None:
        try:
            (vector,) = await self.run(lambda: self._checked([text]))
        except Exception:
            assert self._encoder is not None
            self._log.exception("%s could not encode a passage", self._encoder.config.name)
            return None
        return vector

    def _checked(self, texts: Sequence[str]) -> list[Vectors]:
        assert self._encoder is not None
        vectors = self._encoder.encode(texts)
        check_vectors(vectors)
        return list(as_stored(vectors, self._encoder.config))


_NO_ENCODER: Final = (
    'the document has no "vectors", and the server has no encoder for passages of this index: send vectors, or start '
    "it with --passage-encoder"
)


def _is_one(draft: Draft) -> bool:
    """Whether one vector came, which stands for the whole document."""
    return draft.vectors is not None and len(draft.vectors) == 1


def _adopted(document: Document, vectors: Vectors, passages: tuple[Passage, ...]) -> Entry | BadDocument:
    if len(vectors) != len(passages):
        message = (
            f"the document has {len(vectors)} vectors and {len(passages)} passages: send one vector, or one for each"
        )
        return BadDocument("vector_count", message)
    return Entry(document, passages, vectors)


def _step_back() -> None:
    """Lower the priority of this thread, where threads have one of their own."""
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICE)
