"""The ``typeahead`` command: its arguments and exit statuses. The commands themselves are in :mod:`typeahead.commands`.

The exit status is 0 for success, 2 for wrong usage, and 1 for a failure, with a one-line explanation on standard error.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import typeahead
from typeahead.errors import TypeaheadError
from typeahead.telemetry import silence_libraries

#: Name and help text. Each is a module of :mod:`typeahead.commands` with ``add_arguments(parser)`` and
#: ``run(options)``.
COMMANDS = (
    ("demo", "search the documentation of this Python in the browser"),
    ("serve", "serve an index: search box, websocket, HTTP"),
    ("index", "build an index from documents, or adopt an existing one"),
    ("watch", "keep an index up to date with a folder, as its files change"),
    ("delete", "delete documents of an index, by id or by a filter"),
    ("snapshot", "copy an index into one file, or restore it from there"),
    ("verify", "check every byte of an index or a model, and report damage"),
    ("search", "search an index in the terminal, as you type"),
    ("encode", "turn texts into embeddings"),
    ("evaluate", "measure retrieval quality"),
    ("bench", "measure latency"),
    ("token", "make a signed token with rights, a filter and an expiry"),
    ("compile", "compile everything ahead, for a read-only file system"),
    ("train", "train an encoder for your own teacher"),
    ("models", "list, show, verify and import models"),
)


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows a default only if there is one and the help does not name it already."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, [], "") or "(default" in (action.help or ""):
            return action.help
        return super()._get_help_string(action)


class _Version(argparse.Action):
    """Prints the version, which takes 10 ms to look up, only if it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"typeahead {typeahead.__version__}")
        parser.exit()


class _AnyOrder(argparse.ArgumentParser):
    """Takes positional arguments before, between and after options.

    ``argparse`` gives all positional arguments up to the next option at once. So an optional one after an option is
    refused: ``typeahead search INDEX --encoder MODEL QUERY``.
    """

    _inside = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[argparse.Namespace, list[str]]:  # type: ignore[override]
        """Parse in any order, unless a command follows or a "--" says where options end."""
        fixed = any(action.nargs == argparse.PARSER for action in self._actions) or "--" in (args or ())
        if self._inside or fixed:
            return super().parse_known_args(args, namespace)
        # The library's method calls this one.
        self._inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False


def parser(chosen: str | None) -> argparse.ArgumentParser:
    """Make the command line parser; only the ``chosen`` command is imported and gets its arguments."""
    root = argparse.ArgumentParser(
        prog="typeahead", description="An incremental query encoder for search boxes.", allow_abbrev=False
    )
    root.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_AnyOrder)
    for name, summary in COMMANDS:
        command = commands.add_parser(name, help=summary, allow_abbrev=False, formatter_class=_Help)
        if name == chosen:
            module = importlib.import_module(f"typeahead.commands.{name}")
            command.description = module.__doc__
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    command = next((argument for argument in arguments if not argument.startswith("-")), None)
    silence_libraries()
    try:
        options = parser(command).parse_args(arguments)
        options.arguments = arguments
        options.run(options)
        # A closed pipe is detected here rather than at interpreter exit, where it would print a traceback.
        sys.stdout.flush()
    except TypeaheadError as error:
        print(f"typeahead {command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"typeahead {command}: {where}{error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
