"""Copy an index into one file, or restore it from there.

The index may be in use: the snapshot is that of one moment. It is a tar file with checksums. Restoring checks all of it
before it changes anything.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from typeahead.progress import ProgressBar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = f"{parser.prog} DIR FILE | --restore FILE DIR [--force]"
    parser.add_argument("source", type=Path, metavar="DIR", help="folder of the index; with --restore, the snapshot")
    parser.add_argument("target", type=Path, metavar="FILE", help="the snapshot; with --restore, folder of the index")
    parser.add_argument("--restore", action="store_true", help="make an index of a snapshot")
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace the index that is there, or a file that is no snapshot; an earlier snapshot is always replaced",
    )


def run(options: argparse.Namespace) -> None:
    """Take a snapshot, or restore one."""
    from typeahead.index.restoring import restore
    from typeahead.index.snapshot import take

    with ProgressBar() as progress:
        work = restore if options.restore else take
        done = work(options.source, options.target, progress, force=options.force)
    what = f"{done.documents:,} documents, " if options.restore else ""
    print(f"{options.target}: {what}version {done.version}, {done.bytes / 1e6:.1f} MB")
