"""What an index holds, in numbers."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from typeahead.errors import IndexCorrupt
from typeahead.index.contents import Contents
from typeahead.index.lexical.writer import FORMS, PASSAGES
from typeahead.index.manifest import Manifest
from typeahead.storage.tensors import map_tensors


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers of an index."""

    documents: int
    passages: int
    #: Documents with more than one passage.
    divided: int
    #: Different words of titles and texts.
    words: int
    #: Size on disk.
    bytes: int

    def __str__(self) -> str:
        divided = f", {self.divided:,} documents divided" if self.divided else ""
        return f"{self.passages:,} passages{divided}, {self.words:,} different words, {self.bytes:,} bytes"


def summarize(folder: Path, manifest: Manifest) -> Summary:
    """Count what the generation of ``manifest`` holds; raises :class:`~typeahead.errors.IndexCorrupt`.

    Only the heads of files are read, and where each document's passages begin.
    """
    generation = folder / manifest.generation
    divided = 0
    try:
        words = len(map_tensors(generation / FORMS)[0]["document_frequencies"])
        if manifest.is_divided:
            firsts = map_tensors(generation / PASSAGES)[0]["firsts"]
            divided = int(np.count_nonzero(np.diff(firsts) > 1))
    except (OSError, KeyError, ValueError) as error:
        raise IndexCorrupt(f"{generation} cannot be read ({error}): rebuild the index", folder=folder) from error
    size = sum(entry.bytes for entry in manifest.files.values())
    return Summary(manifest.count, manifest.passages, divided, words, size)


def described(folder: Path, contents: Contents, manifest: Manifest, unmerged: int) -> dict[str, Any]:
    """Say what an open index holds, in numbers, with ``unmerged`` passages of changes that wait to be merged."""
    return {
        "documents": contents.count,
        "passages": contents.passage_count,
        "passage_limit": manifest.passage_limit,
        "version": contents.version,
        "segments": [
            {"documents": part.count, "passages": part.passages.count} for part in contents.parts if part.count
        ],
        "unmerged_passages": unmerged,
        "bytes": _bytes(folder),
        "generation": manifest.generation,
        "last_compacted": manifest.created,
        "fields": contents.kinds,
        "teacher": str(manifest.teacher),
    }


def _bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size
    return total
