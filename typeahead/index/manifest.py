"""The index folder's format, and its one file that is ever replaced: ``manifest.json``.

Format, version 2::

    manifest.json           JSON object, the fields of :class:`Manifest`; names the generation that is in force
    generation-<n>/         one finished index; none of its files changes after the manifest names it
        documents.sqlite    the documents by row number, see ``documents``
        vectors.npy         NumPy array (count, dim), float32 or float16, C order, little-endian; row i is document i.
                            Backends "exact" and "hnsw", without ``dimensions``
        reduced.npy         the same as (count, dimensions), in place of it where there are ``dimensions``
        projection.npy      float32 (dim, dimensions), with the former: what brings a query there, see ``projection``
        graph.faiss         FAISS IndexHNSWSQ over the same rows, METRIC_INNER_PRODUCT. Backend "hnsw"
        adopted.faiss       somebody's own FAISS index, byte for byte (or with inverted lists that lay in another file
                            copied in). Backend "faiss"
        labels.npy          int64 (count,), ascending: FAISS label of each row, where labels are not row numbers.
                            Backend "faiss"
        sparse.safetensors  weights of tokens, see ``sparse``: added to a finished index by whoever has a sparse encoder
    generation-<n+1>/       a build that is under way or was killed, see ``staging``
    build.lock              held by a process that builds

Vectors are the teacher's own. Under similarity "cosine" each has length 1, so both similarities are searched by inner
product. ``files`` states of each file its size and sums, see :class:`~typeahead.storage.sums.FileEntry`: every start
looks at sizes and ends, ``typeahead verify`` reads all of it. The manifest carries a sum of itself, see ``sealed``.
Indexes that were written before have neither whole sums nor that one, and open all the same.

A reader takes the manifest, then opens the generation that it names. A writer finishes a new generation, replaces the
manifest by one atomic rename, and only then deletes the generations before it, unless somebody holds one (``lease``).
So a reader finds the old index or the new one, and one that has the old files open keeps them. A folder whose
``format_version`` is later is refused. What version 2 has more is ``dimensions``; an index without is written as
version 1, which older readers open.
"""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from typeahead.errors import IndexCorrupt, IndexNotFound, IndexTooNew
from typeahead.storage.sealed import is_sealed, read_json, seal
from typeahead.storage.sums import FileEntry, ends_sha256

FORMAT_VERSION = 2
MANIFEST, LOCK, RECIPE = "manifest.json", "build.lock", "recipe.json"
SIMILARITIES = ("cosine", "dot")
BACKENDS = ("exact", "hnsw", "faiss")
#: More candidates than that make a search slower than looking at every vector.
MOST_CANDIDATES = 100_000

