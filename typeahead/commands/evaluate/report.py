"""One Markdown page with the figures of other measurements' JSON files, and their curves as SVG beside it.

Each table has the command that printed its figures; hardware, versions and seeds come from the files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from typeahead.commands.evaluate import common
from typeahead.errors import TypeaheadError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "results", type=Path, nargs="+", metavar="FILE", help="files that other measurements wrote with --json"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.md", help="the page; curves go beside it")
    parser.add_argument("--title", default="Offline evaluation", help="heading of the page")
    parser.add_argument(
        "--texts", action="store_true", help="show the worst queries' texts, which belong to the collection"
    )


def run(options: argparse.Namespace) -> None:
    """Read the files and write the page."""
    from typeahead.evaluate.report.page import write_report
    from typeahead.evaluate.report.results import read_results

    common.require(common.PLOTS)
    common.refuse_unwritable(options.out)
    if options.out.resolve() in {path.resolve() for path in options.results}:
        raise TypeaheadError(f"{options.out} is one of the files to read: give another file for the page")
    records = [read_results(path) for path in options.results]
    write_report(records, options.out, title=options.title, texts=options.texts)
    print(options.out)
