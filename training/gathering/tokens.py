"""Counts tokens as a student reads them: all of the text, special tokens as plain text, nothing added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Texts tokenised at a time.
_BATCH = 8_192


@contextmanager
def plain_texts(tokenizer: Tokenizer) -> Iterator[None]:
    """Let a tokenizer read whole texts and no special tokens within the context, and then as before."""
    padding: dict[str, Any] | None = tokenizer.padding
    truncation: dict[str, Any] | None = tokenizer.truncation
    special: bool = tokenizer.encode_special_tokens
    try:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True
        yield
    finally:
        tokenizer.encode_special_tokens = special
        if padding is not None:
            tokenizer.enable_padding(**padding)
        if truncation is not None:
            tokenizer.enable_truncation(**truncation)


class Counter:
    """Counts the tokens of texts, within :func:`plain_texts`."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        name = getattr(tokenizer.model, "unk_token", None)
        self._unknown = None if name is None else tokenizer.token_to_id(name)

    def __call__(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text."""
        return [len(ids) for ids in self._ids(texts)]

    def known(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text; 0 if there is none but the unknown one."""
        return [0 if set(ids) == {self._unknown} else len(ids) for ids in self._ids(texts)]

    def _ids(self, texts: Sequence[str]) -> Iterator[list[int]]:
        for start in range(0, len(texts), _BATCH):
            part = list(texts[start : start + _BATCH])
            for encoding in self._tokenizer.encode_batch_fast(part, add_special_tokens=False):
                yield encoding.ids
