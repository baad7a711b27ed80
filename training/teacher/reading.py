"""How a teacher reads a text after a prompt: the ids around it, and a tokenizer for the text alone.

Training and export tokenize with it, and the run-time encoders get the same tokenizer in their folder. So a text has
the same ids everywhere, and together with the ids around it those of prompt and text as a whole.

The names of special tokens in a text ("[SEP]") are plain text here, as at run time: what users type must not control
the encoder. In a prompt they are special tokens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tokenizers import Tokenizer

#: Texts that are tried after a prompt. They begin with letters and digits: some tokenizers join punctuation to what
#: stands before it, whatever the prompt.
_PROBES = ("a", "A", "the", "1", "é", "b c")


@dataclass(frozen=True)
class Reading:
    """How a teacher reads texts after one prompt."""

    #: The ids before and after those of the text, special tokens included.
    before: tuple[int, ...]
    after: tuple[int, ...]
    #: Tokenizes the text alone.
    tokenizer: Tokenizer
    #: Whether the tokenizer puts the space that ends the prompt into the text's first token.
    spaced: bool = False

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text alone: all of them, without special tokens."""
        return [one.ids for one in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


def read_after(whole: Callable[[str], Sequence[int]], plain: Tokenizer, prompt: str, name: str) -> Reading:
    """Find out how a teacher reads texts after ``prompt``.

    Args:
        whole: gives the ids of a text with special tokens, as the teacher takes them.
        plain: :func:`text_tokenizer` of the teacher's tokenizer.
        prompt: may be empty.
        name: of the teacher, for errors.

    Raises:
        ValueError: the prompt and the text after it share a token, so the text has no ids of its own.
    """
    if prompt[-1:].isalnum():
        raise _merges(prompt, name)
    wholes = [list(whole(prompt + probe)) for probe in _PROBES]
    for number, candidate in enumerate(chain((plain,), _spaced(plain) if prompt.endswith(" ") else ())):
        around = _around(wholes, [candidate.encode(probe, add_special_tokens=False).ids for probe in _PROBES])
        if around is not None:
            return Reading(*around, candidate, spaced=number > 0)
    raise _merges(prompt, name)


def _merges(prompt: str, name: str) -> ValueError:
    return ValueError(
        f"the tokenizer of {name} merges the prompt {prompt!r} with the text after it: end the prompt with a space"
    )


def text_tokenizer(tokenizer: Tokenizer) -> Tokenizer:
    """A copy of a tokenizer that reads the names of special tokens as text, and neither cuts nor pads."""
    pipeline: dict[str, Any] = json.loads(tokenizer.to_str())
    names = {token["content"] for token in pipeline.get("added_tokens", []) if token["special"]}
    model = pipeline["model"]
    changed = False
    if model["type"] == "Unigram":
        # Their names are pieces of the vocabulary too, with the best of all scores. Scores cannot say "never", because
        # that of an unknown character depends on the lowest. No text has a space here: it is spelt "▁".
        for piece in model["vocab"]:
            if piece[0] in names:
                piece[0], changed = f" {piece[0]} ", True
        hidden = {piece[0].strip() for piece in model["vocab"] if piece[0].startswith(" ")}
        for token in pipeline["added_tokens"]:
            if token["special"] and token["content"] in hidden:
                token["content"] = f" {token['content']} "
    return _ready(Tokenizer.from_str(json.dumps(pipeline) if changed else tokenizer.to_str()))


def _spaced(plain: Tokenizer) -> Iterator[Tokenizer]:
    """Copies of a tokenizer that read a text as if a space stood before it."""
    pipeline: dict[str, Any] = json.loads(plain.to_str())
    stage = pipeline.get("pre_tokenizer") or {}
    # These settings keep single spaces safe to split at. They are right only where no other stage splits first.
    for kind, setting in (("ByteLevel", {"add_prefix_space": True}), ("Metaspace", {"prepend_scheme": "first"})):
        if stage.get("type") == kind:
            yield _ready(Tokenizer.from_str(json.dumps(pipeline | {"pre_tokenizer": stage | setting})))
    before: dict[str, Any] = {"type": "Prepend", "prepend": " "}
    other = pipeline.get("normalizer")
    steps = [before] if other is None else [before, other]
    yield _ready(Tokenizer.from_str(json.dumps(pipeline | {"normalizer": {"type": "Sequence", "normalizers": steps}})))


def _ready(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer


def _around(wholes: Sequence[list[int]], alone: Sequence[list[int]]) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The ids before and after the texts, if they are the same for all."""
    first, text = wholes[0], alone[0]
    for at in range(len(first) - len(text), -1, -1):
        before, after = first[:at], first[at + len(text) :]
        if all(whole == before + own + after for whole, own in zip(wholes, alone, strict=True)):
            return tuple(before), tuple(after)
    return None
