"""Writes the words of an index: the files that :mod:`~typeahead.index.lexical.lexical` opens.

Documents are added one by one, in the order of their rows. Tantivy flushes what it has to files, and so do we with what
each document holds (``forward_writer``), so memory holds little beside the vocabulary. Forms get numbers as they come;
only when all are known are they sorted, and everything is numbered anew.
"""

from __future__ import annotations

import json
import shutil
from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import tantivy
from numpy.typing import NDArray

from typeahead.index.lexical.forward_writer import BLOCK, ForwardWriter
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
from typeahead.text.document import Document, Passage

#: The file with the vocabulary and the forms of each document.
FORMS: Final = "forms.safetensors"
#: The file with the passages of each document and their forms, if any document is divided.
PASSAGES: Final = "passages.safetensors"
FORMAT_VERSION: Final = 1
#: Where a writer keeps what is unfinished.
PARTIAL: Final = "words.partial"
#: Bytes in Tantivy's memory before it writes a segment.
_HEAP: Final = 256_000_000
_TITLE: Final = FIELDS.index("title")


class LexicalWriter:
    """Writes the words of documents into the folder of a generation; use it as a context.

    Nothing of it is there before :meth:`finish`, and leaving the context without that leaves nothing behind. Remains of
    a killed writer are deleted. ``block`` is the number of entries that are kept in memory.
    """

    def __init__(self, folder: Path, *, block: int = BLOCK) -> None:
        self._folder = folder
        self._block = block
        self._partial = folder / PARTIAL
        shutil.rmtree(self._partial, ignore_errors=True)
        for path in (folder / FORMS, folder / PASSAGES, *folder.glob("words*.*")):
            path.unlink(missing_ok=True)
        (self._partial / "tantivy").mkdir(parents=True)
        schema = make_schema()
        # One thread, so that documents stay in their order; the others belong to the encoder's users.
        self._writer = tantivy.Index(schema, path=str(self._partial / "tantivy")).writer(_HEAP, 1)
        self._numbers: dict[str, int] = {}
        self._documents = ForwardWriter(self._partial, "documents", block=block)
        #: The forms of passages, from the first divided document on.
        self._passages: ForwardWriter | None = None
        #: The number of passages before each document.
        self._firsts = array("Q", [0])
        #: Number of documents.
        self.count = 0

    def add(self, document: Document, passages: Sequence[Passage] = ()) -> None:
        """Add the document of the next row, and its passages if it is divided."""
        indexed = tantivy.Document()
        indexed.add_unsigned(ROW, self.count)
        beginnings: list[str] = []
        compounds: list[str] = []
        numbers = self._numbers
        for field, text in enumerate((document.title, document.text)):
            weight = TITLE_WEIGHT if field == _TITLE else 1
            parts, wholes = parts_and_wholes(text)
            forms = parts + wholes
            self._documents.add([numbers.setdefault(form, len(numbers)) for form in forms])
            for _ in range(weight if parts else 0):
                indexed.add_text(WORDS, " ".join(parts))
            compounds += wholes * weight
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
        self._add_passages(document, passages)

    def _add_passages(self, document: Document, passages: Sequence[Passage]) -> None:
        first = self._firsts[-1]
        self._firsts.append(first + max(len(passages), 1))
        if len(passages) > 1:
            if self._passages is None:
                self._passages = ForwardWriter(self._partial, "passages", block=self._block)
                self._passages.skip(first)
            known = self._numbers.get
            title = [self._numbers[form] for form in chain(*parts_and_wholes(document.title))]
            for passage in passages:
                self._passages.add(title)
                # A word that is cut has parts that no document holds.
                forms = map(known, chain(*parts_and_wholes(passage.text)))
                self._passages.add([number for number in forms if number is not None])
        elif self._passages is not None:
            self._passages.skip(1)

    def finish(self) -> None:
        """Write everything to its place. Nothing may be added afterwards."""
        self._documents.flush()
        self._writer.commit()
        self._writer.wait_merging_threads()
        segments = self._move_segments()
        self._write_forms(segments)
        shutil.rmtree(self._partial)

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
        form_starts = np.concatenate([[0], np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))])
        frequencies = np.zeros(len(forms), np.uint32)
        shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
            "form_starts": (np.int64, form_starts.shape),
            "document_frequencies": (np.uint32, frequencies.shape),
            "forms": (np.uint8, (int(form_starts[-1]),)),
        }
        metadata = {
            "format_version": str(FORMAT_VERSION),
            "documents": str(self.count),
            "segments": ",".join(map(str, segments)),
        }
        content: dict[str, Iterable[NDArray[Any]]] = {
            "form_starts": [form_starts],
            "document_frequencies": [frequencies],
            "forms": [np.frombuffer(b"".join(encoded), np.uint8)],
        }
        self._write(FORMS, self._documents, shapes, content, metadata, places, frequencies)
        if self._passages is not None:
            self._passages.flush()
            firsts = np.array(self._firsts, np.int64)
            metadata = {
                "format_version": str(FORMAT_VERSION),
                "documents": str(self.count),
                "passages": str(firsts[-1]),
            }
            shapes = {"firsts": (np.int64, firsts.shape)}
            self._write(PASSAGES, self._passages, shapes, {"firsts": [firsts]}, metadata, places)

    def _write(
        self,
        name: str,
        forward: ForwardWriter,
        shapes: Mapping[str, tuple[Any, tuple[int, ...]]],
        content: Mapping[str, Iterable[NDArray[Any]]],
        metadata: Mapping[str, str],
        places: NDArray[np.int64],
        frequencies: NDArray[np.uint32] | None = None,
    ) -> None:
        """Write what a forward index has, and more ``content`` of some ``shapes``, to a file in its place."""
        path = self._partial / name
        content = {"starts": [forward.starts], "lengths": [forward.lengths], **content}
        # Writing ids counts the frequencies, and puts the counts in order.
        shapes = {"ids": forward.shapes()["ids"], **forward.shapes(), **shapes}
        with TensorWriter(path, shapes, metadata) as tensors:
            for tensor in sorted(shapes, key=lambda one: -np.dtype(shapes[one][0]).itemsize):
                if tensor == "ids":
                    tensors.write(tensor, forward.ids(places, frequencies))
                elif tensor == "counts":
                    tensors.write(tensor, forward.counts())
                else:
                    tensors.write(tensor, content[tensor])
        path.replace(self._folder / name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        del self._writer
        shutil.rmtree(self._partial, ignore_errors=True)


def parts_and_wholes(text: str) -> tuple[list[str], list[str]]:
    """Return the parts of all words of a text, in their order, and the wholes of words with several parts."""
    words = forms_of(text)
    # A plain word is its own part.
    parts = [part for word in words for part in word[1:] or word]
    return parts, [word[0] for word in words if len(word) > 1]