#: The largest manifest that is read, in bytes.
_MAX_MANIFEST = 1 << 20
#: Far above any index, and small enough that no arithmetic with them overflows.
_MOST_DIMENSIONS, _MOST_DOCUMENTS, _MOST_BYTES = 1 << 20, 1 << 40, 1 << 50
_GENERATION = re.compile(r"generation-([1-9][0-9]{0,17})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DOCUMENTS, _VECTORS, _LABELS = "documents.sqlite", "vectors.npy", "labels.npy"


@dataclass(frozen=True, slots=True)
class Teacher:
    """Whose embedding space the vectors lie in; ``revision`` is the sha256 of its weights, ``None`` if unknown."""

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.name if not self.revision else f"{self.name}@{self.revision[:12]}"


@dataclass(frozen=True, slots=True)
class Adoption:
    """What adopting vectors found out about them."""

    #: Whether a sample was compared with what the passage encoder makes of their documents.
    verified: bool
    #: Median cosine of the sample to that, where it was.
    cosine: float | None
    #: recall@10 of a sample of the vectors themselves, where FAISS gives them back.
    recall: float | None
    #: Inverted lists that a search looks into; ``None`` for what the FAISS index says.
    nprobe: int | None

    def __str__(self) -> str:
        checked = "unverified" if not self.verified else "checked against the encoder"
        if self.cosine is not None:
            checked += f" (median cosine {self.cosine:.3f})"
        return f"vectors {checked}, recall@10 {'unknown' if self.recall is None else f'{self.recall:.3f}'}"

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Adoption:
        """Check what a manifest holds of it."""
        if not isinstance(data["verified"], bool):
            raise ValueError(f"verified is {data['verified']!r}, not true or false")
        cosine, recall = (None if data[name] is None else _number(data[name]) for name in ("cosine", "recall"))
        nprobe = None if data["nprobe"] is None else _integer(data["nprobe"], 1)
        return cls(data["verified"], cosine, recall, nprobe)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index holds and where; see the module's text for the folder round it."""

    teacher: Teacher
    #: Dimension of the vectors.
    dim: int
    #: "cosine" or "dot".
    similarity: str
    #: Number of documents, which is the number of vectors.
    count: int
    #: "exact", "hnsw" or "faiss" (an adopted FAISS index).
    backend: str
    #: Where the documents came from, for people.
    source: str
    #: When the index was finished: ISO 8601, UTC.
    created: str
    #: Folder name of the generation in force.
    generation: str
    #: Every file of the generation.
    files: Mapping[str, FileEntry]
    format_version: int = FORMAT_VERSION
    #: Backend "hnsw": candidates that a search of the graph holds, the more the better and the slower. ``None`` leaves
    #: it to the reader, as manifests do that were written before it was recorded.
    search_candidates: int | None = None
    #: Columns of the vectors, where they were brought to fewer than ``dim``.
    dimensions: int | None = None
    #: How the vectors were adopted; ``None`` if they were encoded, or adopted before it was recorded.
    adoption: Adoption | None = None

    @property
    def warning(self) -> str | None:
        """What people should know before they believe what is found: that nobody has checked adopted vectors."""
        if self.adoption is None or self.adoption.verified:
            return None
        return f"the index is unverified: nobody has checked that its vectors are {self.teacher}'s of its documents"

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
                raise ValueError("it holds no JSON object")
            version = _integer(data["format_version"], 1)
            if version > FORMAT_VERSION:
                raise IndexTooNew(
                    f"{folder} has index format {version}, this typeahead reads up to {FORMAT_VERSION}: "
                    "upgrade typeahead",
                    folder=folder,
                )
            sealed = is_sealed(data, text)
            manifest = cls._from_json(data)
            if manifest.has_sums and not sealed:
                raise ValueError("it has no sum of itself")
        except (FileNotFoundError, NotADirectoryError):
            raise IndexNotFound(_not_found(folder), folder=folder) from None
        except OSError as error:
            raise IndexCorrupt(f"{path} cannot be read: {error.strerror}", folder=folder) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise IndexCorrupt(f"{path} is damaged ({_reason(error)}): build the index again", folder=folder) from error
        return manifest

    @classmethod
    def _from_json(cls, data: Mapping[str, Any]) -> Manifest:
        data = {"search_candidates": None, "dimensions": None, "adoption": None, **data}
        values: dict[str, Any] = {field.name: data[field.name] for field in fields(cls)}
        revision = values["teacher"]["revision"]
        values["teacher"] = Teacher(
            _text(values["teacher"]["name"]), None if revision is None else _text(revision) or None
        )
        if not values["teacher"].name:
            raise ValueError("the teacher's name is empty")
        for name in ("source", "created"):
            values[name] = _text(values[name])
        values["dim"] = _integer(values["dim"], 1, _MOST_DIMENSIONS)
        values["count"] = _integer(values["count"], 0, _MOST_DOCUMENTS)
        if values["search_candidates"] is not None:
            _integer(values["search_candidates"], 1, MOST_CANDIDATES)
        if values["dimensions"] is not None:
            _integer(values["dimensions"], 1, values["dim"])
        if values["adoption"] is not None:
            values["adoption"] = Adoption.of(values["adoption"])
        if values["similarity"] not in SIMILARITIES:
            raise ValueError(f"similarity {_short(values['similarity'])} is none of {SIMILARITIES}")
        if values["backend"] not in BACKENDS:
            raise ValueError(f"backend {_short(values['backend'])} is none of {BACKENDS}")
        # Both become paths: a name that leads elsewhere must not be followed.
        if not _GENERATION.fullmatch(_text(values["generation"])):
            raise ValueError(f"generation {_short(values['generation'])} is no generation folder")
        for name in values["files"]:
            if not re.fullmatch(r"[a-z]+\.[a-z]+", name):
                raise ValueError(f"{_short(name)} is no file name of an index")
        values["files"] = {name: _entry(entry) for name, entry in values["files"].items()}
        manifest = cls(**values)
        if missing := sorted(manifest.required_files - set(manifest.files)):
            raise ValueError(f"files does not list {', '.join(missing)}")
        return manifest

    @property
    def required_files(self) -> set[str]:
        """The files that every index of this kind has."""
        if self.backend == "faiss":
            return {_DOCUMENTS, "adopted.faiss"}
        vectors = {_VECTORS} if self.dimensions is None else {"reduced.npy", "projection.npy"}
        return {_DOCUMENTS, *vectors, *(["graph.faiss"] if self.backend == "hnsw" else [])}

    @property
    def has_sums(self) -> bool:
        """Whether the sum of every file's whole content is known."""
        return all(entry.sha256 is not None for entry in self.files.values())

    def with_sums(self, folder: Path) -> Manifest:
        """The same with the sizes and sums of the files that lie in the generation now, whatever they were."""
        paths = sorted((folder / self.generation).iterdir())
        return replace(self, files={path.name: FileEntry.of(path) for path in paths})

    def write(self, folder: Path) -> None:
        """Replace ``folder/manifest.json`` atomically, on disk when this returns."""
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

        Sizes find files that were cut short, the ends find ones that belong to another index. A flipped bit in the
        middle is not looked for: hashing a gigabyte would take a second of every start. :mod:`typeahead.verify` does.

        Raises :class:`~typeahead.errors.IndexCorrupt`, which names the file.
        """
        if _LABELS not in self.files and (folder / self.generation / _LABELS).exists():
            # It is read where it is there, and nobody vouches for it.
            raise IndexCorrupt(
                f"{folder / self.generation / _LABELS} is not in the manifest: build the index again", folder=folder
            )
        for name, entry in self.files.items():
            path = folder / self.generation / name
            try:
                found = path.stat().st_size
                if found != entry.bytes:
                    how = "cut short" if found < entry.bytes else "too long"
                    raise IndexCorrupt(
                        f"{path} is {how} ({found} bytes, not {entry.bytes}): build the index again", folder=folder
                    )
                if ends_sha256(path, found) != entry.ends_sha256:
                    raise IndexCorrupt(
                        f"{path} does not have the content that the manifest states: build the index again",
                        folder=folder,
                    )
            except OSError as error:
                raise IndexCorrupt(
                    f"{path} cannot be read ({error.strerror}): build the index again", folder=folder
                ) from error


def generation_number(name: str) -> int | None:
    """Number of a generation folder, ``None`` for any other name."""
    match = _GENERATION.fullmatch(name)
    return int(match[1]) if match else None


def sync_folder(folder: Path) -> None:
    """Make renames and new names in ``folder`` survive a power failure, where the system can."""
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
        return (
            f"{folder} holds an index that is not finished: run the same `typeahead index` again, it goes on from there"
        )
    return f"{folder} holds no index: build one with `typeahead index`"


def _entry(data: Mapping[str, Any]) -> FileEntry:
    ends, whole = data["ends_sha256"], data.get("sha256")
    for digest in (ends,) if whole is None else (ends, whole):
        if not _SHA256.fullmatch(_text(digest)):
            raise ValueError(f"{_short(digest)} is no SHA-256")
    return FileEntry(_integer(data["bytes"], 0, _MOST_BYTES), ends, whole)


def _integer(value: Any, least: int, most: int | None = None) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{_short(value)} is no integer of at least {least}")
    if most is not None and value > most:
        raise ValueError(f"{_short(value)} is more than {most}")
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{_short(value)} is no string")
    return value


def _short(value: Any) -> str:
    """As ``repr``, however long or deep it is."""
    return reprlib.repr(value)


def _reason(error: Exception) -> str:
    return f"no field {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
