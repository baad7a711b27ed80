"""Reads every byte of an index or model folder and reports what is wrong; opening a folder checks far less.

Opening an index checks sizes and the ends of files (:meth:`~typeahead.index.manifest.Manifest.verify_files`), and
opening a model checks the checksums of its files. This module compares checksums of whole files. No file may be
missing, extra or a link, and the parts of an index must agree: SQLite's own check, rows and labels against the count. A
journal has no checksums, as it changes all the time: SQLite checks its pages, and each change is read. A
folder from before such checksums were recorded fails, since a flipped bit in it would go unnoticed; :func:`seal_folder`
adds the checksums.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from typeahead.errors import (
    IndexCorrupt,
    IndexFolderError,
    IndexTooOld,
    MissingExtra,
    ModelCorrupt,
    ModelNotFound,
    TypeaheadError,
)
from typeahead.index import open_index
from typeahead.index.changes.journal import Journal
from typeahead.index.changes.journal_schema import BESIDE, JOURNAL, connect, damaged, explained
from typeahead.index.database import open_database, schema_of
from typeahead.index.manifest import LOCK, MANIFEST, RECIPE, Manifest, generation_number
from typeahead.index.staging import DOCUMENTS, lock_folder
from typeahead.index.vectors import LABELS
from typeahead.models.config import CONFIG
from typeahead.models.folder import find, open_config, shipped_models, write_config
from typeahead.progress import OnProgress
from typeahead.storage.sums import FileEntry

_BUILD_AGAIN = "rebuild the index"


@dataclass(frozen=True, slots=True)
class Report:
    """The result of verifying a folder."""

    folder: Path
    #: "index" or "model".
    kind: str
    files: int
    bytes: int
    #: One line for each problem, with the file's path.
    wrong: tuple[str, ...]
    #: One line for each item that was not checked.
    notes: tuple[str, ...] = ()
    #: Changes of documents that wait in the journal of an index.
    changes: int = 0

    def __str__(self) -> str:
        """Format the line for an intact folder."""
        changes = f", {self.changes:,} changes in the journal" if self.changes else ""
        return f"{self.folder}: {self.kind}, {self.files} files, {self.bytes / 1e6:.1f} MB{changes}, intact"


def find_folder(name_or_path: str | Path) -> tuple[Path, str]:
    """Return the folder of an index or a model, and which of the two it is; a model may be given by its name.

    Raises :class:`~typeahead.errors.TypeaheadError` if it is neither.
    """
    path = Path(name_or_path)
    if path.is_dir() and any(one.name == MANIFEST or generation_number(one.name) for one in path.iterdir()):
        return path, "index"
    try:
        return find(path), "model"
    except ModelNotFound:
        raise TypeaheadError(
            f"{str(name_or_path)!r} is neither an index nor a model: pass the folder of one, or the name of a shipped "
            f"model: {', '.join(shipped_models())}"
        ) from None


def verify_folder(name_or_path: str | Path, progress: OnProgress | None = None) -> Report:
    """Verify an index or a model; see :func:`find_folder` for accepted names and the error raised."""
    folder, kind = find_folder(name_or_path)
    return verify_index(folder, progress) if kind == "index" else verify_model(folder, progress)


def verify_index(folder: Path, progress: OnProgress | None = None) -> Report:
    """Verify an index; if a newer index replaces it meanwhile, verify that one."""
    while True:
        try:
            manifest = Manifest.read(folder)
            report = _verify_generation(folder, manifest, progress)
            if not report.wrong or Manifest.read(folder).generation == manifest.generation:
                return report
        except IndexCorrupt as error:
            return Report(folder, "index", 0, 0, (str(error),))


def verify_model(folder: Path, progress: OnProgress | None = None) -> Report:
    """Verify a model; its golden vectors are checked on every load instead."""
    try:
        config, sealed = open_config(folder)
    except ModelCorrupt as error:
        return Report(folder, "model", 0, 0, (str(error),))
    reader = _Reader("download the model again", progress)
    wrong = [*reader.compare(folder, config.files), *_others(folder, {*config.files, CONFIG})]
    if not sealed:
        wrong.append(_unsealed(folder / CONFIG, folder))
    return Report(folder, "model", len(config.files) + 1, reader.bytes, tuple(wrong))


def seal_folder(name_or_path: str | Path) -> Path:
    """Add missing checksums to a folder, assuming that its content is correct; return the folder.

    Existing checksums must match, except for that of a model's ``config.json``, which users may edit. Raises
    :class:`~typeahead.errors.TypeaheadError` if one does not match.
    """
    folder, kind = find_folder(name_or_path)
    if kind == "model":
        config, _ = open_config(folder, check_seal=False)
        for line in _Reader("download the model again", None).compare(folder, config.files):
            raise ModelCorrupt(line, folder=folder)
        write_config(folder, config)
        return folder
    with closing(lock_folder(folder)):
        manifest = Manifest.read(folder)
        for line in _Reader(_BUILD_AGAIN, None).compare(folder / manifest.generation, manifest.files):
            raise IndexCorrupt(line, folder=folder)
        manifest.with_sums(folder).write(folder)
    return folder


def _verify_generation(folder: Path, manifest: Manifest, progress: OnProgress | None) -> Report:
    generation = folder / manifest.generation
    reader = _Reader(_BUILD_AGAIN, progress)
    wrong = [
        *reader.compare(generation, manifest.files),
        *_others(generation, {*manifest.files, RECIPE}),
        # The next build deletes the remains of an interrupted one.
        *_others(
            folder,
            {
                MANIFEST,
                LOCK,
                *(JOURNAL + end for end in ("", *BESIDE)),
                *(path.name for path in folder.iterdir() if generation_number(path.name)),
            },
        ),
    ]
    if not manifest.has_sums:
        wrong.append(_unsealed(folder / MANIFEST, folder))
    notes: list[str] = []
    changes = 0
    if (folder / LOCK).is_file() and (folder / LOCK).stat().st_size:
        wrong.append(f"{folder / LOCK} is not empty: delete it")
    if not any(str(generation) in line for line in wrong):
        try:
            wrong += _disagreements(folder, manifest)
        except (MissingExtra, IndexTooOld) as error:
            notes.append(f"{folder} matches its checksums, but was not opened: {error}")
    size = 0
    if (folder / JOURNAL).exists() and not manifest.is_earlier:
        try:
            changes, size = _journal(folder, manifest)
        except IndexFolderError as error:
            wrong.append(str(error))
    files = len(manifest.files) + 1 + (folder / JOURNAL).exists()
    return Report(folder, "index", files, reader.bytes + size, tuple(wrong), tuple(notes), changes)


def _disagreements(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Report what is wrong with an index whose files match their checksums."""
    generation = folder / manifest.generation
    path = generation / DOCUMENTS
    try:
        with closing(open_database(path, schema=schema_of(manifest.format_version))) as connection:
            found = [line for (line,) in connection.execute("PRAGMA integrity_check(1)")]
            (rows,) = connection.execute("SELECT count(*) FROM documents").fetchone()
            passages = manifest.passages
            if not manifest.is_earlier:
                (passages,) = connection.execute("SELECT count(*) FROM passages").fetchone()
        if found != ["ok"]:
            yield f"{path} is damaged ({' '.join(found[0].split())}): {_BUILD_AGAIN}"
        if rows != manifest.count:
            yield f"{path} has {rows} documents, not {manifest.count}: {_BUILD_AGAIN}"
        if passages != manifest.passages:
            yield f"{path} has {passages} passages, not {manifest.passages}: {_BUILD_AGAIN}"
    except sqlite3.Error as error:
        yield f"{path} is damaged ({error}): {_BUILD_AGAIN}"
    try:
        with open_index(folder):
            pass
    except IndexCorrupt as error:
        yield str(error)
    if LABELS in manifest.files and (np.diff(np.load(generation / LABELS, mmap_mode="r")) <= 0).any():
        yield f"{generation / LABELS} is not in ascending order: {_BUILD_AGAIN}"


