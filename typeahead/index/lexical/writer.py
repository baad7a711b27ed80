"""Writes the words of an index: the files that :mod:`~typeahead.index.lexical.lexical` opens.

Documents are added one by one, in the order of their rows. Tantivy flushes what it has to files, and so do we with what
each document holds, so memory holds little beside the vocabulary. Forms get numbers as they come; only when all are
known are they sorted, and everything is numbered anew.
"""

from __future__ import annotations

import json
import shutil
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import tantivy
from numpy.typing import NDArray

from typeahead.index.lexical.inverted import (
    BEGINNINGS,
    EXTENSIONS,
    ROW,
    SHORT,
    TITLE_BEGINNINGS,
    TITLE_WEIGHT,
    TITLES,
    WORDS,
    make_schema,
    segment_file,
)
from typeahead.search.terms import FIELDS
from typeahead.storage.tensors import TensorWriter
from typeahead.text.analysis import forms as forms_of
from typeahead.text.document import Document

#: The file with the vocabulary and the forms of each document.
FORMS: Final = "forms.safetensors"
FORMAT_VERSION: Final = 1
#: Where a writer keeps what is unfinished.
PARTIAL: Final = "words.partial"
#: Bytes in Tantivy's memory before it writes a segment.
_HEAP: Final = 256_000_000
#: Forms of documents in our memory before they are written to a file. The file takes 9 bytes for each.
_BLOCK: Final = 1 << 15
_LARGEST_COUNT: Final = 255
_TITLE: Final = FIELDS.index("title")


