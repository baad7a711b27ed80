"""Turns text into token ids on every keystroke, tokenizing only the word that changed.

Texts are split at *safe boundaries*: positions where the tokens of the whole are the tokens of the parts in sequence. A
session keeps the tokens of all parts before the last one. Vocabulary words are looked up, and everything else goes to
the tokenizer. So typing, deleting, pasting and edits in the middle all work the same way, and nothing depends on the
previous text. This module caches no typed text: otherwise one user's text would be found faster by the next user, who
could tell from the time.

Where a boundary is safe depends on the tokenizer. For the known pipelines that split on white space, it is before a
single space between two visible characters. Every other tokenizer gets whole texts, which is slower and always correct.
"One more character, at most one more token" (Property 1 of *Extremely efficient online query encoding*) is not relied
on anywhere: it fails for Hangul, and within a word for byte-level BPE and Unigram.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from json import loads
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from typeahead.errors import ModelCorrupt, TextError

#: A single space between two visible characters. Neither side may be white space, a control character or U+00A0:
#: byte-level pre-tokenizers treat runs of white space differently from single spaces. Nor may the left side be one of
#: the signs that form one character with what follows, even with a space (Grapheme_Cluster_Break=Prepend).
_SAFE_BOUNDARY = re.compile(
    r"(?<=[^\s\x00-\x20\x7f-\xa0\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e"
    r"\U000110bd\U000110c2\U000110c3\U000110cd\U0001193f\U00011941\U000111c2\U000111c3\U00011a3a"
    r"\U00011a84-\U00011a89\U00011d46\U00011f02])(?= [^\s\x00-\x20\x7f-\xa0])"
)

#: Normalizers that treat the text on each side of a space independently.
_SAFE_NORMALIZERS = {"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"}
#: Normalizers among these that may add a space or remove everything between two: safe unless runs of spaces matter.
_SPACING_NORMALIZERS = {"BertNormalizer", "StripAccents"}
#: SentencePiece's table of replacements. It goes by what a reader sees as one character, of which none spans a safe
#: boundary, and may remove or add spaces: safe if the pre-tokenizer drops white space, so that words stand alone.
_TABLE_NORMALIZER = "Precompiled"
_WORDWISE_PRE_TOKENIZERS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
#: Pre-tokenizers that never join text across a single space.
_SAFE_PRE_TOKENIZERS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit", "ByteLevel", "Metaspace", "Digits"}
#: At least one of these must be in the pipeline, since the others do not split on spaces.
_SPLITTING_PRE_TOKENIZERS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit", "ByteLevel", "Metaspace"}

#: Words and punctuation in lower-case printable ASCII, split as BERT's pre-tokenizer does.
_PIECES = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")


def check_text(text: object, *, what: str = "the text") -> str:
    """Return ``text`` if it is valid Unicode, otherwise raise :class:`~typeahead.errors.TextError`."""
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
    if not normalizer_kinds <= _SAFE_NORMALIZERS | {_TABLE_NORMALIZER}:
        return False
    if _TABLE_NORMALIZER in normalizer_kinds and not kinds & _WORDWISE_PRE_TOKENIZERS:
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
    # The tokenizer finds added tokens before it splits the text, and they may contain or absorb a space.
    return not any(
        " " in token["content"] or token["lstrip"] or token["rstrip"]
        for token in pipeline.get("added_tokens", [])
        if not token["special"]
    )


def whole_pieces(pipeline: Mapping[str, Any]) -> dict[str, int]:
    """Token ids of the words and punctuation that a ``tokenizer.json`` keeps whole; empty for an unknown pipeline.

    WordPiece takes the longest vocabulary entry that a word starts with, which for a word in the vocabulary is the word
    itself. So for uncased BERT's pipeline, printable ASCII can be tokenized by looking its pieces up.
    """
    kinds = [stage["type"] for stage in _stages(pipeline.get("pre_tokenizer"), "pretokenizers")]
    normalizers = _stages(pipeline.get("normalizer"), "normalizers")
    uncased = [stage["type"] for stage in normalizers] == ["BertNormalizer"] and normalizers[0]["lowercase"]
    added = any(not token["special"] for token in pipeline.get("added_tokens", []))
    model = pipeline["model"]
    if model["type"] != "WordPiece" or kinds != ["BertPreTokenizer"] or not uncased or added:
        return {}
    longest = model.get("max_input_chars_per_word", 100)
    vocabulary: Mapping[str, int] = model["vocab"]
    return {piece: token for piece, token in vocabulary.items() if len(piece) <= longest and _PIECES.fullmatch(piece)}


def _ids(pipeline: Mapping[str, Any]) -> int:
    """One more than the largest token id of a ``tokenizer.json``, added tokens included."""
    vocabulary = pipeline["model"]["vocab"]
    # Unigram's is a list, in the order of the ids.
    last = len(vocabulary) - 1 if isinstance(vocabulary, list) else max(vocabulary.values(), default=-1)
    return 1 + max([last, *(int(token["id"]) for token in pipeline.get("added_tokens", []))])


class IncrementalTokenizer:
    """A ``tokenizers`` tokenizer for texts that grow.

    It never adds special tokens and treats their names in a text ("[SEP]") as plain text: user input must not control
    the encoder. It does not pad, and truncates only if ``max_chars`` sets a limit in code points. Safe to use from
    several threads. ``vocabulary_size`` is one more than the largest token id, added tokens included.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_chars: int | None = None) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self._max_chars = sys.maxsize if max_chars is None else max_chars
        pipeline = loads(tokenizer.to_str())
        self.splits_at_spaces = splits_at_spaces(pipeline)
        self._pieces = whole_pieces(pipeline)
        self.vocabulary_size = _ids(pipeline)

    @classmethod
    def from_file(cls, path: Path, *, max_chars: int | None = None) -> IncrementalTokenizer:
        """Read a ``tokenizer.json``; raises :class:`~typeahead.errors.ModelCorrupt` if it is not a tokenizer."""
        try:
            return cls(Tokenizer.from_file(str(path)), max_chars=max_chars)
        except Exception as error:  # the Rust binding raises bare Exception
            raise ModelCorrupt(f"{path} is not a tokenizer: {error}", folder=path.parent) from error

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the token ids of ``text``, which must have passed :func:`check_text`."""
        if len(text) > self._max_chars:
            text = text[: self._max_chars]
        if not self.splits_at_spaces or text.isascii():
            return tuple(self._part(text))
        ids: list[int] = []
        for part in _SAFE_BOUNDARY.split(text):
            ids += self._part(part)
        return tuple(ids)

    def encode_on(
        self, text: str, head: str, head_ids: tuple[int, ...]
    ) -> tuple[tuple[int, ...], str, tuple[int, ...]]:
        """Return the token ids of ``text``, tokenizing only what follows ``head`` if the text starts with it.

        Pass ``head`` and ``head_ids`` from the previous call, or empty values at first. ``head`` is a prefix that ends
        at a safe boundary, including the boundary's two characters; ``head_ids`` are its token ids. Returns the ids of
        the text, and both values for the next call.
        """
        if len(text) > self._max_chars:
            text = text[: self._max_chars]
        if not self.splits_at_spaces:
            return tuple(self._part(text)), "", ()
        if head and text.startswith(head):
            start = len(head) - 2
            tail = text[start:]
        else:
            start, tail, head_ids, head = 0, text, (), ""
        if tail.find(" ", 1) < 0:
            return (*head_ids, *self._part(tail)), head, head_ids
        *whole, last = _SAFE_BOUNDARY.split(tail)
        if whole:
            ids = list(head_ids)
            for part in whole:
                ids += self._part(part)
            head_ids = tuple(ids)
            head = text[: len(text) - len(last) + 2]
        return (*head_ids, *self._part(last)), head, head_ids

    def _part(self, part: str) -> Sequence[int]:
        """Token ids of a text or of one part of it."""
        pieces = self._pieces
        if not pieces or not part.isascii() or not part.isprintable():
            return self._whole(part)
        ids: list[int] = []
        for piece in _PIECES.findall(part.lower()):
            token = pieces.get(piece)
            if token is None:
                ids += self._whole(piece)
            else:
                ids.append(token)
        return ids

    def _whole(self, text: str) -> Sequence[int]:
        """Token ids from the tokenizer itself."""
        ids: Sequence[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_texts(texts: Sequence[str]) -> None:
    """Raise :class:`~typeahead.errors.TextError` for the first text that is not valid Unicode."""
    if isinstance(texts, str):
        raise TypeError("encode takes a sequence of texts, not a single text: put it into a list")
    for number, text in enumerate(texts):
        check_text(text, what=f"text {number}")
