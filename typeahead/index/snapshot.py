"""Takes snapshots: one file with everything of an index; :mod:`~typeahead.index.restoring` makes an index of it.

A snapshot is a tar file, uncompressed, with these members in this order::

    snapshot.json            JSON, sealed: "format", "created", "version" (that of the documents), and size and SHA-256
                             of each of the two following files
    manifest.json            the index's own, which has the sizes and checksums of the files of the generation
    journal.sqlite           the changes since, if there are any
    generation-<n>/<file>    the files that the manifest lists

It is taken of one moment, also while others write: a lease keeps the generation, and SQLite copies the journal in one
transaction.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from typeahead.errors import IndexCorrupt, IndexFolderError, IndexTooOld
from typeahead.index.changes.journal import Journal
from typeahead.index.changes.journal_schema import BESIDE, JOURNAL, connect
from typeahead.index.changes.journal_schema import explained as journal_explained
from typeahead.index.lease import Lease
from typeahead.index.manifest import MANIFEST, Manifest, sync_folder
from typeahead.progress import OnProgress, no_progress
from typeahead.storage.sealed import seal
from typeahead.storage.sums import FileEntry

FORMAT: Final = 1
HEAD: Final = "snapshot.json"
#: How often a snapshot begins anew because a new generation has replaced the one that it was of.
_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a snapshot holds."""

    #: Documents of the generation, without the changes since.
    documents: int
    #: The version of the documents, with all changes.
    version: int
    bytes: int


def take(folder: Path, file: Path, progress: OnProgress | None = None, *, force: bool = False) -> Snapshot:
    """Write a snapshot of the index in ``folder`` to ``file``; an earlier snapshot there is replaced at the end.

    Raises :class:`~typeahead.errors.IndexFolderError` if ``file`` is something else than a snapshot (``force`` replaces
    that, too) or cannot be written, and what :meth:`Manifest.read` raises.
    """
    if file.resolve().is_relative_to(folder.resolve()):
        raise IndexFolderError(f"{file} lies in the index: choose another place for the snapshot", folder=folder)
    if file.exists() and not force and not _is_snapshot(file):
        raise IndexFolderError(f"{file} exists and is no snapshot: choose another name, or pass --force", folder=folder)
    for attempt in range(1, _ATTEMPTS + 1):
        manifest = Manifest.read(folder)
        if manifest.is_earlier:
            raise IndexTooOld(
                f"{folder} was built by an earlier typeahead: run `typeahead index --upgrade {folder}` first",
                folder=folder,
            )
        try:
            with writing(file), closing(Lease(folder / manifest.generation)):
                # Now that it is kept, it must still be the one in force, or its files may be gone already.
                if Manifest.read(folder).generation == manifest.generation:
                    return _write(folder, manifest, file, progress or no_progress)
        except (FileNotFoundError, IndexCorrupt):
            if attempt == _ATTEMPTS or Manifest.read(folder).generation == manifest.generation:
                raise
    raise IndexFolderError(f"{folder} is built anew all the time: try again", folder=folder)


def _write(folder: Path, manifest: Manifest, file: Path, tell: OnProgress) -> Snapshot:
    with tempfile.TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent) as place:
        journal, version = _copy_journal(folder, manifest, Path(place) / JOURNAL)
        # The manifest in force may be a later one, of the same generation with a file more.
        copied = Path(place) / MANIFEST
        shutil.copyfile(folder / MANIFEST, copied)
        if Manifest.read(Path(place)).generation != manifest.generation:
            raise IndexCorrupt(f"{folder}: a new index has replaced it meanwhile", folder=folder)
        manifest = Manifest.read(Path(place))
        files = [copied, *([journal] if journal else [])]
        head = {
            "format": FORMAT,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": version,
            "files": {path.name: _described(FileEntry.of(path)) for path in files},
        }
        total = sum(entry.bytes for entry in manifest.files.values())
        partial = Path(place) / "snapshot"
        with partial.open("wb") as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
                text = seal(head).encode()
                archive.addfile(_member(HEAD, len(text)), io.BytesIO(text))
                for path in files:
                    with path.open("rb") as content:
                        archive.addfile(_member(path.name, path.stat().st_size), content)
                done = 0
                for name, entry in manifest.files.items():
                    done = _add(archive, folder / manifest.generation / name, entry, done, total, tell)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)
        sync_folder(file.parent)
    return Snapshot(manifest.count, version, file.stat().st_size)


def _add(archive: tarfile.TarFile, path: Path, entry: FileEntry, done: int, total: int, tell: OnProgress) -> int:
    """Add a file of the generation, and check it on the way; returns how many bytes are done then."""
    digest = hashlib.sha256()

    class Hashed(io.RawIOBase):
        def read(self, size: int = -1, /) -> bytes:
            nonlocal done
            chunk = content.read(size)
            digest.update(chunk)
            done += len(chunk)
            tell("snapshot", done, total)
            return chunk

    with path.open("rb") as content:
        if path.stat().st_size == entry.bytes:
            archive.addfile(_member(f"{path.parent.name}/{path.name}", entry.bytes), Hashed())
    if entry.sha256 is not None and digest.hexdigest() != entry.sha256:
        raise IndexCorrupt(
            f"{path} does not match its checksum, and a snapshot of it is of no use: rebuild the index",
            folder=path.parent.parent,
        )
    return done


def _copy_journal(folder: Path, manifest: Manifest, copy: Path) -> tuple[Path | None, int]:
    """Copy the journal as it is at one moment; returns the copy, None without one, and the version of the documents."""
    path = folder / JOURNAL
    if not path.exists():
        return None, manifest.version
    with (
        journal_explained(path),
        closing(connect(path)) as source,
        closing(sqlite3.connect(copy, isolation_level=None)) as target,
    ):
        source.backup(target)
    for end in BESIDE:
        copy.with_name(copy.name + end).unlink(missing_ok=True)
    with Journal.of(copy.parent, manifest, {}) as journal:
        if journal.dropped > manifest.sequence:
            raise IndexCorrupt(f"{folder}: its changes were merged meanwhile", folder=folder)
        # Each change since the generation makes the version larger by one.
        return copy, manifest.version + max(0, journal.last_version - manifest.sequence)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of the file system into :class:`~typeahead.errors.IndexFolderError`."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, sqlite3.Error) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise IndexFolderError(
            f"{path} cannot be written ({reason}), and nothing was changed: check the disk, its space and its "
            "permissions",
            folder=path,
        ) from error


def _is_snapshot(file: Path) -> bool:
    try:
        with tarfile.open(file, "r:") as archive:
            member = archive.next()
            return member is not None and member.name == HEAD
    except (tarfile.TarError, OSError, EOFError):
        return False


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, int(time.time()), 0o644
    return member


def _described(entry: FileEntry) -> dict[str, Any]:
    return {"bytes": entry.bytes, "sha256": entry.sha256}
