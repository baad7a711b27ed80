"""Embeddings of whole texts for HTTP, in a thread of their own, so that a long request delays nobody's keystrokes.

Requests for the query encoder follow the same rules as typing (:mod:`typeahead.server.typing.fallback`). The fallback
encodes texts that are too long for the encoder, texts at which it fails, and every text if the best quality is wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from typeahead.core.encoder import Encoder, IncrementalEncoder, Vectors
from typeahead.core.states import check_vectors
from typeahead.core.tokens import check_text
from typeahead.errors import EncoderError, TextError
from typeahead.server.observe.metrics import Reason
from typeahead.server.typing.fallback import Fallback

#: Texts that are encoded together. A server that stops waits for no more than these.
ENCODE_CHUNK = 16


class Embedder:
    """The encoding thread. ``encoder`` is the query encoder, which the fallback may stand in for."""

    def __init__(self, encoder: IncrementalEncoder, fallback: Fallback | None) -> None:
        self._encoder = encoder
        self._fallback = fallback
        self._executor = ThreadPoolExecutor(1, "typeahead-encode")
        self._running = 0

    def close(self) -> None:
        """Stop the encoding thread after its current texts."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def has_fallback(self, encoder: Encoder) -> bool:
        """Return whether there is a fallback that may stand in for ``encoder``."""
        return self._fallback is not None and encoder is self._encoder

    async def encode(self, encoder: Encoder, texts: Sequence[str]) -> tuple[Vectors, int]:
        """Encode with this encoder and no other: float32 (n, dim), and the number of tokens."""
        loop = asyncio.get_running_loop()
        parts = []
        tokens = 0
        for first in range(0, len(texts), ENCODE_CHUNK):
            chunk = texts[first : first + ENCODE_CHUNK]
            part, count = await loop.run_in_executor(self._executor, _encode, encoder, chunk)
            parts.append(part)
            tokens += count
        return np.concatenate(parts), tokens

    async def embed(
        self, encoder: Encoder, texts: Sequence[str], *, best: bool = False
    ) -> tuple[Vectors, list[str], int]:
        """Encode by the rules of this module: float32 (n, dim), the name of each row's encoder, the number of tokens.

        Raises :class:`~typeahead.errors.TextError`; :class:`~typeahead.errors.EncoderError` if both the encoder and the
        fallback fail; and any error of an encoder that has no fallback.
        """
        if self._fallback is None or encoder is not self._encoder:
            vectors, tokens = await self.encode(encoder, texts)
            return vectors, [encoder.config.name] * len(texts), tokens
        self._running += 1
        try:
            return await self._embed(self._fallback, texts, best=best)
        finally:
            self._running -= 1

    async def _embed(self, fallback: Fallback, texts: Sequence[str], *, best: bool) -> tuple[Vectors, list[str], int]:
        room = self._running <= fallback.room
        vectors = np.empty((len(texts), self._encoder.dim), np.float32)
        names: list[str] = []
        tokens = 0
        for first in range(0, len(texts), ENCODE_CHUNK):
            chunk = texts[first : first + ENCODE_CHUNK]
            loop = asyncio.get_running_loop()
            reasons, count = await loop.run_in_executor(self._executor, self._sort, fallback, chunk, best)
            if not room:
                _count(fallback, reasons, "shed")
                reasons = [None] * len(chunk)
            reasons = await self._fill(fallback, chunk, reasons, vectors[first : first + len(chunk)])
            _count(fallback, reasons, "served")
            names += [self._encoder.config.name if reason is None else fallback.name for reason in reasons]
            tokens += count
        return vectors, names, tokens

    async def _fill(
        self, fallback: Fallback, texts: Sequence[str], reasons: list[Reason | None], out: Vectors
    ) -> list[Reason | None]:
        """Encode each text with the encoder, or with the fallback if there is a reason; if one fails, with the other.

        Returns the reason for each text that the fallback encoded in the end.
        """
        ours = [row for row, reason in enumerate(reasons) if reason is None]
        if ours and not await self._try(self._encoder, texts, ours, out):
            reasons = [reason or Reason.FAILED for reason in reasons]
        theirs = [row for row, reason in enumerate(reasons) if reason is not None]
        if not theirs or await self._try(fallback.model, texts, theirs, out):
            return reasons
        _count(fallback, reasons, "error")
        if not await self._try(self._encoder, texts, theirs, out):
            raise EncoderError("neither the encoder nor the fallback could encode this: the log says why")
        return [None] * len(texts)

    def _sort(self, fallback: Fallback, texts: Sequence[str], best: bool) -> tuple[list[Reason | None], int]:
        """Return the reason for each text that is for the fallback, and the number of tokens in all."""
        counts = [len(self._encoder.tokenizer.encode(check_text(text))) for text in texts]
        return [fallback.wants(count, best=best) for count in counts], sum(counts)

    async def _try(self, encoder: Encoder, texts: Sequence[str], rows: Sequence[int], out: Vectors) -> bool:
        """Encode some rows of ``texts`` into the same rows of ``out``. If that fails, log it and return False."""
        assert self._fallback is not None
        try:
            vectors, _ = await self.encode(encoder, [texts[row] for row in rows])
            check_vectors(vectors)
        except TextError:
            raise
        except Exception as error:
            self._fallback.log_failure(encoder.config.name, error)
            return False
        out[rows] = vectors
        return True


def _count(fallback: Fallback, reasons: Sequence[Reason | None], outcome: str) -> None:
    for reason in filter(None, reasons):
        fallback.metrics.fallback[reason, outcome].add()


def _encode(encoder: Encoder, texts: Sequence[str]) -> tuple[Vectors, int]:
    vectors = encoder.encode(texts)
    # Passage encoders put special tokens around a text; they count too.
    count = getattr(encoder, "token_ids", None) or encoder.tokenizer.encode  # type: ignore[attr-defined]
    return vectors, sum(len(count(text)) for text in texts)
