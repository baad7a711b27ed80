"""What a peer is: an encoder or a retriever with a label, and how its tokenization is timed apart.

The protocols here ask for no more than the measurements use. :class:`TypeaheadStages` gives typeahead's own encoders
what the other peers have of themselves: ``tokenize`` and ``encode_tokens`` as two calls.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
        """Texts to whatever :meth:`encode_tokens` takes."""

    def encode_tokens(self, tokens: Any, /) -> Vectors:
        """What :meth:`tokenize` gave to float32 (n, dim), in the texts' order."""


class Retriever(Protocol):
    """Texts in, passages out: a peer without embeddings."""

    def index(self, passages: Iterable[Passage]) -> None:
        """Take the passages that are searched from now on, in place of those before."""

    def search(self, texts: Sequence[str], depth: int) -> Hits:
        """For each text at most ``depth`` passages, (id, score), best first; none for a text that matches nothing."""


@dataclass(frozen=True)
class Peer:
    """One column of a comparison. Exactly one of ``encoder`` and ``retriever`` is there."""

    #: What tables call it.
    label: str
    #: What was asked for on the command line, without the label.
    spec: str
    #: What identifies the vectors that it gives: a kind and a hash of its files.
    key: str
    encoder: Any = None
    retriever: Retriever | None = None
    #: Whether the encoder steps token by token and so can be run through sessions.
    incremental: bool = False
    #: The model folder of a typeahead encoder.
    folder: Path | None = None

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts to float32 (n, dim). Raises ``TypeError`` for a retriever."""
        if self.encoder is None:
            raise TypeError(f"{self.label} retrieves passages and has no embeddings")
        vectors: Vectors = self.encoder.encode(texts)
        return vectors

    def stages(self) -> StagedEncoder:
        """The encoder with its tokenization apart; one of typeahead's starts with nothing remembered."""
        if self.folder is not None:
            return TypeaheadStages(self.encoder, self.folder)
        if not isinstance(self.encoder, StagedEncoder):
            raise TypeError(f"{self.label} does not tell its tokenization from its encoding")
        return self.encoder


class _Given:
    """Stands for a tokenizer and hands out what was tokenized before."""

    def __init__(self, ids: dict[str, tuple[int, ...]]) -> None:
        self.encode = ids.__getitem__


class TypeaheadStages:
    """An encoder of typeahead whose ``encode`` finds its texts tokenized: the same code, less the tokenizer's time."""

    def __init__(self, encoder: Any, folder: Path) -> None:
        self._tokenizer = IncrementalTokenizer.from_file(folder / "tokenizer.json")
        self._encoder = copy.copy(encoder)

    def tokenize(self, texts: Sequence[str]) -> list[tuple[str, tuple[int, ...]]]:
        """Each text with its token ids."""
        return [(text, self._tokenizer.encode(text)) for text in texts]

    def encode_tokens(self, tokens: list[tuple[str, tuple[int, ...]]]) -> Vectors:
        """Encode what :meth:`tokenize` gave."""
        self._encoder.tokenizer = _Given(dict(tokens))
        vectors: Vectors = self._encoder.encode([text for text, _ in tokens])
        return vectors
