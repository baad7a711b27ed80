"""``python -m training.commands.phrases TEXTS.tsv OUT.tsv``: short phrases cut from texts, as pseudo-queries.

:mod:`training.gathering.phrases` cuts them and says what they are for.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

from training.data import read_examples
from training.gathering.phrases import cut


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
