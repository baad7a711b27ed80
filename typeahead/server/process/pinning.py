"""The index that all workers of one server search: the generation that was current when the first one started.

If a worker died after a new index was built, its replacement would open the new one, and one address would answer from
two indexes. So the process that starts the workers holds a generation and hands its manifest to each of them. Only
somebody who deletes files by hand can make that generation unreadable; then all workers end before any starts on
another.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from typeahead.errors import IndexFolderError
from typeahead.index.lease import Lease, delete_unless_held
from typeahead.index.manifest import Manifest

log = logging.getLogger(__name__)

#: How often to try again when a newer index replaces the one that was about to be held.
_ATTEMPTS: Final = 3


class PinnedIndexes:
    """Holds one generation of each of some indexes, from :meth:`take` to :meth:`close`."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._indexes = [PinnedIndex(folder) for folder in folders]

    def take(self) -> None:
        """Hold the current generation of each, in place of the one that was held.

        Raises :class:`~typeahead.errors.IndexFolderError` if there is no index.
        """
        for index in self._indexes:
            index.take()

    @property
    def warnings(self) -> list[str]:
        """What people should know of the generations that are held."""
        return [warning for index in self._indexes if (warning := index.warning)]

    @property
    def is_there(self) -> bool:
        """Whether all generations can still be opened."""
        return all(index.is_there for index in self._indexes)

    @property
    def arguments(self) -> list[str]:
        """The command line arguments that tell a worker which generations to open."""
        return [argument for index in self._indexes for argument in index.arguments]

    def close(self) -> None:
        """Release the generations."""
        for index in self._indexes:
            index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class PinnedIndex:
    """Holds one generation of the index in ``folder``, from :meth:`take` to :meth:`close`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handed = tempfile.TemporaryDirectory(prefix="typeahead-")
        self._lease: Lease | None = None
        self._generation = folder

    def take(self) -> None:
        """Hold the current generation, in place of the one that was held.

        Raises :class:`~typeahead.errors.IndexFolderError` if there is no index.
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
        """The command line arguments that tell a worker which generation to open."""
        return ["--pinned", self._handed.name]

    def close(self) -> None:
        """Release the generation, and delete it if a newer one is current, which the build could not do."""
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
