"""Folders that hold texts: those that ``datasets`` writes with ``save_to_disk``, and those of an index."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.gathering.records import arrow_rows
from training.gathering.report import FileReport
from typeahead.errors import SourceError
from typeahead.text.document import Document

if TYPE_CHECKING:
    from typeahead.index.manifest import Manifest

#: The file that makes a folder an index. Importing typeahead.index takes longer than reading most logs.
_MANIFEST = "manifest.json"
_DATASET, _DATASETS = "state.json", "dataset_dict.json"


def is_dataset(folder: Path) -> bool:
    """Whether ``datasets`` wrote the folder."""
    return (folder / _DATASET).is_file() or (folder / _DATASETS).is_file()


def is_index(folder: Path) -> bool:
    """Whether the folder is that of an index."""
    return (folder / _MANIFEST).is_file()


def dataset_rows(folder: Path, report: FileReport) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a dataset, or of the split "train" of several. ``report`` says which.

    Raises :class:`~typeahead.errors.SourceError` for a folder that is not as ``datasets`` writes it, and
    :class:`~typeahead.errors.MissingExtra` without pyarrow.
    """
    name = "a folder of datasets"
    if (folder / _DATASETS).is_file():
        splits = _read(folder / _DATASETS).get("splits")
        if not isinstance(splits, list) or not splits or not all(isinstance(one, str) for one in splits):
            raise SourceError("names no splits", path=folder / _DATASETS)
        split = "train" if "train" in splits else splits[0]
        name = f"the split {split!r} of a folder of datasets"
        if len(splits) > 1:
            others = ", ".join(str(folder / one) for one in splits if one != split)
            report.notes.append(f"the other splits are not read; name them to read them: {others}")
        folder = folder / split
    report.taken_as = name
    files = _read(folder / _DATASET).get("_data_files")
    if not isinstance(files, list) or not all(isinstance(one, dict) and "filename" in one for one in files):
        raise SourceError("names no files of data", path=folder / _DATASET)
    return (row for file in files for row in arrow_rows(folder / file["filename"], "arrow"))


def index_documents(folder: Path, report: FileReport) -> Iterator[Document]:
    """Yield the documents of an index, without changes that are not merged yet; a note says so.

    Raises :class:`~typeahead.errors.IndexFolderError` for an index that cannot be read.
    """
    from typeahead.index.manifest import Manifest
    from typeahead.index.versions import documents_in_force

    manifest = Manifest.read(folder)
    if manifest.is_earlier:
        raise SourceError(f"was built by an earlier release: run typeahead index --upgrade {folder}", path=folder)
    report.taken_as = f"an index of {manifest.count:,} documents"
    if documents_in_force(folder) not in (None, manifest.count):
        report.notes.append("documents that were added or changed since the last merge are not read")
    return _documents(folder, manifest)


def _documents(folder: Path, manifest: Manifest) -> Iterator[Document]:
    from typeahead.index.documents import Documents
    from typeahead.index.manifest import DOCUMENTS

    with closing(Documents(folder / manifest.generation / DOCUMENTS, manifest.count, manifest.passages)) as documents:
        yield from documents


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot be read: {error}", path=path) from None
    return found if isinstance(found, dict) else {}
