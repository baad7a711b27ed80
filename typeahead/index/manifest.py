"""The format of the index folder, and ``manifest.json``, the only file in it that is ever replaced.

Format, version 4::

    manifest.json           JSON object with the fields of :class:`Manifest`; names the active generation
    generation-<n>/         one finished index; its files never change after the manifest names it
        documents.sqlite    the documents and their passages by row number, see ``documents``
        fields.safetensors  the fields of the documents, see ``columns``
        forms.safetensors   the words of the documents, with words*.*, see ``lexical``
        passages.safetensors  which passages belong to which document, and their words, see ``lexical``. Only if
                            ``passages`` is more than ``count``: otherwise passage i is the whole document i
        vectors.npy         NumPy array (passages, dim), float32 or float16, C order, little-endian; row i is passage i.
                            Backends "exact" and "hnsw", without ``dimensions``
        reduced.npy         the same as (passages, dimensions), replaces vectors.npy if ``dimensions`` is set
        projection.npy      float32 (dim, dimensions), comes with reduced.npy and projects queries, see ``projection``
        graph.faiss         FAISS IndexHNSWSQ over the same rows, METRIC_INNER_PRODUCT. Backend "hnsw"
        adopted.faiss       the user's own FAISS index, byte for byte (or with inverted lists copied in from another
                            file). Backend "faiss"
        labels.npy          int64 (passages,), ascending: FAISS label of each row, if labels are not row numbers.
                            Backend "faiss"
        sparse.safetensors  token weights, see ``sparse``: users with a sparse encoder add it to a finished index
    generation-<n+1>/       a build that is running or was killed, see ``staging``
    build.lock              locked by a running build
    journal.sqlite          the changes since the generation was built; those up to ``sequence`` are in it already

Vectors are the teacher's own. With similarity "cosine" each has length 1, so both similarities are searched by inner
product. ``files`` states the size and checksums of each file, see :class:`~typeahead.storage.sums.FileEntry`: every
start checks sizes and ends, ``typeahead verify`` reads whole files. The manifest carries its own checksum, see
``sealed``. Older indexes have neither whole-file checksums nor that one, but still open.

A reader reads the manifest, then opens the generation that it names. A writer finishes a new generation, replaces the
manifest by one atomic rename, and only then deletes older generations, unless they have a ``lease``. So a reader finds
either the old index or the new one, and a reader that has the old files open keeps them. A folder with a newer
``format_version`` is rejected. Version 2 added ``dimensions``, version 3 files of words, version 4 passages and fields.
Earlier versions are not read: ``upgrade`` makes version 4 of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from typeahead.errors import IndexCorrupt, IndexNotFound, IndexTooNew
from typeahead.index.manifest_parts import (
    SHA256,
    Adoption,
    PassageEncoder,
    Teacher,
    checked_integer,
    checked_text,
    short,
)
from typeahead.storage.sealed import is_sealed, read_json, seal
from typeahead.storage.sums import FileEntry, ends_sha256

__all__ = ["Adoption", "Manifest", "PassageEncoder", "Teacher"]

FORMAT_VERSION = 4
MANIFEST, LOCK, RECIPE = "manifest.json", "build.lock", "recipe.json"
SIMILARITIES = ("cosine", "dot")
BACKENDS = ("exact", "hnsw", "faiss")
#: With more candidates, a search would be slower than comparing every vector.
MOST_CANDIDATES = 100_000

#: Maximum size of a manifest, in bytes.
_MAX_MANIFEST = 1 << 20
#: Far above any real index, but small enough that arithmetic with them never overflows.
_MOST_DIMENSIONS, _MOST_DOCUMENTS, _MOST_BYTES, _MOST_VERSION = 1 << 20, 1 << 40, 1 << 50, (1 << 63) - 1
_GENERATION = re.compile(r"generation-([1-9][0-9]{0,17})")
DOCUMENTS, _VECTORS, _LABELS, _FORMS = "documents.sqlite", "vectors.npy", "labels.npy", "forms.safetensors"
_FIELDS, _PASSAGES = "fields.safetensors", "passages.safetensors"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of an index and its files; see the module's docstring for the folder."""

    teacher: Teacher
    #: Dimension of the vectors.
    dim: int
    #: "cosine" or "dot".
    similarity: str
    #: Number of documents.
    count: int
    #: Number of passages, and so of vectors.
    passages: int
    #: "exact", "hnsw" or "faiss" (an adopted FAISS index).
    backend: str
    #: Where the documents came from, in words.
    source: str
    #: When the index was finished: ISO 8601, UTC.
    created: str
    #: Folder name of the active generation.
    generation: str
    #: Every file of the generation.
    files: Mapping[str, FileEntry]
    format_version: int = FORMAT_VERSION
    #: Backend "hnsw": number of candidates in a search of the graph; more are better and slower. ``None`` leaves it to
    #: the reader, as in manifests from before this was recorded.
    search_candidates: int | None = None
    #: Columns of the vectors, if they were reduced to fewer than ``dim``.
    dimensions: int | None = None
    #: How the vectors were adopted; ``None`` if they were encoded, or adopted before this was recorded.
    adoption: Adoption | None = None
    #: The version of the documents that this generation stands for: it grows with every change, over generations, too.
    version: int = 0
    #: The last change of the journal that this generation contains.
    sequence: int = 0
    #: Which encoder makes vectors for more documents; ``None`` if unknown.
    encoder: PassageEncoder | None = None
    #: The longest passage, in word pieces, of which documents were divided; ``None`` if none was to be divided.
    passage_limit: int | None = None

    @property
    def is_divided(self) -> bool:
        """Whether any document has several passages."""
        return self.passages > self.count

    @property
    def warning(self) -> str | None:
        """A caveat for users before they trust the results: the adopted vectors were never checked."""
        if self.adoption is None or self.adoption.verified:
            return None
        return (
            f"the index is unverified: its vectors were never compared with {self.teacher}'s vectors of its documents"
        )

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read and check ``folder/manifest.json``.

        Raises :class:`~typeahead.errors.IndexNotFound`, :class:`~typeahead.errors.IndexTooNew` or
        :class:`~typeahead.errors.IndexCorrupt`.
        """
        path = folder / MANIFEST
        try:
            data, text = read_json(path, _MAX_MANIFEST)
            if not isinstance(data, dict):
                raise ValueError("it is not a JSON object")
            version = checked_integer(data["format_version"], 1)
            if version > FORMAT_VERSION:
                raise IndexTooNew(
                    f"{folder} has index format {version}, but this typeahead reads only up to {FORMAT_VERSION}: "
                    "upgrade typeahead",
                    folder=folder,
                )
            sealed = is_sealed(data, text)
            manifest = cls._from_json(data)
            if manifest.has_sums and not sealed:
                raise ValueError("it has no checksum of itself")
        except (FileNotFoundError, NotADirectoryError):
            raise IndexNotFound(_not_found(folder), folder=folder) from None
        except OSError as error:
            raise IndexCorrupt(f"{path} cannot be read: {error.strerror}", folder=folder) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise IndexCorrupt(f"{path} is damaged ({_reason(error)}): rebuild the index", folder=folder) from error
        return manifest

    @classmethod
    def _from_json(cls, data: Mapping[str, Any]) -> Manifest:
        missing: dict[str, Any] = {"search_candidates": None, "dimensions": None, "adoption": None}
        if data["format_version"] < 4:
            missing |= {"passages": data["count"], "version": 0, "sequence": 0, "encoder": None, "passage_limit": None}
        data = {**missing, **data}
        values: dict[str, Any] = {field.name: data[field.name] for field in fields(cls)}
        revision = values["teacher"]["revision"]
        values["teacher"] = Teacher(
            checked_text(values["teacher"]["name"]), None if revision is None else checked_text(revision) or None
        )
        if not values["teacher"].name:
            raise ValueError("the teacher's name is empty")
        for name in ("source", "created"):
            values[name] = checked_text(values[name])
        values["dim"] = checked_integer(values["dim"], 1, _MOST_DIMENSIONS)
        values["count"] = checked_integer(values["count"], 0, _MOST_DOCUMENTS)
        values["passages"] = checked_integer(values["passages"], values["count"], _MOST_DOCUMENTS)
        if values["passages"] and not values["count"]:
            raise ValueError("there are passages, but no documents")
        for name in ("version", "sequence"):
            values[name] = checked_integer(values[name], 0, _MOST_VERSION)
        if values["encoder"] is not None:
            values["encoder"] = PassageEncoder.of(values["encoder"])
        if values["passage_limit"] is not None:
            checked_integer(values["passage_limit"], 1)
        if values["search_candidates"] is not None:
            checked_integer(values["search_candidates"], 1, MOST_CANDIDATES)
        if values["dimensions"] is not None:
            checked_integer(values["dimensions"], 1, values["dim"])
        if values["adoption"] is not None:
            values["adoption"] = Adoption.of(values["adoption"])
        if values["similarity"] not in SIMILARITIES:
            raise ValueError(f"similarity {short(values['similarity'])} is not one of {SIMILARITIES}")
        if values["backend"] not in BACKENDS:
            raise ValueError(f"backend {short(values['backend'])} is not one of {BACKENDS}")
        # Both become paths: a name must not lead outside the folder.
        if not _GENERATION.fullmatch(checked_text(values["generation"])):
            raise ValueError(f"generation {short(values['generation'])} is not a generation folder")
        for name in values["files"]:
            if not re.fullmatch(r"[a-z]+\.[a-z]+", name):
                raise ValueError(f"{short(name)} is not the name of an index file")
        values["files"] = {name: _entry(entry) for name, entry in values["files"].items()}
        manifest = cls(**values)
        if absent := sorted(manifest.required_files - set(manifest.files)):
            raise ValueError(f"files does not list {', '.join(absent)}")
        return manifest

    @property
    def required_files(self) -> set[str]:
        """The files that every index of this kind has."""
        common = {DOCUMENTS}
        if self.format_version >= 3:
            common.add(_FORMS)
        if self.format_version >= 4:
            common.add(_FIELDS)
        if self.is_divided:
            common.add(_PASSAGES)
        if self.backend == "faiss":
            return {*common, "adopted.faiss"}
        vectors = {_VECTORS} if self.dimensions is None else {"reduced.npy", "projection.npy"}
        return {*common, *vectors, *(["graph.faiss"] if self.backend == "hnsw" else [])}

    @property
    def is_earlier(self) -> bool:
        """Whether an earlier release wrote the index, so that it must be upgraded before it can be opened."""
        return self.format_version < FORMAT_VERSION

    @property
    def has_sums(self) -> bool:
        """Whether every file has a checksum of its whole content."""
        return all(entry.sha256 is not None for entry in self.files.values())

    def with_sums(self, folder: Path) -> Manifest:
        """Return a copy with the current sizes and checksums of the generation's files, whatever they were."""
        paths = sorted((folder / self.generation).iterdir())
        return replace(self, files={path.name: FileEntry.of(path) for path in paths})

    def write(self, folder: Path) -> None:
        """Replace ``folder/manifest.json`` atomically; it is on disk when this returns."""
        temporary = folder / (MANIFEST + ".partial")
        try:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                file.write(seal(asdict(self)))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(folder / MANIFEST)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(folder)

    def verify_files(self, folder: Path) -> None:
        """Check every file of the generation, in well under a millisecond each.

        Sizes reveal truncated files, and the ends reveal files of another index. A flipped bit in the middle goes
        unnoticed: hashing a gigabyte would add a second to every start. :mod:`typeahead.verify` finds it.

        Raises :class:`~typeahead.errors.IndexCorrupt`, which names the file.
        """
        if _LABELS not in self.files and (folder / self.generation / _LABELS).exists():
            # The file would be read although nothing vouches for it.
            raise IndexCorrupt(
                f"{folder / self.generation / _LABELS} is not in the manifest: rebuild the index", folder=folder
            )
        for name, entry in self.files.items():
            path = folder / self.generation / name
            try:
                found = path.stat().st_size
                if found != entry.bytes:
                    how = "truncated" if found < entry.bytes else "too long"
                    raise IndexCorrupt(
                        f"{path} is {how} ({found} bytes, not {entry.bytes}): rebuild the index", folder=folder
                    )
                if ends_sha256(path, found) != entry.ends_sha256:
                    raise IndexCorrupt(
                        f"{path} does not match its checksum in the manifest: rebuild the index",
                        folder=folder,
                    )
            except OSError as error:
                raise IndexCorrupt(
                    f"{path} cannot be read ({error.strerror}): rebuild the index", folder=folder
                ) from error


def generation_number(name: str) -> int | None:
    """Return the number of a generation folder, ``None`` for any other name."""
    match = _GENERATION.fullmatch(name)
    return int(match[1]) if match else None


def sync_folder(folder: Path) -> None:
    """Make renames and new files in ``folder`` survive a power failure, if the system supports it."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _not_found(folder: Path) -> str:
    if not folder.exists():
        return f"{folder} does not exist: build an index there with `typeahead index`"
    if not folder.is_dir():
        return f"{folder} is a file, not the folder of an index"
    if any(generation_number(entry.name) for entry in folder.iterdir()):
        return f"{folder} has an unfinished index: run the same `typeahead index` again, and it will resume"
    return f"{folder} has no index: build one with `typeahead index`"


def _entry(data: Mapping[str, Any]) -> FileEntry:
    ends, whole = data["ends_sha256"], data.get("sha256")
    for digest in (ends,) if whole is None else (ends, whole):
        if not SHA256.fullmatch(checked_text(digest)):
            raise ValueError(f"{short(digest)} is not a SHA-256")
    return FileEntry(checked_integer(data["bytes"], 0, _MOST_BYTES), ends, whole)


def _reason(error: Exception) -> str:
    return f"no field {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
