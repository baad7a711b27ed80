"""The index that all workers of one server search: the generation that was in force when the first one started.

A worker that is replaced after a new index was built would open the new one, and people would find two indexes behind
one address. So the process that starts workers holds the generation, hands its manifest to each of them, and when it
cannot be opened any more, which takes somebody who deletes it by hand, ends all workers before one starts on another.
"""

from __future__ import annotations

import logging
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from typeahead.errors import IndexFolderError
from typeahead.index.lease import Lease, delete_unless_held
from typeahead.index.manifest import Manifest

log = logging.getLogger(__name__)

#: How often to start again because a newer index took the place of the one that was about to be held.
_ATTEMPTS: Final = 3


class PinnedIndex:
    """Holds one generation of the index in ``folder``, from :meth:`take` to :meth:`close`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handed = tempfile.TemporaryDirectory(prefix="typeahead-")
        self._lease: Lease | None = None
        self._generation = folder

    def take(self) -> None:
        """Hold the generation that is in force now, in place of the one that was held.

        Raises :class:`~typeahead.errors.IndexFolderError` where there is no index.
        """
        for _ in range(_ATTEMPTS):
            manifest = Manifest.read(self._folder)
            if self._lease is not None:
                self._lease.close()
            self._generation = self._folder / manifest.generation
            self._lease = Lease(self._generation)
            if self.is_there:
                break
        manifest.write(Path(self._handed.name))
        log.info("workers search %s of %s: %d documents", manifest.generation, self._folder, manifest.count)

    @property
    def warning(self) -> str | None:
        """What people should know of the generation that is held."""
        return Manifest.read(Path(self._handed.name)).warning

    @property
    def is_there(self) -> bool:
        """Whether the generation can still be opened."""
        return self._generation.is_dir()

    @property
    def arguments(self) -> list[str]:
        """What tells a worker which generation to open."""
        return ["--pinned", self._handed.name]

    def close(self) -> None:
        """Hold it no more; delete it where a build could not, as a newer one is in force."""
        self._handed.cleanup()
        if self._lease is None:
            return
        self._lease.close()
        with suppress(IndexFolderError):
            if Manifest.read(self._folder).generation != self._generation.name and self.is_there:
                delete_unless_held(self._generation)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
