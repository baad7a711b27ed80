"""Upgrades the index of an earlier release: its vectors are kept, and so are its words, if they are in files already.

The result is a new generation, so a kill leaves the old index as it was.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from itertools import islice
from pathlib import Path

from typeahead.errors import IndexCorrupt
from typeahead.index.columns import FIELDS, StoredColumns
from typeahead.index.database import open_database, schema_of
from typeahead.index.document_writer import DocumentWriter, undivided
from typeahead.index.guard import Guard
from typeahead.index.manifest import FORMAT_VERSION, Manifest
from typeahead.index.staging import DOCUMENTS, Staging
from typeahead.index.words import index_words
from typeahead.progress import OnProgress, no_progress
from typeahead.text.document import Document

#: Documents in a transaction.
_BATCH = 1000
#: The first format with the words in files of their own.
_WORDS_IN_FILES = 3


def upgrade_index(folder: Path, progress: OnProgress | None = None) -> Manifest:
    """Upgrade the index in ``folder`` to the present format, and return its manifest.

    Does nothing if it has that format. Processes that have the old index open can keep using it. Raises
    :class:`~typeahead.errors.IndexNotFound`, :class:`~typeahead.errors.IndexCorrupt`,
    :class:`~typeahead.errors.IndexTooNew`, and :class:`~typeahead.errors.IndexFolderError` if another process is
    building there, or the folder cannot be written.
    """
    tell = progress or no_progress
    if not Manifest.read(folder).is_earlier:
        return Manifest.read(folder)
    recipe = {"format_version": FORMAT_VERSION, "kind": "upgrade"}
    with Staging(folder, recipe, resume=False, guard=Guard(allow_empty=True)) as staging:
        # Only now can no other process replace it.
        manifest = Manifest.read(folder)
        manifest.verify_files(folder)
        old = folder / manifest.generation
        try:
            schema = schema_of(manifest.format_version)
            _copy_documents(old / DOCUMENTS, staging.folder / DOCUMENTS, schema, manifest.count, tell)
            if manifest.format_version < _WORDS_IN_FILES:
                index_words(staging.folder / DOCUMENTS, manifest.count, tell)
            else:
                # Documents had no fields.
                StoredColumns(manifest.count, {}).write(staging.folder / FIELDS)
            for name in manifest.files:
                if name != DOCUMENTS:
                    _link(old / name, staging.folder / name)
        except BaseException:
            staging.discard()
            raise
        return staging.commit(
            teacher=manifest.teacher,
            dim=manifest.dim,
            similarity=manifest.similarity,
            count=manifest.count,
            passages=manifest.count,
            backend=manifest.backend,
            source=manifest.source,
            dimensions=manifest.dimensions,
            adoption=manifest.adoption,
        )


def _copy_documents(old: Path, new: Path, schema: int, count: int, tell: OnProgress) -> None:
    copied = 0
    try:
        with closing(open_database(old, schema=schema)) as source, closing(DocumentWriter(new)) as target:
            rows = source.execute("SELECT id, title, text, url FROM documents ORDER BY row")
            documents = (Document(*row) for row in rows)
            tell("documents", 0, count)
            while part := list(islice(documents, _BATCH)):
                target.append((document, undivided(document)) for document in part)
                copied += len(part)
                tell("documents", copied, count)
            target.finish()
    except sqlite3.Error as error:
        raise IndexCorrupt(f"{old} is damaged ({error}): rebuild the index", folder=old.parent.parent) from error
    if copied != count:
        raise IndexCorrupt(f"{old} has {copied} documents, not {count}: rebuild the index", folder=old.parent.parent)


def _link(old: Path, new: Path) -> None:
    """Give a file that never changes a second name, or copy it where the file system does not do that."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copyfile(old, new)
