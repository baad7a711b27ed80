"""Makes an index of a snapshot (:mod:`typeahead.index.snapshot`). Nothing of it is used before all of it is checked."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import tarfile
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any, Final

from typeahead.errors import IndexCorrupt, IndexFolderError, IndexNotFound, IndexTooNew
from typeahead.index.changes.journal import Journal
from typeahead.index.changes.journal_schema import JOURNAL, connect
from typeahead.index.changes.records import Deleted
from typeahead.index.living import LivingIndex
from typeahead.index.manifest import MANIFEST, Manifest, sync_folder
from typeahead.index.snapshot import FORMAT, HEAD, Snapshot, writing
from typeahead.index.staging import lock_folder
from typeahead.index.versions import current_version
from typeahead.progress import OnProgress, no_progress
from typeahead.storage.sealed import is_sealed

#: Bytes of the head, at most.
_LONGEST_HEAD: Final = 1 << 16
_CHUNK: Final = 1 << 20
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def restore(file: Path, folder: Path, progress: OnProgress | None = None, *, force: bool = False) -> Snapshot:
    """Make the index in ``folder`` what it was when the snapshot in ``file`` was taken.

    Everything is checked first, and an error leaves everything as it was. ``force`` replaces an index that is there;
    processes that have it open go over to the restored one, whose version is a new one.

    Raises :class:`~typeahead.errors.IndexTooNew` for a snapshot of a newer format,
    :class:`~typeahead.errors.IndexCorrupt` for one that is truncated, altered or no snapshot, and
    :class:`~typeahead.errors.IndexFolderError` if ``folder`` has something in it, or cannot be written.
    """
    before = _there(folder, force)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with writing(folder), tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as place:
        made = Path(place) / "restored"
        made.mkdir()
        try:
            with file.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
                head, manifest = _unpack(archive, file, made, progress or no_progress)
        except (tarfile.TarError, EOFError) as error:
            raise _damaged(file, f"it is no tar file, or truncated: {error}") from error
        try:
            with LivingIndex(made) as index:
                documents = index.contents.count
        except IndexTooNew as error:
            raise IndexTooNew(str(error).replace(str(made), str(file)), folder=folder) from error
        except IndexFolderError as error:
            raise _damaged(file, str(error).replace(f"{made}{os.sep}", "")) from error
        if before is not None:
            _go_beyond(made, manifest, before)
        _activate(made, folder, Path(place) / "replaced")
    return Snapshot(documents, current_version(folder), head)


def _there(folder: Path, force: bool) -> int | None:
    """The version of the index that is to be replaced; None if there is nothing."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise IndexFolderError(f"{folder} is a file or a link: choose a folder", folder=folder)
    if not folder.exists() or not any(folder.iterdir()):
        return None
    try:
        Manifest.read(folder)
    except IndexNotFound:
        raise IndexFolderError(
            f"{folder} is not empty and has no index: choose another folder", folder=folder
        ) from None
    except IndexFolderError:
        # A damaged index is what snapshots are for.
        if force:
            return 0
    if not force:
        raise IndexFolderError(f"{folder} has an index: pass --force to replace it", folder=folder)
    try:
        return current_version(folder)
    except sqlite3.Error:
        return 0


def _unpack(archive: tarfile.TarFile, file: Path, out: Path, tell: OnProgress) -> tuple[int, Manifest]:
    """Write the files of a snapshot to ``out``, and check each; returns its size and its manifest."""
    members = _Members(archive, file)
    text = members.take(HEAD, _LONGEST_HEAD)
    stated = _read_head(text, file)
    if MANIFEST not in stated or not stated.keys() <= {MANIFEST, JOURNAL}:
        raise _damaged(file, f"its {HEAD} does not list a manifest")
    members.copy(MANIFEST, out / MANIFEST, stated[MANIFEST])
    try:
        manifest = Manifest.read(out)
    except IndexTooNew as error:
        raise IndexTooNew(str(error).replace(str(out), str(file)), folder=out) from None
    except IndexFolderError as error:
        raise _damaged(file, str(error).replace(f"{out}{os.sep}", "")) from None
    if JOURNAL in stated:
        members.copy(JOURNAL, out / JOURNAL, stated[JOURNAL])
    (out / manifest.generation).mkdir()
    total = sum(entry.bytes for entry in manifest.files.values())
    done = 0
    for name, entry in manifest.files.items():
        if entry.sha256 is None:
            raise _damaged(file, f"its manifest has no checksum of {name}")
        members.copy(f"{manifest.generation}/{name}", out / manifest.generation / name, (entry.bytes, entry.sha256))
        done += entry.bytes
        tell("restore", done, total)
    members.end()
    sync_folder(out / manifest.generation)
    sync_folder(out)
    return file.stat().st_size, manifest


