"""C code that is compiled when a measurement runs, into a temporary folder, by the machine's own compiler."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

from typeahead.errors import TypeaheadError


class NoCompiler(TypeaheadError):
    """This machine has no C compiler."""


def has_compiler() -> bool:
    """Whether this machine has a C compiler."""
    return _compiler() is not None


def _compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def compiled(source: Path, *, tuned: bool = True) -> ctypes.CDLL:
    """Compile one C file with -O3, and for exactly this processor if ``tuned``, then load it.

    Raises :class:`NoCompiler`, or :class:`~typeahead.errors.TypeaheadError` with the compiler's first error.
    """
    compiler = _compiler()
    if compiler is None:
        raise NoCompiler(f"{source.name} needs a C compiler: install gcc or clang")
    with tempfile.TemporaryDirectory(prefix="typeahead-bench-") as folder:
        library = Path(folder) / f"{source.stem}.so"
        command = [compiler, "-O3", *(["-march=native"] if tuned else []), "-shared", "-fPIC"]
        command += ["-o", str(library), str(source)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:200])
            raise TypeaheadError(f"{compiler} cannot compile {source.name}: {first}")
        # Once loaded, the library no longer needs its file.
        return ctypes.CDLL(str(library))