def _journal(folder: Path, manifest: Manifest) -> tuple[int, int]:
    """Read every page of the journal, and every change; returns the number of changes that wait, and its size.

    Raises :class:`~typeahead.errors.IndexFolderError`.
    """
    path = folder / JOURNAL
    with explained(path), closing(connect(path)) as connection:
        found = [line for (line,) in connection.execute("PRAGMA integrity_check(1)")]
    if found != ["ok"]:
        raise damaged(path, " ".join(str(found[0]).split()))
    with Journal.of(folder, manifest, {}) as journal:
        return sum(1 for _ in journal.since(manifest.sequence)), journal.size


class _Reader:
    """Compares files with their recorded entries, and counts the bytes it reads."""

    def __init__(self, advice: str, progress: OnProgress | None) -> None:
        self._advice = advice
        self._progress = progress
        self._total = 0
        self.bytes = 0

    def compare(self, folder: Path, stated: Mapping[str, FileEntry] | Mapping[str, str]) -> list[str]:
        """Return one line for each file that does not match its entry or its sha256."""
        self._total = sum((folder / name).stat().st_size for name in stated if (folder / name).is_file())
        lines = (self._compare(folder / name, entry) for name, entry in stated.items())
        return [line for line in lines if line is not None]

    def _compare(self, path: Path, stated: FileEntry | str) -> str | None:
        try:
            if path.exists() and not path.is_file():
                return f"{path} is not a file: {self._advice}"
            found = FileEntry.of(path, self._tell)
        except FileNotFoundError:
            return f"{path} is missing: {self._advice}"
        except OSError as error:
            return f"{path} cannot be read ({error.strerror}): {self._advice}"
        same = found.sha256 == stated if isinstance(stated, str) else found == _filled(stated, found)
        return None if same else f"{path} does not match its checksum: {self._advice}"

    def _tell(self, count: int) -> None:
        self.bytes += count
        if self._progress is not None:
            self._progress("verify", self.bytes, self._total)


def _filled(stated: FileEntry, found: FileEntry) -> FileEntry:
    """Fill in a checksum that older entries lack, so that any content matches it."""
    return stated if stated.sha256 is not None else replace(stated, sha256=found.sha256)


def _others(folder: Path, known: set[str]) -> Iterator[str]:
    """Yield a line for each item in ``folder`` that is not ``known``, or is a link."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in known:
            yield f"{path} does not belong there: delete it"
        elif path.is_symlink():
            yield _link(path)


def _link(path: Path) -> str:
    return f"{path} is a link, and its target may change: put the file itself there"


def _unsealed(path: Path, folder: Path) -> str:
    return (
        f"{path} is from before all checksums were recorded, so flipped bits may go unnoticed: rebuild the folder, or, "
        f"if you trust it as it is, run `typeahead verify --seal {folder}`"
    )
