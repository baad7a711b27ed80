"""The file of revoked tokens: the name (``jti``) of one a line, read again when it changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from typeahead.errors import TypeaheadError

log = logging.getLogger(__name__)

#: Seconds between two looks at the file.
LOOK_SECONDS: Final = 1.0
#: Bytes that are read: some million names.
_MAX_BYTES: Final = 32 << 20


class RevokedUnreadable(TypeaheadError):
    """The file of revoked tokens cannot be read."""


class Revoked:
    """Names of revoked tokens. Blank lines, and what follows ``#``, do not count.

    Raises :class:`RevokedUnreadable` for a file that cannot be read at first. Later the names of before stay in force,
    and the log says so.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._looked = clock()
        self._state = self._stat()
        self._names = self._read()

    def __contains__(self, name: str) -> bool:
        now = self._clock()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._refresh()
        return name in self._names

    def _refresh(self) -> None:
        try:
            state = self._stat()
            if state != self._state:
                self._names = self._read()
                self._state = state
        except RevokedUnreadable as error:
            log.warning("%s: the tokens that were revoked before stay revoked", error)

    def _stat(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError as error:
            raise self._unreadable(error.strerror) from None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> frozenset[str]:
        try:
            with self._path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
            if len(data) > _MAX_BYTES:
                raise self._unreadable(f"it has more than {_MAX_BYTES} bytes")
            lines = data.decode("utf-8-sig").splitlines()
        except OSError as error:
            raise self._unreadable(error.strerror) from None
        except UnicodeDecodeError as error:
            raise self._unreadable(f"byte {error.start} is not UTF-8") from None
        return frozenset(name for line in lines if (name := line.partition("#")[0].strip()))

    def _unreadable(self, why: str | None) -> RevokedUnreadable:
        return RevokedUnreadable(f"the file of revoked tokens {self._path} cannot be read ({why})")
