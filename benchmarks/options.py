"""Arguments that commands share, and exit statuses: 2 for bad usage, 1 for a failure explained in one line."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from typeahead.errors import TypeaheadError


def parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    """Make a parser for ``python -m benchmarks.NAME`` with ``--json``; ``doc`` is the module's docstring."""
    made = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=inspect.cleandoc(doc or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to this file; - prints them")
    return made


def add_typing(made: argparse.ArgumentParser) -> None:
    """Declare ``--traces`` and ``--queries``: what is typed."""
    where = "by default from $TYPEAHEAD_DATA (benchmarks/data.md), else synthetic"
    made.add_argument("--traces", type=Path, metavar="FILE", help=f"recorded typing; {where}")
    made.add_argument("--queries", type=Path, metavar="FILE", help=f"one query, or source<TAB>query, a line; {where}")


def add_cores(made: argparse.ArgumentParser) -> None:
    """Declare ``--server-cores`` and ``--client-core``."""
    made.add_argument(
        "--server-cores",
        type=cores,
        default=frozenset({0}),
        metavar="CORES",
        help="cores for the server, such as 0 or 0,1 (0)",
    )
    made.add_argument(
        "--client-core", type=cores, default=frozenset({1}), metavar="CORE", help="core for the client (1)"
    )


def positive(text: str) -> float:
    """Parse an argument that is a number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def whole(text: str) -> int:
    """Parse an argument that is a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def cores(text: str) -> frozenset[int]:
    """Parse an argument that lists cores with commas between them."""
    try:
        found = frozenset(int(core) for core in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of cores such as 0 or 0,1") from None
    return found


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Run a command's ``main`` and end the process with its status."""
    try:
        main(sys.argv[1:])
    except TypeaheadError as error:
        sys.exit(f"{Path(sys.argv[0]).stem}: {error}")
    except OSError as error:
        sys.exit(f"{Path(sys.argv[0]).stem}: {error.filename or ''} {error.strerror or error}")
