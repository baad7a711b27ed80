"""One module per command: its arguments, and the code that runs it."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from typeahead.errors import TypeaheadError
from typeahead.search.reading import CONTINUATIONS, MOST_CONTINUATIONS

if TYPE_CHECKING:
    from typeahead.core.encoder import IncrementalEncoder
    from typeahead.search.asking import Asker
    from typeahead.search.port import Backend


def warn(message: str) -> None:
    """Write a warning to standard error."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """Declare how texts are encoded and read: :func:`load_typed` and :func:`make_asker` take what is given."""
    parser.add_argument(
        "--encoder",
        help="encoder of what is typed: a model's name or folder (default: minilm-causal where this machine runs it "
        "fast, otherwise minilm-gru)",
    )
    parser.add_argument(
        "--words", choices=["on", "off"], default="on", help="search words beside vectors (default: on)"
    )
    parser.add_argument(
        "--complete",
        type=_complete,
        default=CONTINUATIONS,
        metavar="N",
        help="search for a half-typed last word as the N commonest words of the index that begin like it; 0 takes it "
        f"as it stands (default: {CONTINUATIONS})",
    )
    # Earlier forms of --words, which go in 0.3.0.
    parser.add_argument("--hybrid", choices=["off", "linear", "rrf"], action=_Hybrid, help=argparse.SUPPRESS)
    parser.add_argument("--lexical-weight", type=float, help=argparse.SUPPRESS)


def _complete(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST_CONTINUATIONS:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number from 0 to {MOST_CONTINUATIONS}")
    return int(text)


class _Hybrid(argparse.Action):
    """Sets ``words`` by the earlier flag, and says so."""

    def __call__(self, _parser: object, namespace: argparse.Namespace, value: object, flag: str | None = None) -> None:
        words = "off" if value == "off" else "on"
        warn(f"{flag} goes in 0.3.0: give --words {words}")
        namespace.words = words


def make_asker(encoder: IncrementalEncoder, backend: Backend, options: argparse.Namespace) -> Asker:
    """Make what asks ``backend``, by the flags of :func:`add_search_options`."""
    from typeahead.core.engine import Engine
    from typeahead.search.asking import Asker, finds_words

    words = options.words == "on" and finds_words(backend)
    return Asker(Engine(encoder), words=words, continuations=options.complete)


def load_typed(name: str | None) -> IncrementalEncoder:
    """Load the encoder of what is typed: a model's name or folder, None for the best on this machine.

    Raises :class:`~typeahead.errors.TypeaheadError` for a model that cannot encode what is typed.
    """
    from typeahead.core.encoder import IncrementalEncoder
    from typeahead.encoders.loading import load, load_default

    encoder = load_default() if name is None else load(name)
    if not isinstance(encoder, IncrementalEncoder):
        raise TypeaheadError(f"{name} cannot encode what is typed: give a query encoder")
    return encoder


def input_lines() -> Iterator[str]:
    """Yield the lines of standard input, decoded as UTF-8.

    Invalid bytes become lone surrogates, which encoders reject with an error that names the text and the position.
    """
    for line in io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="surrogateescape"):
        yield line.rstrip("\r\n")
