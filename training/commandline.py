"""How the programs of training end if their recipe is wrong: with one line, not with a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

from training.entries import RecipeError


def run(main: Callable[[], None]) -> None:
    """Run a program. Exit with status 1 and one line if its recipe is wrong."""
    try:
        main()
    except RecipeError as error:
        sys.exit(" ".join(str(error).split()))
