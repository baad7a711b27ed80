"""Keeps the files of a generation while a server may still need to open them.

A process that has an index open can keep reading its files even after a build has unlinked them, but no other process
can open them then. A server whose processes must all search the same generation holds a lease: a shared lock on the
generation's folder (``flock``, which ends with its process however that dies). A build does not delete a generation
with a lease; the next build does. If the system or the file system has no such locks, nothing is kept.
"""

from __future__ import annotations

import os
import shutil
import weakref
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, which does not delete open files
    fcntl = None  # type: ignore[assignment]


class Lease:
    """Holds one generation until it is closed; does nothing if the folder ``generation`` does not exist."""

    def __init__(self, generation: Path) -> None:
        self._release = None
        if fcntl is None or not generation.is_dir():
            return
        handle = os.open(generation, os.O_RDONLY)
        self._release = weakref.finalize(self, os.close, handle)
        # If a build holds the exclusive lock it is deleting the generation, and there is nothing to keep.
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def close(self) -> None:
        """Allow builds to delete the generation."""
        if self._release is not None:
            self._release()


def delete_unless_held(generation: Path) -> None:
    """Delete a generation's folder, unless it has a lease or a file in it cannot be deleted."""
    if fcntl is None:
        shutil.rmtree(generation, ignore_errors=True)
        return
    try:
        handle = os.open(generation, os.O_RDONLY)
    except OSError:  # already deleted, or owned by another user
        return
    try:
        # Held until everything is deleted, so that no new lease starts meanwhile.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(generation, ignore_errors=True)
    except BlockingIOError:
        return
    except OSError:  # there are no locks here, so there are no leases either
        shutil.rmtree(generation, ignore_errors=True)
    finally:
        os.close(handle)
