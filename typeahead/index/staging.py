"""An index that is being made: a new generation beside the one in force, and the moment when it takes its place.

``build`` and ``adopt`` fill it; the folder's format is told in ``manifest``. While a generation is unfinished its
folder also holds ``recipe.json``: what its content depends on. A later process with the same recipe goes on with what
it finds there, one with another recipe starts anew.

Only what is recognisably an index is ever written into or deleted: names alone prove nothing, since other programs
have a ``manifest.json`` too, and may number generations.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from typeahead.errors import IndexFolderError
from typeahead.index.approximate import search_candidates
from typeahead.index.guard import CAREFUL, Guard
from typeahead.index.lease import delete_unless_held
from typeahead.index.manifest import FORMAT_VERSION, Adoption, Manifest, Teacher, generation_number, sync_folder
from typeahead.index.manifest import LOCK as _LOCK
from typeahead.index.manifest import RECIPE as _RECIPE
from typeahead.index.vectors import VECTORS
from typeahead.index.writing import explained, gives_no_locks
from typeahead.storage.sums import FileEntry

DOCUMENTS = "documents.sqlite"


class Staging:
    """The unfinished generation of the index folder ``out``, held by this process alone.

    With ``resume``, what a killed process with the same ``recipe`` left there is kept. Raises
    :class:`~typeahead.errors.IndexFolderError` if another process is building there, or if ``out`` is something else
    than an index, and then leaves everything as it was; and, also when it is left as a context, where a disk is full or
    a file system refuses otherwise.
    """

    def __init__(self, out: Path, recipe: Mapping[str, Any], *, resume: bool, guard: Guard = CAREFUL) -> None:
        self.out = out
        self._guard = guard
        with explained(out):
            _refuse_other_folders(out)
            out.mkdir(parents=True, exist_ok=True)
            self._lock = lock_folder(out)
            self._prepare(recipe, resume=resume)

    def _prepare(self, recipe: Mapping[str, Any], *, resume: bool) -> None:
        out = self.out
        try:
            self.folder = _next_folder(out)
            text = json.dumps(recipe, indent=2, sort_keys=True)
            if not resume or _read(self.folder / _RECIPE) != text:
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder.mkdir()
                (self.folder / _RECIPE).write_text(text, encoding="utf-8")
            self._others = [path for path in _generations(out) if path != self.folder]
        except BaseException:
            self._lock.close()
            raise

    def check(self, count: int) -> None:
        """Raise :class:`~typeahead.errors.ReplacementRefused` if ``count`` documents are too few."""
        self._guard.check(self.out, count)

    def commit(
        self,
        *,
        teacher: Teacher,
        dim: int,
        similarity: str,
        count: int,
        backend: str,
        source: str,
        dimensions: int | None = None,
        scratch: Sequence[str] = (),
        adoption: Adoption | None = None,
    ) -> Manifest:
        """Put this generation in force: one rename, after everything is on disk. Then delete those before it.

        Files named in ``scratch`` are no part of the index. They are deleted last: where this fails, the next build
        goes on with them.

        Raises :class:`~typeahead.errors.ReplacementRefused` if the index of before holds too many documents more.
        """
        self.check(count)
        paths = sorted(path for path in self.folder.iterdir() if path.name not in (_RECIPE, *scratch))
        for path in paths:
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        sync_folder(self.folder)
        manifest = Manifest(
            teacher=teacher,
            dim=dim,
            similarity=similarity,
            count=count,
            backend=backend,
            source=source,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            generation=self.folder.name,
            files={path.name: FileEntry.of(path) for path in paths},
            search_candidates=search_candidates(count) if backend == "hnsw" else None,
            dimensions=dimensions,
            adoption=adoption,
            format_version=1 if dimensions is None else FORMAT_VERSION,
        )
        manifest.write(self.out)
        for name in (*scratch, _RECIPE):
            # The index is in force: what is left over does no harm.
            with suppress(OSError):
                (self.folder / name).unlink()
        for path in self._others:
            # Fails on Windows while somebody has it open, as for what is held; the next build tries again.
            delete_unless_held(path)
        return manifest

    def discard(self) -> None:
        """Delete what there is of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Let others build here."""
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if error is not None:
            with explained(self.out):
                raise error


def _refuse_other_folders(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise IndexFolderError(f"{out} is a file: give a folder for the index", folder=out)
    if not out.exists() or _manifest(out) is not None or _generations(out):
        return
    # A build that was killed at once leaves no more than this, and one of vectors that were refused the lock alone.
    other = sorted(path.name for path in out.iterdir() if not _is_empty_lock(path) and not _is_vacant(path))
    if other:
        raise IndexFolderError(
            f"{out} is not empty and holds no index (it holds {other[0]!r}): give another folder", folder=out
        )


def _manifest(out: Path) -> Manifest | None:
    """The manifest, unless it is missing, damaged, of a later format or of another program, which look alike."""
    try:
        return Manifest.read(out)
    except IndexFolderError:
        return None


def _generations(out: Path) -> list[Path]:
    """The generation folders in ``out`` that an index made, finished or not."""
    manifest = _manifest(out)
    in_force = None if manifest is None else manifest.generation
    return [
        path
        for path in out.iterdir()
        if generation_number(path.name) and (_is_generation(path) or (path.name == in_force and _is_folder(path)))
    ]


def _is_generation(path: Path) -> bool:
    if not _is_folder(path):
        return False
    names = {file.name for file in path.iterdir()}
    # The recipe comes first, the vectors second.
    return DOCUMENTS in names or (_RECIPE in names and names <= {_RECIPE, VECTORS})


def _is_vacant(path: Path) -> bool:
    """Whether it is a generation folder without anything in it."""
    return bool(generation_number(path.name)) and _is_folder(path) and not any(path.iterdir())


def _is_folder(path: Path) -> bool:
    # What a link leads to belongs to somebody else.
    return path.is_dir() and not path.is_symlink()


def _is_empty_lock(path: Path) -> bool:
    # Nothing is ever written to it.
    return path.name == _LOCK and path.is_file() and not path.stat().st_size


def add_file(folder: Path, name: str, write: Callable[[Path], object]) -> Path:
    """Have ``write`` make a file, or make it anew, in the generation that is in force; its sums go to the manifest.

    Raises as :meth:`Manifest.read` does, and :class:`~typeahead.errors.IndexFolderError` while a process builds there.
    """
    with closing(lock_folder(folder)):
        manifest = Manifest.read(folder)
        path = folder / manifest.generation / name
        others = {file: entry for file, entry in manifest.files.items() if file != name}
        if name in manifest.files:
            # After a kill a file that is not listed is ignored, one that is not as listed is damage.
            replace(manifest, files=others).write(folder)
        write(path)
        replace(manifest, files=others | {name: FileEntry.of(path)}).write(folder)
    return path


def lock_folder(out: Path) -> sqlite3.Connection:
    """Hold ``build.lock`` until the connection is closed.

    A transaction of SQLite locks on every system, and ends with its process however it dies.
    """
    connection = None
    try:
        connection = sqlite3.connect(out / _LOCK, timeout=0, isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        # The low byte of an extended code is the code.
        code = error.sqlite_errorcode & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise
        if code == sqlite3.SQLITE_BUSY:
            if (reason := gives_no_locks(out)) is not None:
                raise IndexFolderError(
                    f"the file system of {out} gives no locks ({reason}): build on a local disk, and copy the folder",
                    folder=out,
                ) from error
            raise IndexFolderError(
                f"another process is building the index {out} ({error}): wait for it, or build elsewhere", folder=out
            ) from error
        raise IndexFolderError(
            f"{out / _LOCK} cannot be locked ({error}): see to it that it is empty and may be written, "
            "or build elsewhere",
            folder=out,
        ) from error
    return connection


def _next_folder(out: Path) -> Path:
    """Where the next generation is built, or goes on being built."""
    ours = _generations(out)
    manifest = _manifest(out)
    if manifest is not None:
        current = generation_number(manifest.generation) or 0
    else:
        # A generation that a damaged manifest may have meant must not be built upon.
        finished = (path for path in ours if not (path / _RECIPE).exists())
        current = max((generation_number(path.name) or 0 for path in finished), default=0)
    paths = (out / f"generation-{number}" for number in itertools.count(current + 1))
    return next(path for path in paths if path in ours or _is_vacant(path) or not os.path.lexists(path))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
