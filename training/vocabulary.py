"""A student's own vocabulary: the part of the teacher's that its languages need.

A student's tokens need not be the teacher's. Of the 250,000 pieces of a multilingual tokenizer, a dozen languages use a
fraction. A cut tokenizer keeps the special tokens, all single characters of the scripts that occur in some texts, and
the pieces that occur most often. Everything else is spelt with the pieces that are left. A piece keeps its score, so
most words keep their tokens, and each token still has a row in the teacher's table.

A folder of a vocabulary holds ``tokenizer.json``, and ``rows.safetensors`` with ``rows`` int32 (n,): the teacher's id
of each token. ``python -m training.commands.vocabulary`` writes one, and ``vocabulary = "FOLDER"`` in ``[student]``
uses it.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

_TOKENIZER, _ROWS = "tokenizer.json", "rows.safetensors"
#: Texts tokenised at a time.
_BATCH = 10_000
#: A script whose letters are a smaller share of all does not count.
_LEAST_SHARE = 0.0005
#: How often pieces are chosen anew, after the texts were tokenised with those chosen before.
_ROUNDS = 2
#: The kinds of tokenizers that can be cut. Each merge of a BPE needs those before it.
CUTTABLE = ("Unigram", "WordPiece")


@dataclass(frozen=True)
class Vocabulary:
    """A cut tokenizer, and int32 ``rows`` (n,): the teacher's id of each of its tokens."""

    tokenizer: Tokenizer
    rows: np.ndarray

    def digest(self) -> str:
        """A short hash of both."""
        whole = hashlib.sha256(self.tokenizer.to_str().encode())
        whole.update(np.ascontiguousarray(self.rows, np.int32).tobytes())
        return whole.hexdigest()[:16]

    def save(self, folder: Path) -> None:
        """Write both files into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.save(str(folder / _TOKENIZER), pretty=False)
        save_file({"rows": np.ascontiguousarray(self.rows, np.int32)}, folder / _ROWS)

    @classmethod
    def read(cls, folder: Path) -> Vocabulary:
        """Read a folder that :meth:`save` wrote.

        Raises:
            ValueError: a file is missing, or the two do not belong together.
        """
        for name in (_TOKENIZER, _ROWS):
            if not (folder / name).is_file():
                raise ValueError(f"{folder} has no {name}: write it with python -m training.commands.vocabulary")
        tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        rows = load_file(folder / _ROWS)["rows"]
        if len(rows) != tokenizer.get_vocab_size():
            raise ValueError(
                f"{folder}: the tokenizer has {tokenizer.get_vocab_size():,} tokens, and rows.safetensors "
                f"{len(rows):,}: write the folder again with python -m training.commands.vocabulary"
            )
        return cls(tokenizer, rows)


def cut_vocabulary(
    tokenizer: Tokenizer, texts: Sequence[str], size: int, *, keep: Collection[int] = (), fill: bool = False
) -> Vocabulary:
    """Cut a tokenizer to the ``size`` tokens that some texts need most.

    Args:
        tokenizer: the teacher's, of word pieces or Unigram.
        texts: in the languages that the student is for.
        size: at most how many tokens to keep.
        keep: ids to keep in any case, such as those of a prompt.
        fill: whether the commonest pieces in the scripts of the texts take the room that those of the texts leave:
            where the texts are few, others will have words of their own.

    Raises:
        ValueError: the tokenizer is of another kind, or ``size`` is too small for the tokens that must stay.
    """
    pipeline: dict[str, Any] = json.loads(tokenizer.to_str())
    pieces = _pieces(pipeline)
    counts = count_tokens(tokenizer, texts)
    must = _must_stay(pipeline, pieces, texts) | set(keep)
    if len(must) > size:
        raise ValueError(
            f"{len(must):,} tokens must stay: special ones, those of the prompts, and all characters of the scripts in "
            f"the texts. A vocabulary of {size:,} is too small: raise it, or leave out texts in other scripts"
        )
    scores = _scores(pipeline)
    others = _in_scripts(pipeline, pieces, texts) - must if fill else set()
    chosen = must
    for _ in range(_ROUNDS):
        known = (counts.keys() | others) - must
        ranked = sorted(known, key=lambda number: (-counts[number], -scores.get(number, 0.0), number))
        chosen = must | set(ranked[: size - len(must)])
        made = _made(pipeline, sorted(chosen))
        # The pieces of words that lost theirs are needed more often than before.
        again = count_tokens(made.tokenizer, texts)
        counts |= {int(made.rows[number]): count for number, count in again.items()}
        for unused in chosen - {int(made.rows[number]) for number in again}:
            counts.pop(unused, None)
    return _made(pipeline, sorted(chosen))


def same_vocabulary(tokenizer: Tokenizer, other: Tokenizer) -> Vocabulary:
    """Cut a tokenizer to the tokens of another one, which was cut from it before.

    Raises:
        ValueError: the other one has tokens that this one lacks, or numbers them in another order.
    """
    known, own = tokenizer.get_vocab(), other.get_vocab()
    # A tokenizer of texts alone has spaces around the names of special tokens, so that no text has them.
    rows = [known.get(piece, known.get(piece.strip(), -1)) for piece in sorted(own, key=lambda piece: own[piece])]
    if rows != sorted(rows) or -1 in rows:
        raise ValueError("its vocabulary is not a part of the teacher's")
    return _made(json.loads(tokenizer.to_str()), rows)


def count_tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> Counter[int]:
    """How often each token occurs in some texts."""
    counts: Counter[int] = Counter()
    for start in range(0, len(texts), _BATCH):
        for one in tokenizer.encode_batch_fast(list(texts[start : start + _BATCH]), add_special_tokens=False):
            counts.update(one.ids)
    return counts


def _pieces(pipeline: Mapping[str, Any]) -> dict[int, str]:
    """The pieces of a tokenizer's model by id. ``ValueError`` for a model that cannot be cut."""
    model = pipeline["model"]
    if model["type"] == "Unigram":
        return {number: piece for number, (piece, _) in enumerate(model["vocab"])}
    if model["type"] == "WordPiece":
        return {number: piece for piece, number in model["vocab"].items()}
    raise ValueError(
        f"a vocabulary of the kind {model['type']} cannot be cut, only {' and '.join(CUTTABLE)}: each merge of a BPE "
        "needs those before it. Leave out vocabulary in [student], and the student has the teacher's"
    )


