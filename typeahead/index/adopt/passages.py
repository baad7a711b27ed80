"""Stores documents whose passages come one by one, each with a vector; ``matching`` stores documents of one vector."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from typeahead.errors import SourceError
from typeahead.index.document_writer import Divided, DocumentWriter
from typeahead.progress import OnProgress
from typeahead.text.document import Document, Passage

#: Passages in a transaction, at least.
_BATCH = 1000
#: What stands between passages, so that their last and first words stay apart.
_BETWEEN = "\n\n"


def store_passages(
    passages: Iterable[Document],
    keys: Sequence[str] | None,
    count: int,
    target: Path,
    vectors: Path,
    tell: OnProgress,
) -> int:
    """Store the documents of ``passages``; passages that follow each other with the same id are one document.

    Args:
        passages: read once, in the order of the vectors.
        keys: the ids of the documents by vector, if known; they must be those of the passages.
        count: number of vectors.
        target: the file of documents, new.
        vectors: the file of vectors, for errors.
        tell: progress callback.

    Returns:
        The number of documents.

    Raises:
        SourceError: vectors and passages do not match, or passages with the same id do not follow each other or have
            several titles.
    """
    store = DocumentWriter(target)
    seen: set[str] = set()
    done = 0
    try:
        part: list[Divided] = []
        for key, group in groupby(passages, lambda passage: passage.id):
            lines = list(group)
            if key in seen:
                raise SourceError(
                    f"passages of document {key!r} stand apart from each other: sort the source by id, and the vectors"
                )
            seen.add(key)
            place = done + sum(len(divided) for _, divided in part)
            if place + len(lines) > count:
                raise SourceError(f"there are more passages than the {count} vectors", path=vectors)
            if keys is not None and any(keys[place + number] != key for number in range(len(lines))):
                raise SourceError(
                    f"from passage {place + 1} on, which is of document {key!r}, the ids of vectors are others: "
                    "put the vectors in the order of the source",
                    path=vectors,
                )
            part.append(_joined(lines))
            if place + len(lines) - done >= _BATCH:
                store.append(part)
                done, part = place + len(lines), []
                tell("documents", done, count)
        store.append(part)
        done += sum(len(divided) for _, divided in part)
        tell("documents", done, count)
        if done != count:
            raise SourceError(f"{count} vectors, but {done} passages", path=vectors)
        store.finish()
    finally:
        store.close()
    return len(seen)


def _joined(lines: Sequence[Document]) -> Divided:
    """Make a document of its passages."""
    first = lines[0]
    other = next((line.title for line in lines if line.title != first.title), None)
    if other is not None:
        raise SourceError(
            f"passages of document {first.id!r} have the titles {first.title!r:.60} and {other!r:.60}: give them one"
        )
    last = len(lines) - 1
    passages = tuple(
        Passage(line.text + (_BETWEEN if number < last else ""), (), line.url.partition("#")[2] if last else "")
        for number, line in enumerate(lines)
    )
    url = first.url.partition("#")[0] if last else first.url
    return Document(first.id, first.title, "".join(one.text for one in passages), url, first.fields), passages
