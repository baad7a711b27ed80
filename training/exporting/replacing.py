"""Puts a finished folder in its place, and deletes nothing there but an earlier export."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from typeahead.errors import ModelError
from typeahead.models.config import CONFIG
from typeahead.models.folder import open_config

#: Lists the files of an exported folder of sentence-transformers, whose own files do not say who wrote them.
EXPORTED = "typeahead.json"

#: Lists the files of an export, relative to the folder. ``ValueError`` says why the folder is not one.
Listing = Callable[[Path], Sequence[str]]


def files_of_model(folder: Path) -> list[str]:
    """The files of a model folder. ``ValueError`` if it is not one."""
    if not (folder / CONFIG).is_file():
        raise ValueError(f"it has no {CONFIG}")
    try:
        config, _ = open_config(folder)
    except ModelError as error:
        raise ValueError(str(error)) from error
    return [*config.files, CONFIG]


def files_of_sentences(folder: Path) -> list[str]:
    """The files of a folder that :mod:`training.exporting.sentence_transformers` wrote. ``ValueError`` otherwise."""
    try:
        names = json.loads((folder / EXPORTED).read_text(encoding="utf-8"))["files"]
        if any(Path(name).is_absolute() or ".." in Path(name).parts for name in names):
            raise ValueError("a file outside the folder")
        return [*names, EXPORTED]
    except (OSError, KeyError, TypeError, ValueError):
        raise ValueError(f"it has no {EXPORTED} that lists an export's files") from None


def check_replaceable(out: Path, listing: Listing) -> None:
    """Check that an export may be written to ``out``: there is nothing, an empty folder, or an earlier export.

    Raises:
        ValueError: something else is there. The message names the remedy.
    """
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir():
        raise ValueError(f"{out} is a file: choose a folder")
    if not any(out.iterdir()):
        return
    try:
        listing(out)
    except ValueError as error:
        raise ValueError(
            f"{out} holds files of something else ({error}): choose another folder, or delete it yourself"
        ) from None


def replace(folder: Path, out: Path, listing: Listing) -> None:
    """Copy the files of ``folder`` to ``out``, and delete the files of the export that was there.

    Other files in ``out`` stay.

    Raises:
        ValueError: ``out`` holds something else (:func:`check_replaceable`), or a file that an earlier export did not
            write has the name of a new one.
    """
    check_replaceable(out, listing)
    before = set(listing(out)) if out.is_dir() and any(out.iterdir()) else set()
    new = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    if foreign := [name for name in new if name not in before and (out / name).exists()]:
        raise ValueError(f"{out / foreign[0]} is not from an earlier export: move it away, or choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    # The file that makes it an export goes first and comes last, so that a half-written folder is never loaded.
    marks = (CONFIG, EXPORTED)
    for name in sorted(before, key=lambda name: name not in marks):
        (out / name).unlink(missing_ok=True)
    for name in sorted(new, key=lambda name: name in marks):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        # Without its mode: only the owner may read the files that safetensors writes.
        shutil.copyfile(folder / name, out / name)
