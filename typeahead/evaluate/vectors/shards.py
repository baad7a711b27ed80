"""One file of passage vectors, written whole or not at all, which says what it contains.

A shard is a file in the safetensors format [1]: the length of its header in eight bytes, little-endian; the header, a
JSON object; the data. It has one tensor, ``vectors``, float32 or float16 (n, dim), and these texts as metadata::

    format           "typeahead.passages"
    format_version   "1"
    encoder          the key of the encoder
    passages         SHA-256 of the passages' ids and texts, see ``Collection.digest``
    sha256           of the data

The sibling ``passages`` decides which shards there are. [1] https://github.com/huggingface/safetensors
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import TypeaheadError
from typeahead.index.manifest import sync_folder

FORMAT_VERSION = 1
_FORMAT = "typeahead.passages"
_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}
#: A header has some 500 bytes and the encoder's key. A file of another kind must not make us read a gigabyte.
_MAX_HEADER = 1 << 20
#: The ending of an unfinished file.
PARTIAL = ".partial"

AnyVectors = NDArray[np.float32] | NDArray[np.float16]


class PassageCacheError(TypeaheadError):
    """Passage vectors on disk that cannot be used or written; ``path`` is the file or folder."""

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


class ShardDamaged(PassageCacheError):
    """A file that is no complete shard: it can only be written anew."""


@dataclass(frozen=True)
class Shard:
    """A shard as its header describes it; its file has the right length."""

    path: Path
    encoder: str
    passages: str
    count: int
    dim: int
    dtype: np.dtype[Any]
    sha256: str
    offset: int

    @classmethod
    def open(cls, path: Path) -> Shard:
        """Read the header.

        Raises :class:`ShardDamaged` for a file that is no shard or has a wrong length, and :class:`PassageCacheError`
        for a file that cannot be read or has a later format.
        """
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                start = file.read(8)
                length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
                if not 0 < length <= min(_MAX_HEADER, size - 8):
                    raise ShardDamaged("is cut short, or no shard of passage vectors", path=path)
                header = json.loads(file.read(length))
            shard = cls._from_header(path, header, 8 + length)
        except OSError as error:
            raise PassageCacheError(f"cannot be read: {error.strerror or error}", path=path) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise ShardDamaged(f"is no shard of passage vectors ({reason})", path=path) from None
        expected = shard.offset + shard.count * shard.dim * shard.dtype.itemsize
        if size != expected:
            how = "cut short" if size < expected else "too long"
            raise ShardDamaged(f"is {how}: {size:,} bytes, not {expected:,}", path=path)
        return shard

    @classmethod
    def _from_header(cls, path: Path, header: Any, offset: int) -> Shard:
        metadata, tensor = header["__metadata__"], header["vectors"]
        if metadata["format"] != _FORMAT:
            raise ValueError(f"format {metadata['format']!r}")
        if int(metadata["format_version"]) > FORMAT_VERSION:
            raise PassageCacheError(
                f"is in format version {metadata['format_version']}, this typeahead reads up to {FORMAT_VERSION}: "
                "upgrade it, or give another folder for the vectors",
                path=path,
            )
        count, dim = tensor["shape"]
        if not (isinstance(count, int) and isinstance(dim, int) and count > 0 and dim > 0):
            raise ValueError(f"shape {tensor['shape']!r}")
        return cls(
            path=path,
            encoder=str(metadata["encoder"]),
            passages=str(metadata["passages"]),
            count=count,
            dim=dim,
            dtype=_DTYPES[tensor["dtype"]],
            sha256=str(metadata["sha256"]),
            offset=offset,
        )

    def read(self, *, verify: bool = False) -> AnyVectors:
        """Read the vectors, (count, dim), into memory; with ``verify`` their hash is compared with the header's.

        Raises :class:`ShardDamaged`, and :class:`PassageCacheError` if the file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                flat = np.fromfile(file, self.dtype, self.count * self.dim)
        except OSError as error:
            raise PassageCacheError(f"cannot be read: {error.strerror or error}", path=self.path) from error
        if len(flat) != self.count * self.dim:
            raise ShardDamaged("has been cut short since it was opened", path=self.path)
        if verify and _sha256(flat) != self.sha256:
            raise ShardDamaged("is damaged: its data do not have the SHA-256 that its header states", path=self.path)
        return flat.reshape(self.count, self.dim)


def write_shard(path: Path, vectors: AnyVectors, *, encoder: str, passages: str) -> Shard:
    """Write a shard. It is on disk and complete when this returns; under its name, nobody sees it before.

    Raises :class:`PassageCacheError` if it cannot be written.
    """
    names = {dtype: name for name, dtype in _DTYPES.items()}
    data = np.ascontiguousarray(vectors, vectors.dtype.newbyteorder("<"))
    digest = _sha256(data)
    header = {
        "__metadata__": {
            "format": _FORMAT,
            "format_version": str(FORMAT_VERSION),
            "encoder": encoder,
            "passages": passages,
            "sha256": digest,
        },
        "vectors": {"dtype": names[data.dtype], "shape": list(data.shape), "data_offsets": [0, data.nbytes]},
    }
    text = json.dumps(header).encode()
    # The data begin at a multiple of eight, as with the format's own writers.
    text += b" " * (-len(text) % 8)
    if len(text) > _MAX_HEADER:
        raise PassageCacheError(f"the encoder's key has {len(encoder):,} characters, too many for a header", path=path)
    partial = path.with_name(path.name + PARTIAL)
    try:
        with partial.open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            data.tofile(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise PassageCacheError(f"cannot be written: {error.strerror or error}", path=path) from error
    count, dim = data.shape
    return Shard(path, encoder, passages, count, dim, data.dtype, digest, 8 + len(text))


def _sha256(data: NDArray[Any]) -> str:
    return hashlib.sha256(data.reshape(-1).view(np.uint8).data).hexdigest()
