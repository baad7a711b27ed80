"""Lists the files in a folder that can be read, and counts what else is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from typeahead.errors import SourceError
from typeahead.text.kinds import kind_by_name
from typeahead.text.markup.generated import generated, is_generated_folder
from typeahead.text.skipped import Skipped


def walk(folder: Path, skipped: Skipped | None) -> Iterator[tuple[Path, str]]:
    """Yield each file that can be read with its kind, in the order of names within each folder.

    ``skipped`` counts hidden files and folders, links to folders, what generators of documentation add, empty files of
    records, and files in unknown formats.

    Raises :class:`~typeahead.errors.SourceError` for a folder that cannot be read.
    """
    skipped = Skipped() if skipped is None else skipped

    def fail(error: OSError) -> None:
        raise SourceError(f"cannot be read: {error.strerror}", path=Path(error.filename or folder))

    for parent, folders, names in os.walk(folder, onerror=fail):
        kept = []
        for name in sorted(folders):
            path = Path(parent, name)
            if name.startswith("."):
                skipped.add("hidden folder", place(path, folder))
            elif path.is_symlink():
                skipped.add("link to a folder", place(path, folder))
            elif is_generated_folder(name):
                skipped.add("folder of generated files", place(path, folder))
            else:
                kept.append(name)
        folders[:] = kept
        others = frozenset(names)
        for name in sorted(names):
            path = Path(parent, name)
            kind = kind_by_name(path)
            if name.startswith("."):
                skipped.add("hidden file", place(path, folder))
            elif kind is None:
                skipped.add("file of another format", place(path, folder))
            elif kind == "notes" and (what := generated(name, others)) is not None:
                skipped.add(what, place(path, folder))
            elif kind != "notes" and not _size(path):
                skipped.add("empty file", place(path, folder))
            else:
                yield path, kind


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path=path) from error


def place(path: Path, folder: Path) -> str:
    """Return the name of a file within a folder, as it can be printed."""
    # A name that is no UTF-8 has lone surrogates, which cannot be printed.
    return os.fsencode(path.relative_to(folder)).decode(errors="replace")
