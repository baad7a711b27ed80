"""Sets vectors that came with their documents apart, so that they can be adopted like any others.

Adoption reads all vectors before the first document, but a pipe or a query gives them together and only once. So both
go to files of a temporary folder: the vectors as ``.npy``, in the order of the documents.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np

from typeahead.errors import SourceError
from typeahead.index.vectors import VectorWriter
from typeahead.text.document import Document
from typeahead.text.mapping import Found, Vector

_BATCH = 1024


@contextmanager
def set_apart(found: Iterable[Found], near: Path) -> Iterator[tuple[Path, Iterator[Document]]]:
    """Give the file of the vectors and the documents in the same order. Both last as long as the context.

    The temporary folder is beside ``near`` and takes as much space as the vectors and documents do.

    Raises :class:`~typeahead.errors.SourceError` if there are no documents. What is raised within the context about the
    file of the vectors names the vectors instead of the file.
    """
    parent = near.absolute().parent
    with tempfile.TemporaryDirectory(prefix=f".{near.name}-", dir=parent if parent.is_dir() else None) as name:
        vectors, documents = Path(name, "vectors.npy"), Path(name, "documents.jsonl")
        _write(found, vectors, documents)
        with documents.open(encoding="utf-8") as lines:
            try:
                yield vectors, (Document(*json.loads(line)) for line in lines)
            except SourceError as error:
                if error.path != vectors:
                    raise
                # Nobody knows the temporary file, and it is gone when the error is read.
                raise SourceError(f"the documents' own vectors: {str(error).removeprefix(f'{vectors}: ')}") from error


def _write(found: Iterable[Found], vectors: Path, documents: Path) -> None:
    writer: VectorWriter | None = None
    part: list[Vector] = []
    with documents.open("w", encoding="utf-8") as lines, ExitStack() as stack:
        for document, vector, _ in found:
            if vector is None:
                raise SourceError(f"there is no vector for document {document.id!r}")
            if writer is None:
                writer = stack.enter_context(closing(VectorWriter(vectors, len(vector))))
            lines.write(json.dumps([document.id, document.title, document.text, document.url, dict(document.fields)]))
            lines.write("\n")
            part.append(vector)
            if len(part) == _BATCH:
                writer.write(np.stack(part))
                part = []
        if writer is None:
            raise SourceError("there are no documents, and so no vectors to adopt")
        if part:
            writer.write(np.stack(part))
        writer.finish()
