"""Check every byte of indexes and models, and report damage.

DIR is the folder of an index or a model, or a model's name. Whole files are compared with the checksums recorded when
they were written. No file may be missing, extra or a link, and an index's parts must agree. The output is one line per
folder; for damaged folders, it is one line per problem, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from typeahead.errors import TypeaheadError
from typeahead.progress import ProgressBar

if TYPE_CHECKING:
    from typeahead.verify import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folders", nargs="+", metavar="DIR", help="an index's folder, a model's, or a model's name")
    parser.add_argument(
        "--seal",
        action="store_true",
        help="first add the checksums that a folder from an earlier release lacks, or update the one of a model's "
        "config.json after you edited it; this assumes that the content is correct",
    )


def run(options: argparse.Namespace) -> None:
    """Verify the folders; seal them first if requested."""
    from typeahead.verify import seal_folder

    if options.seal:
        for name in options.folders:
            seal_folder(name)
    wrong: list[str] = []
    for name in options.folders:
        report = verify(name)
        print(*report.wrong or (report,), sep="\n")
        wrong += report.wrong
    if wrong:
        raise SystemExit(1)


def verify(name: str | Path) -> Report:
    """Verify one folder; report unchecked items on standard error."""
    from typeahead.verify import verify_folder

    with ProgressBar() as progress:
        report = verify_folder(name, progress)
    for note in report.notes:
        print(note, file=sys.stderr)
    return report


def refuse_unless_verified(names: Iterable[str | Path]) -> None:
    """Raise :class:`~typeahead.errors.TypeaheadError` for the first folder with a problem."""
    for name in names:
        report = verify(name)
        if report.wrong:
            more = f" (and {len(report.wrong) - 1} more: typeahead verify lists them)" if report.wrong[1:] else ""
            raise TypeaheadError(report.wrong[0] + more)
        print(report, file=sys.stderr)
