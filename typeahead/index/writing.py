"""What an index folder needs from its file system (space, permissions, locks), and the errors if that is missing."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from typeahead.errors import IndexFolderError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED = frozenset({errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM})
#: SQLite's error codes for failures of the file system, as opposed to a file that is not a database.
_SQLITE_SYSTEM = frozenset(
    {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
)


@contextmanager
def explained(out: Path) -> Iterator[None]:
    """Turn errors of the file system below ``out`` into :class:`~typeahead.errors.IndexFolderError`.

    Other errors pass, including those of a document source outside ``out``.
    """
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        advice = _advice(error, out)
        if advice is None:
            raise
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise IndexFolderError(
            f"{out} cannot be written ({reason}), and any existing index there is kept: {advice}", folder=out
        ) from error


def _advice(error: OSError | sqlite3.Error, out: Path) -> str | None:
    again = "then run the same command again"
    if isinstance(error, sqlite3.Error):
        # The low byte of an extended error code is the primary code.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return f"free some space, {again}"
        if code in _SQLITE_SYSTEM:
            return f"check the disk and its permissions, {again}"
        return "run the same command again with --no-resume"
    if error.errno in _FULL:
        return f"free some space, {again}"
    # NumPy's error has no number if only part was written.
    ours = error.filename is not None and Path(os.fsdecode(error.filename)).is_relative_to(out)
    if ours or error.errno in _REFUSED or (error.errno is None and type(error) is OSError):
        return f"check the disk and its permissions, {again}"
    return None


def gives_no_locks(folder: Path) -> str | None:
    """Return why the file system of ``folder`` does not support locks; ``None`` if it does.

    SQLite reports "busy" whether another process holds the lock or the file system has no locks at all.
    """
    if os.name != "posix":
        return None
    import fcntl

    try:
        # Never probe the locked file itself: closing it would drop a lock that this process holds.
        with tempfile.TemporaryFile(dir=folder) as probe:
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.strerror or str(error)
    return None
