"""An index under construction: a new generation beside the active one, and the moment when it takes over.

``build`` and ``adopt`` fill it; ``manifest`` specifies the folder's format. While a generation is unfinished, its
folder also has ``recipe.json``, which records what its content depends on. A later process with the same recipe resumes
the unfinished generation; a process with another recipe starts over.

Only folders that are recognisably an index are ever written to or deleted. Names alone prove nothing: other programs
also have a ``manifest.json``, and may number generations.
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
from typeahead.index.manifest import DOCUMENTS as _DOCUMENTS
from typeahead.index.manifest import LOCK as _LOCK
from typeahead.index.manifest import RECIPE as _RECIPE
from typeahead.index.manifest import Adoption, Manifest, PassageEncoder, Teacher, generation_number, sync_folder
from typeahead.index.vectors import VECTORS
from typeahead.index.versions import current_sequence, no_changes, version_after
from typeahead.index.writing import explained, gives_no_locks
from typeahead.models.teacher import same_teacher
from typeahead.storage.sums import FileEntry

#: The file of documents, for whoever fills a generation.
DOCUMENTS = _DOCUMENTS


class IndexBusy(IndexFolderError):
    """Another process is building, or merging changes, in the folder."""


class Staging:
    """The unfinished generation of the index folder ``out``, locked by this process.

    With ``resume``, the remains of a killed process with the same ``recipe`` are kept. Raises
    :class:`~typeahead.errors.IndexFolderError` if another process is building there, or if ``out`` is something other
    than an index; everything then stays as it was. A full disk or another error of the file system raises it too,
    including on leaving the context.
    """

    def __init__(self, out: Path, recipe: Mapping[str, Any], *, resume: bool, guard: Guard = CAREFUL) -> None:
        self.out = out
        self._guard = guard
        #: The last change before this began. Later ones are not in the new generation, and stay.
        self._sequence = 0
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
            self._sequence = current_sequence(out)
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
        passages: int,
        backend: str,
        source: str,
        dimensions: int | None = None,
        scratch: Sequence[str] = (),
        adoption: Adoption | None = None,
        encoder: PassageEncoder | None = None,
        passage_limit: int | None = None,
        sequence: int | None = None,
    ) -> Manifest:
        """Activate this generation by one rename, after everything is on disk. Then delete older generations.

        ``sequence`` is the last change of the journal that the documents contain, if they are what the index holds
        anyway: its version stays. By default the documents are new, and a new version takes the place of all changes
        before this began.

        Files named in ``scratch`` are not part of the index. They are deleted last: if activating fails, the next build
        can reuse them.

        Raises :class:`~typeahead.errors.ReplacementRefused` if the new index has too few documents to replace the
        previous one, and :class:`~typeahead.errors.IndexFolderError` if changes that came meanwhile cannot be kept, as
        their vectors are of another space.
        """
        self.check(count)
        paths = sorted(path for path in self.folder.iterdir() if path.name not in (_RECIPE, *scratch))
        for path in paths:
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        sync_folder(self.folder)
        files = {path.name: FileEntry.of(path) for path in paths}
        # Whoever writes to the journal does so before the manifest changes, or afterwards: versions never go back.
        with no_changes(self.out) as last:
            if sequence is None and last > self._sequence:
                _refuse_other_space(self.out, teacher, dim, similarity)
            manifest = Manifest(
                teacher=teacher,
                dim=dim,
                similarity=similarity,
                count=count,
                passages=passages,
                backend=backend,
                source=source,
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                generation=self.folder.name,
                files=files,
                search_candidates=search_candidates(passages) if backend == "hnsw" else None,
                dimensions=dimensions,
                adoption=adoption,
                version=version_after(self.out, last) + 1 if sequence is None else version_after(self.out, sequence),
                sequence=self._sequence if sequence is None else sequence,
                encoder=encoder,
                passage_limit=passage_limit,
            )
            manifest.write(self.out)
        for name in (*scratch, _RECIPE):
            # The index is active now, and leftovers do no harm.
            with suppress(OSError):
                (self.folder / name).unlink()
        for path in self._others:
            # On Windows this fails while a process has the generation open, as with a lease; the next build retries.
            delete_unless_held(path)
        return manifest

    def discard(self) -> None:
        """Delete the generation, unless it is the active one by now."""
        manifest = _manifest(self.out)
        if manifest is None or manifest.generation != self.folder.name:
            shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Release the lock, so that other processes can build here."""
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


