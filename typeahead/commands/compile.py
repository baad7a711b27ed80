"""Compile everything ahead, for an image or a machine whose file system will be read-only.

Without this, the first process that needs a function compiles it and keeps the code in a folder that it can write. Run
this where that folder can still be written, as the last step of an image, with the same Python and packages. The code
goes to NUMBA_CACHE_DIR if that is set, otherwise beside the package, otherwise to the user's cache; servers look for it
in the same places. It is for the processor that it was compiled on: others compile for themselves. To compile for
all of your machines, set NUMBA_CPU_NAME to the oldest and NUMBA_CPU_FEATURES to nothing, here and for the servers.
"""

from __future__ import annotations

import argparse

from typeahead.errors import MissingExtra, TypeaheadError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--check",
        action="store_true",
        help="fail if anything had to be compiled, instead of being loaded from where it was kept",
    )


def run(options: argparse.Namespace) -> None:
    """Compile, and say what was compiled and where it is kept."""
    from typeahead.encoders.compiled.importing import VARIABLE, compiling

    if not compiling():
        raise TypeaheadError(f"{VARIABLE}=0 disables compiled code: unset it to compile")
    try:
        from typeahead.encoders.compiled.ahead import compile_ahead
        from typeahead.encoders.compiled.caching import folders
        from typeahead.encoders.compiled.vnni import supported
    except ImportError as error:
        raise MissingExtra("numba", "fast") from error
    try:
        places = folders()
        done = list(compile_ahead())
    except RuntimeError as error:
        raise TypeaheadError(f"{error}: set NUMBA_CACHE_DIR to a folder that can be written") from error
    now = [one.name for one in done if one.now]
    print(f"{len(done)} functions: {len(now)} compiled, {len(done) - len(now)} loaded")
    for folder, writable in places:
        print(folder if writable else f"{folder} (read-only)")
    if not supported():
        print("this processor has no AVX-512 VNNI: steps of the encoders are not compiled for it")
    if options.check and now:
        raise TypeaheadError(
            f"{', '.join(dict.fromkeys(now))} had to be compiled: run typeahead compile with the same Python, packages "
            "and NUMBA_CACHE_DIR, on the same processor, where that folder can be written"
        )
