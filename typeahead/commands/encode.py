"""Encode texts as embeddings: JSON lines on standard output, or a NumPy file.

The texts are the arguments, or the lines of standard input.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

import typeahead
from typeahead.commands import input_lines


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="texts (default: the lines of standard input)")
    parser.add_argument("--encoder", default="minilm-gru", help="a model's name or folder")
    parser.add_argument("--out", type=Path, help="write float32 (n, dim) to this .npy file instead")


#: Texts encoded together; this limits memory when reading from a pipe.
_BATCH = 256


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(texts)
    while batch := list(islice(remaining, _BATCH)):
        yield batch


def run(options: argparse.Namespace) -> None:
    """Encode and print."""
    encoder = typeahead.load(options.encoder)
    vectors = (encoder.encode(batch) for batch in _batches(options.texts or input_lines()))
    if options.out:
        np.save(options.out, np.concatenate([np.empty((0, encoder.dim), np.float32), *vectors]))
        return
    for batch in vectors:
        for vector in batch:
            print(json.dumps([round(float(value), 7) for value in vector]))