class _Members:
    """The members of a snapshot in their order. Each is expected by name, so no other name ever becomes a path."""

    def __init__(self, archive: tarfile.TarFile, file: Path) -> None:
        self._archive, self._file = archive, file

    def _next(self, name: str) -> tuple[tarfile.TarInfo, IO[bytes]]:
        member = self._archive.next()
        if member is None:
            raise _damaged(self._file, f"it is truncated: {name} is missing")
        content = self._archive.extractfile(member) if member.isreg() else None
        if member.name != name or content is None:
            raise _damaged(self._file, f"it has {member.name[:60]!r} where {name} belongs")
        return member, content

    def take(self, name: str, most: int) -> bytes:
        """Return the content of the next member, which must have this name."""
        member, content = self._next(name)
        if member.size > most:
            raise _damaged(self._file, f"{name} is longer than {most} bytes")
        return content.read()

    def copy(self, name: str, path: Path, stated: tuple[int, str]) -> None:
        """Write the next member to a file, which must have this name, size and SHA-256."""
        member, content = self._next(name)
        size, sha256 = stated
        digest = hashlib.sha256()
        if member.size == size:
            with path.open("wb") as out:
                while chunk := content.read(_CHUNK):
                    digest.update(chunk)
                    out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
        if digest.hexdigest() != sha256:
            raise _damaged(self._file, f"{name} does not match its checksum")

    def end(self) -> None:
        """Fail if there is another member."""
        if (member := self._archive.next()) is not None:
            raise _damaged(self._file, f"it has {member.name[:60]!r}, which does not belong there")


def _read_head(text: bytes, file: Path) -> dict[str, tuple[int, str]]:
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or not isinstance(data.get("format"), int):
            raise ValueError("it is no head of a snapshot")
        if data["format"] > FORMAT:
            raise IndexTooNew(
                f"{file} is a snapshot of format {data['format']}, but this typeahead reads only up to {FORMAT}: "
                "upgrade typeahead",
                folder=file.parent,
            )
        if not is_sealed(data, text.decode()):
            raise ValueError("it has no checksum of itself")
        return {str(name): _entry(entry) for name, entry in data["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _damaged(file, f"{HEAD}: {error}") from error


def _entry(data: Mapping[str, Any]) -> tuple[int, str]:
    size, sha256 = data["bytes"], data["sha256"]
    if not isinstance(size, int) or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError("it has no checksums")
    return size, sha256


def _go_beyond(made: Path, manifest: Manifest, before: int) -> None:
    """Give restored documents a version after that of the index which they replace: versions never go back."""
    # Each change since the generation makes the version larger by one.
    least = manifest.sequence + before - manifest.version
    with Journal.of(made, manifest, {}) as journal:
        if journal.last_version > least:
            return
        # A change that changes nothing: this document never was.
        never = [Deleted(f"restored-{uuid.uuid4().hex}")]
        journal.append(never)
        with closing(connect(made / JOURNAL)) as connection:
            connection.execute("UPDATE counters SET value = max(value, ?) WHERE name = 'version'", (least,))
        journal.append(never)


def _activate(made: Path, folder: Path, replaced: Path) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        made.replace(folder)
    else:
        # Nobody may build there meanwhile.
        with closing(lock_folder(folder)):
            folder.rename(replaced)
            try:
                made.rename(folder)
            except BaseException:
                replaced.rename(folder)
                raise
    sync_folder(folder.parent)


def _damaged(file: Path, reason: str) -> IndexCorrupt:
    return IndexCorrupt(f"{file} cannot be restored, and nothing was changed: {reason}", folder=file.parent)
