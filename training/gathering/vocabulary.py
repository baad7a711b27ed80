"""The words of a vocabulary: texts that the tokenizer reads as one token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from training.gathering.cleaning import is_mark
from training.gathering.tokens import Counter

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Tokens decoded at a time.
_BATCH = 8_192


def words_of(tokenizer: Tokenizer, count: Counter) -> Iterator[str]:
    """Yield each word of two letters or more that is one token, in the order of ids. Frequent words come first.

    Vocabularies mark words in different ways, so a token is a word if its text is read as one token again. A word may
    come twice, as tokens may differ in what stands before them.
    """
    size = tokenizer.get_vocab_size(with_added_tokens=False)
    for start in range(0, size, _BATCH):
        tokens = [tokenizer.id_to_token(row) for row in range(start, min(start + _BATCH, size))]
        ids = [row for row, token in enumerate(tokens, start) if token and not token.startswith(("##", "[", "<"))]
        found = [text.strip() for text in tokenizer.decode_batch([[row] for row in ids], skip_special_tokens=True)]
        words = [text for text in found if len(text) > 1 and all(one.isalpha() or is_mark(one) for one in text)]
        yield from (word for word, tokens_ in zip(words, count.known(words), strict=True) if tokens_ == 1)
