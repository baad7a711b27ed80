"""Make a signed token: what its holder may do, with which documents, and until when.

The token goes to standard output, and its name, by which it can be revoked, to standard error. The key is the first of
the environment variable TYPEAHEAD_SIGNING_KEYS or of --signing-keys-file, as the server has them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import sys
from pathlib import Path
from typing import Any, Final

from typeahead.errors import TypeaheadError, VariableError

#: Seconds of each unit.
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_VARIABLE: Final = "TYPEAHEAD_SIGNING_KEYS"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--right",
        action="append",
        choices=["search", "write", "metrics", "dashboard"],
        default=[],
        help="what the holder may do; may be given more than once",
    )
    parser.add_argument(
        "--filter",
        type=_filter,
        metavar="JSON",
        help='the documents that exist for the holder, such as \'{"tenant": "a"}\'; without one, all',
    )
    parser.add_argument(
        "--index",
        action="append",
        default=[],
        metavar="NAME",
        help="an index that the holder may use, by its name; may be given more than once; without one, all",
    )
    parser.add_argument(
        "--role",
        metavar="NAME",
        help="a role of the PostgreSQL database: what row-level security hides from it does not exist for the holder",
    )
    parser.add_argument(
        "--expires", type=_seconds, metavar="TIME", help="how long it lives: a number with s, m, h or d, such as 1h"
    )
    parser.add_argument("--key", metavar="KID", help="name of the key that signs, if not the first")
    parser.add_argument(
        "--signing-keys-file", type=Path, metavar="FILE", help="file with the keys: kid:secret, one a line"
    )
    parser.add_argument(
        "--new-key",
        metavar="KID",
        help="print a new key of this name instead: a line for the file or the variable of the keys",
    )


def _seconds(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number with s, m, h or d, such as 1h")
    return int(found[1]) * _UNITS[found[2]]


def _filter(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not JSON: {error}") from None


def run(options: argparse.Namespace) -> None:
    """Print a token, or a new key."""
    from typeahead.server.access.signing import KeyRing

    if options.new_key is not None:
        line = f"{options.new_key}:{secrets.token_urlsafe(32)}"
        KeyRing.read(line)
        print(line)
        return
    if options.expires is None:
        raise TypeaheadError("a token has to end: give --expires, such as --expires 1h")
    token, name = KeyRing.read(_keys(options.signing_keys_file)).sign(
        options.right,
        seconds=options.expires,
        filter=options.filter,
        indexes=options.index,
        role=options.role,
        key=options.key,
    )
    print(f"its name is {name}", file=sys.stderr, flush=True)
    print(token)


def _keys(path: Path | None) -> str:
    if path is not None:
        return path.read_text(encoding="utf-8")
    keys = os.environ.get(_VARIABLE)
    if keys is None:
        raise VariableError(_VARIABLE, "", "set it to kid:secret, give --signing-keys-file, or make a key by --new-key")
    return keys
