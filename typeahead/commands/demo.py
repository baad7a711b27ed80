"""Search the documentation of this Python in the browser.

The first start indexes every public module, class, function and method of the standard library of the Python that runs
this; then the search box is served. Every setting below can also be given by an environment variable, such as
TYPEAHEAD_MAX_CHARS for --max-chars.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Final

import typeahead
from typeahead.commands.serve import DEFAULT_INDEX, all_settings, read_settings, run_server
from typeahead.progress import ProgressBar
from typeahead.settings.declaring import Declared
from typeahead.settings.flags import add_flags

#: What the page suggests while its field is empty.
EXAMPLES: Final = ("read a file line by line", "run several tasks at once", "pick a random item")

#: Settings of ``typeahead serve`` that the demo has no use for.
_FIXED: Final = frozenset({"index", "passage_encoder", "lexical", "verify", "workers"})


def demo_settings() -> tuple[Declared, ...]:
    """The settings of ``typeahead serve`` that the demo has, too."""
    return tuple(each for each in all_settings() if each.name not in _FIXED)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "typeahead demo [--folder FOLDER] [SETTING ...]"
    parser.add_argument(
        "--folder", type=Path, default=Path(".typeahead"), metavar="FOLDER", help="Folder that keeps the demo's index."
    )
    add_flags(parser, demo_settings())


def run(options: argparse.Namespace) -> None:
    """Build the index if there is none yet, and serve it."""
    from typeahead.demo.building import ensure_demo_index
    from typeahead.server import ServerConfig

    settings = read_settings(options, demo_settings())
    if settings.is_default("examples"):
        settings = settings.replaced("examples", EXAMPLES)
    # A server that only this machine reaches has no clients but its operator.
    if settings.is_default("timings") and not settings.make(ServerConfig).public:
        settings = settings.replaced("timings", True)
    with settings.explained():
        settings.make(ServerConfig)
        encoder = typeahead.load("minilm-doc", threads=os.cpu_count() or 1)
        with ProgressBar() as progress:
            index = ensure_demo_index(options.folder, encoder, progress)
        run_server(settings, {DEFAULT_INDEX: str(index)}, encoder)
