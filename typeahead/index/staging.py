"""An index that is being made: a new generation beside the one in force, and the moment when it takes its place.

``build`` and ``adopt`` fill it; the folder's format is told in ``manifest``. While a generation is unfinished its
folder also holds ``recipe.json``: what its content depends on. A later process with the same recipe goes on with what
it finds there, one with another recipe starts anew.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from typeahead.errors import IndexFolderError, IndexNotFound
from typeahead.index.manifest import MANIFEST, FileEntry, Manifest, Teacher, generation_number, sync_folder

DOCUMENTS = "documents.sqlite"
_RECIPE = "recipe.json"
_LOCK = "build.lock"

#: Told the stage ("encode", "documents", "copy", "graph" or "words"), how much of it is done, and of how much
#: (``None``: unknown).
Progress = Callable[[str, int, int | None], None]


def no_progress(stage: str, done: int, total: int | None) -> None:
    """Tell nobody."""


class Staging:
    """The unfinished generation of the index folder ``out``, held by this process alone.

    With ``resume``, what a killed process with the same ``recipe`` left there is kept. Raises
    :class:`~typeahead.errors.IndexFolderError` if another process is building there, or if ``out`` is something else
    than an index.
    """

    def __init__(self, out: Path, recipe: Mapping[str, Any], *, resume: bool) -> None:
        self.out = out
        _refuse_other_folders(out)
        out.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(out)
        self.folder = out / f"generation-{_current(out) + 1}"
        text = json.dumps(recipe, indent=2, sort_keys=True)
        if not resume or _read(self.folder / _RECIPE) != text:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir()
            (self.folder / _RECIPE).write_text(text, encoding="utf-8")
        self._others = [path for path in out.iterdir() if generation_number(path.name) and path != self.folder]

    def commit(self, *, teacher: Teacher, dim: int, similarity: str, count: int, backend: str, source: str) -> Manifest:
        """Put this generation in force: one rename, after everything is on disk. Then delete those before it."""
        paths = sorted(path for path in self.folder.iterdir() if path.name != _RECIPE)
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
        )
        manifest.write(self.out)
        (self.folder / _RECIPE).unlink()
        for path in self._others:
            # Fails on Windows while somebody has it open; the next build tries again.
            shutil.rmtree(path, ignore_errors=True)
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


def _refuse_other_folders(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise IndexFolderError(f"{out} is a file: give a folder for the index", folder=out)
    if not out.exists() or not (found := sorted(path.name for path in out.iterdir())):
        return
    if not any(name in (MANIFEST, _LOCK) or generation_number(name) for name in found):
        raise IndexFolderError(
            f"{out} is not empty and holds no index (it holds {found[0]!r}): give another folder", folder=out
        )


def _lock(out: Path) -> sqlite3.Connection:
    """Hold ``build.lock``. A transaction of SQLite locks on every system, and ends with its process however it dies."""
    connection = sqlite3.connect(out / _LOCK, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        raise IndexFolderError(
            f"another process is building the index {out} ({error}): wait for it, or build elsewhere", folder=out
        ) from error
    return connection


def _current(out: Path) -> int:
    try:
        return generation_number(Manifest.read(out).generation) or 0
    except IndexNotFound:
        return 0
    except IndexFolderError:
        # A damaged manifest is to be replaced, but a generation that it may have meant must not be built upon.
        finished = (path for path in out.iterdir() if not (path / _RECIPE).exists())
        return max((generation_number(path.name) or 0 for path in finished), default=0)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
