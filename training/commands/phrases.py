"""``python -m training.commands.phrases TEXTS.tsv OUT.tsv``: short phrases cut from texts, as pseudo-queries.

Most training queries are questions. But people also search with one to four content words, and type such texts on
their way to longer ones. A phrase neither begins nor ends with one of the most frequent words.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from training.data import Example, read_examples

#: How many of the texts' most frequent words a phrase must not begin or end with.
_FREQUENT = 150
_LONGEST = 4


def cut(examples: Sequence[Example], rng: random.Random) -> Iterator[Example]:
    """Cut one phrase of one to four words from each text, if it has one. No phrase comes twice."""
    counts = Counter(word.lower() for example in examples for word in _words(example.text))
    frequent = {word for word, _ in counts.most_common(_FREQUENT)}
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.commands.phrases", description=__doc__)
    parser.add_argument("texts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--limit", type=int, help="texts to read (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    examples = list(read_examples(options.texts, limit=options.limit))
    phrases = cut(examples, random.Random(options.seed))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("".join(f"{phrase.source}\t{phrase.text}\n" for phrase in phrases), encoding="utf-8")


if __name__ == "__main__":
    main()