class LexicalWriter:
    """Writes the words of documents into the folder of a generation; use it as a context.

    Nothing of it is there before :meth:`finish`, and leaving the context without that leaves nothing behind. Remains of
    a killed writer are deleted. ``block`` is the number of entries that are kept in memory.
    """

    def __init__(self, folder: Path, *, block: int = _BLOCK) -> None:
        self._folder = folder
        self._block = block
        self._partial = folder / PARTIAL
        shutil.rmtree(self._partial, ignore_errors=True)
        for path in (folder / FORMS, *folder.glob("words*.*")):
            path.unlink(missing_ok=True)
        (self._partial / "tantivy").mkdir(parents=True)
        schema = make_schema()
        # One thread, so that documents stay in their order; the others belong to the encoder's users.
        self._writer = tantivy.Index(schema, path=str(self._partial / "tantivy")).writer(_HEAP, 1)
        self._numbers: dict[str, int] = {}
        #: The forms of the documents since the last block, field after field, and how many each field has.
        self._forms = array("I")
        self._sizes = array("I")
        #: For all documents: the distinct forms of each field, and its words.
        self._distinct: list[NDArray[np.int64]] = []
        self._lengths = array("I")
        self._blocks = 0
        #: Number of documents.
        self.count = 0

    def add(self, document: Document) -> None:
        """Add the document of the next row."""
        indexed = tantivy.Document()
        indexed.add_unsigned(ROW, self.count)
        beginnings: list[str] = []
        compounds: list[str] = []
        numbers = self._numbers
        for field, text in enumerate((document.title, document.text)):
            weight = TITLE_WEIGHT if field == _TITLE else 1
            words = forms_of(text)
            parts: list[str] = []
            wholes: list[str] = []
            for word in words:
                if len(word) == 1:
                    parts += word
                else:
                    parts += word[1:]
                    wholes.append(word[0])
            forms = parts + wholes
            self._forms.extend([numbers.setdefault(form, len(numbers)) for form in forms])
            self._sizes.append(len(forms))
            self._lengths.append(len(forms))
            for _ in range(weight if parts else 0):
                indexed.add_text(WORDS, " ".join(forms[: len(parts)]))
            compounds += forms[len(parts) :] * weight
            short = [form[:length] for length in range(1, SHORT + 1) for form in forms if len(form) >= length]
            beginnings += short * weight
            if field == _TITLE:
                indexed.add_text(TITLES, " ".join(forms))
                indexed.add_text(TITLE_BEGINNINGS, " ".join(short))
        if compounds:
            indexed.add_text(WORDS, " ".join(compounds))
        indexed.add_text(BEGINNINGS, " ".join(beginnings))
        self._writer.add_document(indexed)
        self.count += 1
        if len(self._forms) >= self._block:
            self._flush()

    def finish(self) -> None:
        """Write everything to its place. Nothing may be added afterwards."""
        self._flush()
        self._writer.commit()
        self._writer.wait_merging_threads()
        segments = self._move_segments()
        self._write_forms(segments)
        shutil.rmtree(self._partial)

    def _flush(self) -> None:
        """Write the forms since the last block as pairs of field and form, each once, and their counts."""
        sizes = np.array(self._sizes, np.int64)
        pairs = np.repeat(np.arange(len(sizes)) << 32, sizes) | np.array(self._forms, np.int64)
        pairs, counts = np.unique(pairs, return_counts=True)
        self._distinct.append(np.bincount(pairs >> 32, minlength=len(sizes)))
        np.save(self._partial / f"pairs{self._blocks}.npy", pairs)
        np.save(self._partial / f"counts{self._blocks}.npy", np.minimum(counts, _LARGEST_COUNT).astype(np.uint8))
        self._blocks += 1
        self._forms, self._sizes = array("I"), array("I")

    def _move_segments(self) -> list[int]:
        source = self._partial / "tantivy"
        segments = json.loads((source / "meta.json").read_text("utf-8"))["segments"]
        for number, segment in enumerate(segments):
            name = segment["segment_id"].replace("-", "")
            for extension in EXTENSIONS:
                (source / f"{name}.{extension}").replace(self._folder / segment_file(number, extension))
        return [segment["max_doc"] for segment in segments]

    def _write_forms(self, segments: list[int]) -> None:
        forms = sorted(self._numbers)
        places = np.empty(len(forms), np.int64)
        places[np.fromiter(map(self._numbers.__getitem__, forms), np.int64, len(forms))] = np.arange(len(forms))
        encoded = [form.encode("utf-8") for form in forms]
        starts = np.concatenate([[0], np.cumsum(np.concatenate(self._distinct))])
        form_starts = np.concatenate([[0], np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))])
        lengths = np.array(self._lengths, np.uint32).reshape(self.count, len(FIELDS))
        frequencies = np.zeros(len(forms), np.uint32)
        shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
            "form_starts": (np.int64, form_starts.shape),
            "starts": (np.int64, starts.shape),
            # As these are written, the frequencies are counted.
            "ids": (np.uint32, (int(starts[-1]),)),
            "document_frequencies": (np.uint32, frequencies.shape),
            "lengths": (np.uint32, lengths.shape),
            "forms": (np.uint8, (int(form_starts[-1]),)),
            "counts": (np.uint8, (int(starts[-1]),)),
        }
        metadata = {
            "format_version": str(FORMAT_VERSION),
            "documents": str(self.count),
            "segments": ",".join(map(str, segments)),
        }
        path = self._partial / FORMS
        with TensorWriter(path, shapes, metadata) as tensors:
            tensors.write("form_starts", [form_starts])
            tensors.write("starts", [starts])
            tensors.write("ids", self._renumbered(places, frequencies))
            tensors.write("document_frequencies", [frequencies])
            tensors.write("lengths", [lengths])
            tensors.write("forms", [np.frombuffer(b"".join(encoded), np.uint8)])
            tensors.write("counts", self._counts())
        path.replace(self._folder / FORMS)

    def _renumbered(self, places: NDArray[np.int64], frequencies: NDArray[np.uint32]) -> Iterator[NDArray[np.uint32]]:
        """The forms of all fields, in the order of the vocabulary; adds up in how many documents each occurs."""
        for block in range(self._blocks):
            pairs = np.load(self._partial / f"pairs{block}.npy")
            if not len(pairs):
                continue
            fields = pairs >> 32
            pairs = (fields << 32) | places[pairs & 0xFFFF_FFFF]
            order = np.argsort(pairs, kind="stable")
            pairs = pairs[order]
            counts_path = self._partial / f"counts{block}.npy"
            np.save(counts_path, np.load(counts_path)[order])
            ids = pairs & 0xFFFF_FFFF
            documents = (pairs >> 32) // len(FIELDS)
            once = np.unique((documents << 32) | ids)
            frequencies += np.bincount(once & 0xFFFF_FFFF, minlength=len(frequencies)).astype(np.uint32)
            yield ids.astype(np.uint32)

    def _counts(self) -> Iterator[NDArray[np.uint8]]:
        return (np.load(self._partial / f"counts{block}.npy") for block in range(self._blocks))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        del self._writer
        shutil.rmtree(self._partial, ignore_errors=True)