def _refuse_other_space(out: Path, teacher: Teacher, dim: int, similarity: str) -> None:
    """Refuse a generation for another encoder than the changes that were written while it was built."""
    before = _manifest(out)
    if before is None:
        return
    if not same_teacher(before.teacher, teacher) or (before.dim, before.similarity) != (dim, similarity):
        raise IndexFolderError(
            f"documents were written to {out} while it was built, with vectors of {before.teacher}, and the new index "
            f"is for {teacher}: stop what writes there, then run the same command again",
            folder=out,
        )


def _refuse_other_folders(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise IndexFolderError(f"{out} is a file: choose a folder for the index", folder=out)
    if not out.exists() or _manifest(out) is not None or _generations(out):
        return
    # A build killed at the very start leaves no more than this; one that refused its vectors leaves only the lock.
    other = sorted(path.name for path in out.iterdir() if not _is_empty_lock(path) and not _is_vacant(path))
    if other:
        raise IndexFolderError(
            f"{out} is not empty and has no index (it contains {other[0]!r}): choose another folder", folder=out
        )


def _manifest(out: Path) -> Manifest | None:
    """Return the manifest, unless it is missing, damaged, newer or another program's, which look alike."""
    try:
        return Manifest.read(out)
    except IndexFolderError:
        return None


def _generations(out: Path) -> list[Path]:
    """Return the generation folders in ``out`` that an index created, finished or not."""
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
    # The recipe is written first, the vectors second.
    return DOCUMENTS in names or (_RECIPE in names and names <= {_RECIPE, VECTORS})


def _is_vacant(path: Path) -> bool:
    """Whether it is an empty generation folder."""
    return bool(generation_number(path.name)) and _is_folder(path) and not any(path.iterdir())


def _is_folder(path: Path) -> bool:
    # The target of a link may belong to another program.
    return path.is_dir() and not path.is_symlink()


def _is_empty_lock(path: Path) -> bool:
    # Nothing is ever written to the lock.
    return path.name == _LOCK and path.is_file() and not path.stat().st_size


def add_file(folder: Path, name: str, write: Callable[[Path], object]) -> Path:
    """Let ``write`` create or replace a file in the active generation; its checksums are added to the manifest.

    Raises the same errors as :meth:`Manifest.read`, and :class:`~typeahead.errors.IndexFolderError` while a build is
    running.
    """
    with closing(lock_folder(folder)):
        manifest = Manifest.read(folder)
        path = folder / manifest.generation / name
        others = {file: entry for file, entry in manifest.files.items() if file != name}
        if name in manifest.files:
            # If a kill interrupts this, an unlisted file is ignored, while a listed one that differs is damage.
            replace(manifest, files=others).write(folder)
        write(path)
        replace(manifest, files=others | {name: FileEntry.of(path)}).write(folder)
    return path


def lock_folder(out: Path) -> sqlite3.Connection:
    """Hold ``build.lock`` until the connection is closed.

    An SQLite transaction locks on every system, and ends with its process however that dies.
    """
    connection = None
    try:
        connection = sqlite3.connect(out / _LOCK, timeout=0, isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        # The low byte of an extended error code is the primary code.
        code = error.sqlite_errorcode & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise
        if code == sqlite3.SQLITE_BUSY:
            if (reason := gives_no_locks(out)) is not None:
                raise IndexFolderError(
                    f"the file system of {out} does not support locks ({reason}): build on a local disk, "
                    "then copy the folder",
                    folder=out,
                ) from error
            raise IndexBusy(
                f"another process is building the index {out} ({error}): wait for it, or build elsewhere", folder=out
            ) from error
        raise IndexFolderError(
            f"{out / _LOCK} cannot be locked ({error}): make sure that it is empty and writable, or build elsewhere",
            folder=out,
        ) from error
    return connection


def _next_folder(out: Path) -> Path:
    """Return the folder in which to build the next generation, or to resume it."""
    ours = _generations(out)
    manifest = _manifest(out)
    if manifest is not None:
        current = generation_number(manifest.generation) or 0
    else:
        # A damaged manifest may refer to any finished generation, so never build on top of one.
        finished = (path for path in ours if not (path / _RECIPE).exists())
        current = max((generation_number(path.name) or 0 for path in finished), default=0)
    paths = (out / f"generation-{number}" for number in itertools.count(current + 1))
    return next(path for path in paths if path in ours or _is_vacant(path) or not os.path.lexists(path))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
