"""A peer: an encoder or a retriever with a label, and a way to time its tokenization apart.

The protocols ask only for what the measurements use. :class:`TypeaheadStages` gives typeahead's own encoders the two
calls that the other peers have: ``tokenize`` and ``encode_tokens``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from typeahead.core.encoder import Vectors
from typeahead.core.tokens import IncrementalTokenizer

if TYPE_CHECKING:
    from typeahead.evaluate.data.datasets import Passage

Hits = list[list[tuple[str, float]]]


@runtime_checkable
class StagedEncoder(Protocol):
    """An encoder whose two stages can be timed apart: ``encode(texts)`` is ``encode_tokens(tokenize(texts))``."""

    def tokenize(self, texts: Sequence[str], /) -> Any:
        """Turn texts into the argument of :meth:`encode_tokens`."""

    def encode_tokens(self, tokens: Any, /) -> Vectors:
        """Encode the result of :meth:`tokenize` to float32 (n, dim), in the order of the texts."""


class Retriever(Protocol):
    """Texts in, passages out: a peer without embeddings."""

    def index(self, passages: Iterable[Passage]) -> None:
        """Replace the passages to search."""

    def search(self, texts: Sequence[str], depth: int) -> Hits:
        """For each text at most ``depth`` passages as (id, score), best first; none if nothing matches."""


@dataclass(frozen=True)
class Peer:
    """One system of a comparison. It has either an ``encoder`` or a ``retriever``."""

    #: Its name in tables.
    label: str
    #: Its name on the command line, without the label.
    spec: str
    #: Identifies its vectors: a kind and a hash of its files.
    key: str
    encoder: Any = None
    retriever: Retriever | None = None
    #: Whether the encoder steps token by token, so that sessions can run it.
    incremental: bool = False
    #: The model folder of a typeahead encoder.
    folder: Path | None = None

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts to float32 (n, dim). Raises ``TypeError`` for a retriever."""
        if self.encoder is None:
            raise TypeError(f"{self.label} retrieves passages and has no embeddings")
        vectors: Vectors = self.encoder.encode(texts)
        return vectors

    def for_passages(self) -> Peer:
        """The same peer for passages: a teacher may put other words before them than before queries."""
        other = getattr(self.encoder, "for_passages", None)
        if other is None or (encoder := other()) is self.encoder:
            return self
        return replace(self, key=f"{self.key} after {encoder.prompt!r}", encoder=encoder)

    def stages(self) -> StagedEncoder:
        """The encoder with its tokenization apart; an encoder of typeahead starts with an empty cache."""
        if self.folder is not None:
            return TypeaheadStages(self.encoder, self.folder)
        if not isinstance(self.encoder, StagedEncoder):
            raise TypeError(f"{self.label} does not tell its tokenization from its encoding")
        return self.encoder


class _Given:
    """Takes the place of a tokenizer and gives the token ids that were made before."""

    def __init__(self, ids: dict[str, tuple[int, ...]]) -> None:
        self.encode = ids.__getitem__


class TypeaheadStages:
    """An encoder of typeahead that gets token ids: the same code, without the tokenizer's time."""

    def __init__(self, encoder: Any, folder: Path) -> None:
        self._tokenizer = IncrementalTokenizer.from_file(folder / "tokenizer.json")
        self._encoder = copy.copy(encoder)

    def tokenize(self, texts: Sequence[str]) -> list[tuple[str, tuple[int, ...]]]:
        """Each text with its token ids."""
        return [(text, self._tokenizer.encode(text)) for text in texts]

    def encode_tokens(self, tokens: list[tuple[str, tuple[int, ...]]]) -> Vectors:
        """Encode the result of :meth:`tokenize`."""
        self._encoder.tokenizer = _Given(dict(tokens))
        vectors: Vectors = self._encoder.encode([text for text, _ in tokens])
        return vectors
