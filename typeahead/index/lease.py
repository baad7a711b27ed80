"""Keeps the files of a generation while somebody wants to open them again.

Whoever has an index open keeps its files, also after a build deleted their names; but nobody else can open them then. A
server whose processes all have to search one generation holds a lease: a shared lock on the generation's folder
(``flock``, which ends with its process however it dies). A build deletes no generation that is held; the next one does.
Where the system or the file system has no such locks nothing is kept.
"""

from __future__ import annotations

import os
import shutil
import weakref
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, which deletes no file that is open
    fcntl = None  # type: ignore[assignment]


class Lease:
    """Holds one generation until it is closed; nothing if the folder ``generation`` is not there."""

    def __init__(self, generation: Path) -> None:
        self._release = None
        if fcntl is None or not generation.is_dir():
            return
        handle = os.open(generation, os.O_RDONLY)
        self._release = weakref.finalize(self, os.close, handle)
        # A build that is deleting it has it alone, and then it is gone.
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def close(self) -> None:
        """Let builds delete it."""
        if self._release is not None:
            self._release()


def delete_unless_held(generation: Path) -> None:
    """Delete a generation's folder, unless somebody holds it or a file in it cannot be deleted."""
    if fcntl is None:
        shutil.rmtree(generation, ignore_errors=True)
        return
    try:
        handle = os.open(generation, os.O_RDONLY)
    except OSError:  # gone already, or not ours
        return
    try:
        # Held until all is gone: nobody takes a lease meanwhile.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(generation, ignore_errors=True)
    except BlockingIOError:
        return
    except OSError:  # there are no locks here, so nobody holds one
        shutil.rmtree(generation, ignore_errors=True)
    finally:
        os.close(handle)
