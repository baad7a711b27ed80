"""Search the documentation of this Python in the browser.

Indexes every public module, class, function and method of the standard library of the Python that runs this, once,
and serves the search box.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import typeahead
from typeahead.commands.serve import add_server_arguments, read_config, run_server
from typeahead.progress import ProgressBar

#: What the page offers while its field is empty.
EXAMPLES = ["read a file line by line", "run several tasks at once", "pick a random item"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--folder", type=Path, default=Path(".typeahead"), help="where the demo's index is kept")
    add_server_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Index if need be, and serve."""
    from typeahead.demo.building import ensure_demo_index

    options.example = options.example or EXAMPLES
    # Whoever tries it at home is the operator.
    options.timings |= not read_config(options).public
    encoder = typeahead.load("minilm-doc", threads=os.cpu_count() or 1)
    with ProgressBar() as progress:
        index = ensure_demo_index(options.folder, encoder, progress)
    run_server(options, index, encoder)
