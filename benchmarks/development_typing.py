"""What people type into a search box: names whole, half typed and misspelt, rare words, half words, and nonsense.

All of it is drawn with a seed from the words and titles of a :class:`~benchmarks.development_corpus.Corpus`. Each
record is a mapping ready for a line of JSON.
"""

from __future__ import annotations

import math
import random
import re
import string
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.development_corpus import Corpus, split_of, words

__all__ = ["half_words", "misspelt", "names", "nonsense", "postings", "rare_words"]

#: Shares of a name that are typed before somebody looks at the results, in percent.
SHARES = (30, 50, 70, 85)
#: Letters of a rare word, and letters that are left of a half-typed one.
_RARE, _HALF = 5, 5
#: Letters of a word that can hold a slip.
_SLIP = 4
#: Documents that may hold a half-typed word, so that it says something.
_COMMON = 100
_CONSONANTS = "bcdfghjklmnpqrstvwxz"
_KEYS = string.ascii_lowercase + string.digits

Record = Mapping[str, Any]


def postings(corpus: Corpus) -> dict[str, list[str]]:
    """Every word of the corpus, folded, with the ids of the documents that hold it, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for entry in corpus:
        for word in dict.fromkeys(words(f"{entry.title} {entry.text}")):
            found[word].append(entry.id)
    return dict(found)


def names(corpus: Corpus, *, most: int = 1500, seed: int = 0) -> Sequence[Record]:
    """Titles that one document has, of at most 60 code points, as they are typed."""
    owners: dict[str, list[int]] = defaultdict(list)
    for row, entry in enumerate(corpus.entries):
        owners[" ".join(words(entry.title))].append(row)
    rows = [
        row
        for folded, (row, *others) in owners.items()
        if not others and corpus.entries[row].heading and len(folded) >= 4 and len(corpus.entries[row].title) <= 60
    ]
    rng = random.Random(seed)
    made = []
    for row in sorted(rng.sample(rows, min(most, len(rows)))):
        entry = corpus.entries[row]
        typed = {str(share): entry.title[: math.ceil(len(entry.title) * share / 100)] for share in SHARES}
        for slip in ("swap", "deletion"):
            if (text := misspelt(entry.title, slip, rng)) is not None:
                typed[slip] = text
        made.append({"text": entry.title, "id": entry.id, "split": entry.split, "typed": typed})
    return made


def misspelt(text: str, slip: str, rng: random.Random) -> str | None:
    """``text`` with two letters swapped or one left out, never the first of a word; ``None`` if no word is long enough.

    A word of fewer than four letters keeps its letters: without one of them it is another word.
    """
    places: list[int] = []
    for match in re.finditer(rf"[^\W\d_]{{{_SLIP},}}", text):
        inside = range(match.start() + 1, match.end())
        if slip == "swap":
            places += (place for place in inside[:-1] if text[place].lower() != text[place + 1].lower())
        else:
            places += inside
    if not places:
        return None
    place = rng.choice(places)
    if slip == "deletion":
        return text[:place] + text[place + 1 :]
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def rare_words(corpus: Corpus, held: Mapping[str, list[str]], *, most: int = 400, seed: int = 0) -> Sequence[Record]:
    """Words of five letters or more that exactly one document holds."""
    pages = {entry.id: entry.page for entry in corpus}
    rare = sorted(word for word, ids in held.items() if len(ids) == 1 and len(word) >= _RARE and word.isalpha())
    drawn = random.Random(seed).sample(rare, min(most, len(rare)))
    return [{"text": word, "id": held[word][0], "split": split_of(pages[held[word][0]])} for word in drawn]


def half_words(corpus: Corpus, held: Mapping[str, list[str]], *, most: int = 400, seed: int = 0) -> Sequence[Record]:
    """Words of titles cut to five letters.

    ``ids`` are the documents with a word that begins so, ``whole_ids`` those with the word that was meant.
    """
    meant: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in corpus:
        for word in words(entry.title):
            if len(word) > _HALF and word.isalpha() and len(held[word]) <= _COMMON:
                meant[word[:_HALF]].setdefault(word, entry.page)
    rng = random.Random(seed)
    made = []
    for half in rng.sample(sorted(meant), min(most, len(meant))):
        word, page = rng.choice(sorted(meant[half].items()))
        ids = sorted({id for other, ids in held.items() if other.startswith(half) for id in ids})
        made.append({"text": half, "word": word, "ids": ids, "whole_ids": held[word], "split": split_of(page)})
    return made


def nonsense(held: Mapping[str, list[str]], *, most: int = 400, seed: int = 0) -> Sequence[Record]:
    """Texts that no document answers, ``most`` of each kind: ``consonants``, and ``keyboard`` with digits.

    A text is one to three strings of six to ten characters. None of them begins a word of the corpus.
    """
    rng = random.Random(seed)
    made = []
    for kind, letters in (("consonants", _CONSONANTS), ("keyboard", _KEYS)):
        for _ in range(most):
            text = " ".join(_strings(letters, held, rng, rng.randint(1, 3)))
            made.append({"text": text, "kind": kind, "split": split_of(text)})
    return made


def _strings(letters: str, held: Mapping[str, list[str]], rng: random.Random, count: int) -> Iterator[str]:
    while count:
        made = "".join(rng.choices(letters, k=rng.randint(6, 10)))
        if not any(word.startswith(made) for word in held):
            count -= 1
            yield made
