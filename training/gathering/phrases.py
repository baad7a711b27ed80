"""Short phrases cut from texts.

Most training queries are questions. But people also search with one to four content words, and type such texts on
their way to longer ones. A phrase neither begins nor ends with one of the most frequent words.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from training.data import Example

#: How many of the texts' most frequent words a phrase must not begin or end with, and at most which share of all words.
_FREQUENT, _SHARE = 150, 0.05
_LONGEST = 4
#: Runs of Chinese characters, kana, Thai, Lao, Khmer and Burmese.
_UNSPACED = re.compile("[\u3005\u3041-\u3096\u30a1-\u30fc\u3400-\u9fff\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff]{4,}")


def cut(examples: Sequence[Example], rng: random.Random) -> Iterator[Example]:
    """Cut one phrase of one to four words from each text, if it has one. No phrase comes twice."""
    counts = Counter(word.lower() for example in examples for word in _words(example.text))
    frequent = {word for word, _ in counts.most_common(min(_FREQUENT, int(_SHARE * len(counts))))}
    seen: set[str] = set()
    for example in examples:
        words = _words(example.text)
        length = rng.randint(1, _LONGEST)
        starts = [
            start
            for start in range(len(words) - length + 1)
            if words[start].lower() not in frequent and words[start + length - 1].lower() not in frequent
        ]
        if not starts:
            continue
        start = rng.choice(starts)
        phrase = " ".join(words[start : start + length])
        if len(phrase) > 2 and phrase.lower() not in seen:
            seen.add(phrase.lower())
            yield Example(example.source, phrase)


def _words(text: str) -> list[str]:
    return [word for part in text.split() if (word := part.strip(".,;:!?()[]\"'"))]


def cut_unspaced(text: str, rng: random.Random) -> str | None:
    """Cut two to eight characters out of a clause of a script without spaces; ``None`` for a text of another script."""
    clauses = [found[0] for found in _UNSPACED.finditer(text)]
    if not clauses:
        return None
    clause = rng.choice(clauses)
    length = rng.randint(2, min(8, len(clause)))
    start = rng.randint(0, len(clause) - length)
    return clause[start : start + length]