def _scores(pipeline: Mapping[str, Any]) -> dict[int, float]:
    """Of a Unigram model, each piece's log probability, to decide between pieces that occur as often."""
    model = pipeline["model"]
    return {number: score for number, (_, score) in enumerate(model["vocab"])} if model["type"] == "Unigram" else {}


def _must_stay(pipeline: Mapping[str, Any], pieces: Mapping[int, str], texts: Iterable[str]) -> set[int]:
    """The ids of special and added tokens, of the unknown one, and of single characters in the scripts of the texts."""
    must = {int(token["id"]) for token in pipeline.get("added_tokens", [])}
    must |= {number for number, piece in pieces.items() if piece == pipeline["model"].get("unk_token")}
    if pipeline["model"].get("unk_id") is not None:
        must.add(int(pipeline["model"]["unk_id"]))
    characters, scripts = _characters(texts)
    for number, piece in pieces.items():
        bare = _bare(pipeline, piece)
        # "▁" alone begins each word that no piece begins.
        if len(bare) != 1:
            continue
        if bare == "▁" or bare in characters or (bare.isalnum() and _script(bare) in scripts):
            must.add(number)
    return must


def _in_scripts(pipeline: Mapping[str, Any], pieces: Mapping[int, str], texts: Iterable[str]) -> set[int]:
    """The ids of pieces of letters in the scripts of the texts."""
    _, scripts = _characters(texts)
    bare = {number: _bare(pipeline, piece) for number, piece in pieces.items()}
    return {
        number
        for number, piece in bare.items()
        if piece.isalpha() and all(_script(character) in scripts for character in piece)
    }


def _bare(pipeline: Mapping[str, Any], piece: str) -> str:
    """A piece without the mark that says whether it begins a word."""
    prefix = pipeline["model"].get("continuing_subword_prefix", "")
    return piece.removeprefix(prefix) if prefix and piece != prefix else piece.removeprefix("▁") or piece


def _characters(texts: Iterable[str]) -> tuple[Counter[str], set[str]]:
    """The characters of some texts, and the scripts that they are written in."""
    characters = Counter(character for text in texts for character in unicodedata.normalize("NFKC", text))
    scripts: Counter[str] = Counter()
    for character, count in characters.items():
        scripts[_script(character)] += count
    enough = _LEAST_SHARE * scripts.total()
    return characters, {script for script, count in scripts.items() if count >= enough}


def _script(character: str) -> str:
    """The first word of a character's name, which for letters is that of the script: "LATIN", "CJK", "HANGUL"."""
    return unicodedata.name(character, "?").split()[0]


def _made(pipeline: Mapping[str, Any], kept: Sequence[int]) -> Vocabulary:
    """The vocabulary of these ids, in ascending order: only the order counts, so padding keeps the id 0 or 1."""
    new = {old: number for number, old in enumerate(kept)}
    pieces, model = _pieces(pipeline), dict(pipeline["model"])
    if model["type"] == "Unigram":
        # Added tokens need not be in the model: XLM-R's <mask> has the last id and may stand beside it.
        model["vocab"] = [model["vocab"][old] for old in kept if old in pieces]
        model["unk_id"] = None if model["unk_id"] is None else new[model["unk_id"]]
    else:
        model["vocab"] = {pieces[old]: new[old] for old in kept if old in pieces}
    changed = {
        **pipeline,
        "model": model,
        "added_tokens": [{**token, "id": new[token["id"]]} for token in pipeline.get("added_tokens", [])],
        "post_processor": _renumbered(pipeline.get("post_processor"), new),
    }
    return Vocabulary(Tokenizer.from_str(json.dumps(changed)), np.array(kept, np.int32))


def _renumbered(stage: Any, new: Mapping[int, int]) -> Any:
    """A post-processor with the new ids of its special tokens."""
    if not isinstance(stage, dict):
        return stage
    stage = dict(stage)
    for name in ("cls", "sep"):
        if name in stage:
            stage[name] = [stage[name][0], new[stage[name][1]]]
    if stage["type"] == "Sequence":
        stage["processors"] = [_renumbered(one, new) for one in stage["processors"]]
    if stage["type"] == "TemplateProcessing":
        stage["special_tokens"] = {
            name: {**token, "ids": [new[number] for number in token["ids"]]}
            for name, token in stage["special_tokens"].items()
        }
    return stage
