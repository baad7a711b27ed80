"""Text to token ids, key by key: only the word that changed is tokenized again.

A text is cut at *safe boundaries*, places where the tokens of the whole are the tokens of the parts, one after the
other; the parts are looked up in a bounded memo, and a part that is new goes to the tokenizer. So typing, deleting,
pasting and edits in the middle are one case, nothing depends on the text before, and sessions share what they type.

Where a boundary is safe depends on the tokenizer. For pipelines that split on white space and that are known here, it
is before a single space between two visible characters; every other tokenizer gets whole texts, which is slower and
always right. "One more character, at most one more token" (Property 1 of *Extremely efficient online query encoding*)
is relied upon nowhere: it fails for Hangul, and within a word for byte-level BPE and Unigram.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from json import loads
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from typeahead.errors import ModelCorrupt, TextError

#: A single space between two visible characters. Neither side may be white space, a control character or U+00A0:
#: byte-level pre-tokenizers bind runs of white space differently from single spaces.
_SAFE_BOUNDARY = re.compile(r"(?<=[^\s\x00-\x20\x7f-\xa0])(?= [^\s\x00-\x20\x7f-\xa0])")

#: Normalizers that do not look beyond a space.
_SAFE_NORMALIZERS = {"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"}
#: Of these, the ones that may add a space or remove all that stands between two: safe unless runs of spaces matter.
_SPACING_NORMALIZERS = {"BertNormalizer", "StripAccents"}
#: Pre-tokenizers that never join what stands on both sides of a single space.
_SAFE_PRE_TOKENIZERS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit", "ByteLevel", "Metaspace", "Digits"}
#: Of these at least one must be in the pipeline, since the others do not split on spaces.
_SPLITTING_PRE_TOKENIZERS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit", "ByteLevel", "Metaspace"}

#: Parts beyond this length are tokenized without being remembered.
_LONGEST_REMEMBERED = 64


def check_text(text: object, *, what: str = "the text") -> str:
    """Return ``text`` if it is valid Unicode, else raise :class:`~typeahead.errors.TextError`."""
    if not isinstance(text, str):
        raise TextError(f"{what} is of type {type(text).__name__}, not str")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise TextError(
                f"{what} has a lone surrogate (U+{ord(text[error.start]):04X}) at position {error.start}: "
                "send whole code points",
                position=error.start,
            ) from None
    return text


def _stages(stage: Mapping[str, Any] | None, members: str) -> list[Mapping[str, Any]]:
    if stage is None:
        return []
    if stage["type"] == "Sequence":
        return [inner for part in stage[members] for inner in _stages(part, members)]
    return [stage]


def splits_at_spaces(pipeline: Mapping[str, Any]) -> bool:
    """Whether a single space between visible characters is a safe boundary of this ``tokenizer.json``."""
    normalizers = _stages(pipeline.get("normalizer"), "normalizers")
    pre_tokenizers = _stages(pipeline.get("pre_tokenizer"), "pretokenizers")
    kinds = {stage["type"] for stage in pre_tokenizers}
    normalizer_kinds = {stage["type"] for stage in normalizers}
    if not normalizer_kinds <= _SAFE_NORMALIZERS:
        return False
    if "ByteLevel" in kinds and normalizer_kinds & _SPACING_NORMALIZERS:
        return False
    if not kinds <= _SAFE_PRE_TOKENIZERS or not kinds & _SPLITTING_PRE_TOKENIZERS:
        return False
    for stage in pre_tokenizers:
        if stage["type"] == "ByteLevel" and not stage.get("use_regex", True):
            return False
        if stage["type"] == "Metaspace" and not stage.get("split", True):
            return False
    # Added tokens are found before the text is split, and may hold or swallow a space.
    return not any(
        " " in token["content"] or token["lstrip"] or token["rstrip"]
        for token in pipeline.get("added_tokens", [])
        if not token["special"]
    )


class IncrementalTokenizer:
    """A ``tokenizers`` tokenizer that remembers the parts of texts.

    Special tokens are never added, and their names in a text ("[SEP]") are text: what people type does not control
    the encoder. Nothing is padded here, and nothing is cut unless ``max_chars`` says after how many code points.
    ``memo_size`` bounds the number of remembered parts.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_chars: int | None = None, memo_size: int = 65_536) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self._max_chars = sys.maxsize if max_chars is None else max_chars
        # Parts go from here to the older ones and come back when they are met again. What is older still is dropped one
        # by one: to free 65,536 of them together takes 3 ms, in which every session waits.
        self._memo: dict[str, tuple[int, ...]] = {}
        self._older: dict[str, tuple[int, ...]] = {}
        self._dropped: dict[str, tuple[int, ...]] = {}
        self._generation = max(1, memo_size // 3)
        self.splits_at_spaces = splits_at_spaces(loads(tokenizer.to_str()))

    @classmethod
    def from_file(cls, path: Path, *, max_chars: int | None = None) -> IncrementalTokenizer:
        """Read a ``tokenizer.json``; :class:`~typeahead.errors.ModelCorrupt` if it is none."""
        try:
            return cls(Tokenizer.from_file(str(path)), max_chars=max_chars)
        except Exception as error:  # the Rust binding raises bare Exception
            raise ModelCorrupt(f"{path} is not a tokenizer: {error}", folder=path.parent) from error

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, added tokens included."""
        size: int = self._tokenizer.get_vocab_size(with_added_tokens=True)
        return size

    def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of ``text``, which :func:`check_text` has passed."""
        if len(text) > self._max_chars:
            text = text[: self._max_chars]
        memo = self._memo
        if not self.splits_at_spaces:
            return memo.get(text) or self._part(text)
        ids: list[int] = []
        for part in _SAFE_BOUNDARY.split(text):
            known = memo.get(part)
            ids += self._part(part) if known is None else known
        return tuple(ids)

    def encode_on(
        self, text: str, head: str, head_ids: tuple[int, ...]
    ) -> tuple[tuple[int, ...], str, tuple[int, ...]]:
        """Token ids of ``text``, tokenizing no more than what follows ``head``, where the text begins with it.

        ``head`` and ``head_ids`` are what an earlier call returned, empty at first: a beginning that ends at a safe
        boundary, with the two characters that make it one, and its token ids. Returns the ids, and both for next time.
        """
        if len(text) > self._max_chars:
            text = text[: self._max_chars]
        if not self.splits_at_spaces:
            return self._memo.get(text) or self._part(text), "", ()
        if head and text.startswith(head):
            start = len(head) - 2
            tail = text[start:]
        else:
            start, tail, head_ids, head = 0, text, (), ""
        memo = self._memo
        if tail.find(" ", 1) < 0:
            known = memo.get(tail)
            return head_ids + (self._part(tail) if known is None else known), head, head_ids
        *whole, last = _SAFE_BOUNDARY.split(tail)
        if whole:
            ids = list(head_ids)
            for part in whole:
                known = memo.get(part)
                ids += self._part(part) if known is None else known
            head_ids = tuple(ids)
            head = text[: len(text) - len(last) + 2]
        known = memo.get(last)
        return head_ids + (self._part(last) if known is None else known), head, head_ids

    def _part(self, part: str) -> tuple[int, ...]:
        ids = self._older.get(part)
        if ids is None:
            ids = tuple(self._tokenizer.encode(part, add_special_tokens=False).ids)
        if len(part) <= _LONGEST_REMEMBERED:
            if len(self._memo) >= self._generation:
                # Where several threads encode, what one of them loses costs a call to come back.
                self._memo, self._older, self._dropped = {}, self._memo, self._older
            self._memo[part] = ids
            if self._dropped:
                with suppress(KeyError):  # another thread took the last one
                    self._dropped.popitem()
        return ids
