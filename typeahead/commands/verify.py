"""Read every byte of indexes and models, and say what is wrong with them.

DIR is the folder of an index or a model, or a model's name. Whole files are compared with the sums that were kept when
they were written; nothing may be missing, left over or a link, and an index's parts must agree. One line for each thing
that is wrong, and exit status 1; else one line for each folder.
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
        help="first add the sums that a folder of an earlier release lacks, or renew that of a model's config.json "
        "which you changed, taking what lies there as right",
    )


def run(options: argparse.Namespace) -> None:
    """Verify, and seal before it where that is asked for."""
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
    """Verify one folder; what could not be looked at goes to standard error."""
    from typeahead.verify import verify_folder

    with ProgressBar() as progress:
        report = verify_folder(name, progress)
    for note in report.notes:
        print(note, file=sys.stderr)
    return report


def refuse_unless_verified(names: Iterable[str | Path]) -> None:
    """Raise :class:`~typeahead.errors.TypeaheadError` for the first folder that something is wrong with."""
    for name in names:
        report = verify(name)
        if report.wrong:
            more = f" (and {len(report.wrong) - 1} more: typeahead verify lists them)" if report.wrong[1:] else ""
            raise TypeaheadError(report.wrong[0] + more)
        print(report, file=sys.stderr)
