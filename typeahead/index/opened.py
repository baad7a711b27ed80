"""An index from Python: its documents are written, deleted, read and searched.

    >>> with typeahead.open_index("my-index") as index:                 # doctest: +SKIP
    ...     index.upsert([{"id": "eggs", "title": "Boiled eggs", "text": "Eight minutes."}])
    ...     index.delete(["rain"])
    ...     index.delete_matching({"year": {"lt": 2000}})

What is written is on disk when a method returns, and a running server of the same folder shows it within a second.
:class:`typeahead.Box` searches as people type; this searches vectors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import numpy as np

from typeahead.core.encoder import Encoder, Vectors
from typeahead.encoders.loading import load
from typeahead.errors import FilterError, ModelError, ReplacementRefused, TypeaheadError
from typeahead.index.build import Divide, encoder_sha256
from typeahead.index.document_writer import undivided
from typeahead.index.drafts import Draft
from typeahead.index.engine import vocabulary
from typeahead.index.living import LivingIndex
from typeahead.index.manifest import Manifest
from typeahead.index.showing import best_passage
from typeahead.index.upserting import Upserted, Upserter, make_room, write_with_room
from typeahead.progress import OnProgress
from typeahead.search.fields import check_fields
from typeahead.search.filters import And, Filter, read_filter
from typeahead.search.ranking import Hit
from typeahead.search.space import check_space
from typeahead.text.dividing import divider_for
from typeahead.text.document import Document

#: Documents that are read, or deleted, at once.
_AT_ONCE: Final = 256
_DELETED_AT_ONCE: Final = 10_000


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Removed:
    """What a deletion did."""

    #: Documents that were there, and are gone.
    count: int
    #: The version of the index.
    version: int


class OpenIndex:
    """An open index. Use it from one thread; :meth:`close` it, or use it as a context.

    Everything is as others left it at the moment of the call: they may write to the folder, merge its changes and build
    it anew. Made by :func:`open_index`.
    """

    def __init__(self, path: str | Path, encoder: Encoder | str | Path | None = None, *, threads: int = 0) -> None:
        self._living = LivingIndex(Path(path))
        threads = threads or os.cpu_count() or 1
        self._encoder = cache(lambda: _passage_encoder(self._living, encoder, threads))
        self._divide = cache(lambda: _divide(self._living, self._encoder))
        self._upserter = Upserter(self._living, self._encoder, self._divide)

    @property
    def path(self) -> Path:
        """The folder."""
        return self._living.folder

    @property
    def manifest(self) -> Manifest:
        """The manifest of the generation that is open; the changes since are not in it."""
        return self._living.generation.manifest

    @property
    def version(self) -> int:
        """The version of the documents: it grows with every change."""
        self._living.refresh()
        return self._living.contents.version

    def __len__(self) -> int:
        self._living.refresh()
        return self._living.contents.count

    def upsert(
        self,
        documents: Iterable[Document | Mapping[str, Any] | Draft],
        progress: OnProgress | None = None,
    ) -> Upserted:
        """Add documents, or replace those of the same id; of one id the last counts.

        ``documents`` are :class:`~typeahead.text.document.Document` objects, or mappings of the form that HTTP takes:
        ``{"id", "title", "text", "url", "fields", "vectors"}``, all but the id and one of title and text optional. Only
        what changed is encoded and written. Documents are read one by one and written in batches, each of which is on
        disk before the next begins.

        What is wrong with one document is in :attr:`Upserted.errors` and keeps no other out. Raises
        :class:`~typeahead.errors.TypeaheadError` where nothing can be encoded: no encoder is known, or it is not one of
        this index; :class:`~typeahead.errors.ModelError` for what an encoder returned, and
        :class:`~typeahead.errors.IndexFolderError` if the disk is full.
        """
        return self._upserter.upsert(documents, progress)

    def delete(self, ids: Iterable[str]) -> Removed:
        """Remove documents by their ids; ids that are not there are passed over."""
        if isinstance(ids, str):
            raise TypeError(f"ids is the text {ids[:40]!r}: give a list of ids")
        found = 0
        for some in _batches(dict.fromkeys(ids), _DELETED_AT_ONCE):

            def remove(some: Sequence[str] = some) -> None:
                nonlocal found
                found += self._living.delete(some)[0]

            write_with_room(self._living, remove)
        return Removed(found, self.version)

    def delete_matching(self, filter: Mapping[str, Any], max_shrink: float = 0.5) -> Removed:
        """Remove the documents that a filter admits, such as ``{"country": "France", "year": {"lt": 2000}}``.

        Raises :class:`~typeahead.errors.ReplacementRefused` if these are more than the share ``max_shrink`` of all, and
        then removes nothing; :class:`~typeahead.errors.FilterError` for an empty filter, or one that cannot be read,
        and :class:`~typeahead.errors.UnknownField` for a field that no document has.
        """
        if not 0 <= max_shrink <= 1:
            raise ValueError(f"max_shrink is {max_shrink}; it must be from 0 to 1")
        tree = read_filter(filter)
        if tree == And(()):
            raise FilterError("an empty filter would delete everything: say which documents")
        count = len(self)
        check_fields(tree, self.kinds() if count else None)
        ids = self._living.matching(tree, count)
        if len(ids) > max_shrink * count:
            raise ReplacementRefused(
                f"the filter admits {len(ids):,} of {count:,} documents, and nothing is deleted: allow a larger share "
                f"with --max-shrink, or max_shrink= (it is {max_shrink:g})",
                before=count,
                after=count - len(ids),
                folder=self.path,
            )
        return self.delete(ids)

    def get(self, ids: Iterable[str]) -> dict[str, Document]:
        """Return documents by their ids, without those that are not there."""
        self._living.refresh()
        contents = self._living.contents
        rows = contents.find(list(ids))
        return dict(zip(rows, contents.documents(list(rows.values())), strict=True))

    def search(self, queries: Vectors, k: int = 8, filter: Mapping[str, Any] | None = None) -> list[list[Hit]]:
        """Find the ``k`` documents most similar to each of ``queries`` float32 (n, dim), the best first.

        Each hit shows the best passage of its document, and its score is the similarity. A query of zeros, which an
        encoder returns for a text without tokens, finds nothing. ``filter`` says which documents count.

        Raises ``ValueError`` for a wrong shape, a value that is not finite or ``k`` below 1, and what
        :meth:`delete_matching` raises for a filter.
        """
        queries = np.asarray(queries, np.float32)
        if queries.ndim != 2 or queries.shape[1] != self._living.space.dim or not np.isfinite(queries).all():
            raise ValueError(
                f"queries have the shape {queries.shape}: they must be (n, {self._living.space.dim}), and finite"
            )
        if k < 1:
            raise ValueError(f"k is {k}; it must be at least 1")
        self._living.refresh()
        contents = self._living.contents
        tree = None if filter is None else self._known(filter)
        asked = np.flatnonzero(queries.any(axis=1))
        hits: list[list[Hit]] = [[] for _ in queries]
        if not len(asked) or not contents.count:
            return hits
        for place, near in zip(asked, contents.nearest(queries[asked], k, contents.masks(tree)), strict=True):
            rows = near.rows.tolist()
            shown = contents.shown(rows, [best_passage(contents, row, queries[place], ()) for row in rows])
            hits[place] = [
                Hit(one.id, score, one.title, one.text, one.url)
                for one, score in zip(shown, near.scores.tolist(), strict=True)
            ]
        return hits

    def every(self) -> Iterator[Document]:
        """Iterate over all documents, in the order of the index; changes that come meanwhile are not among them."""
        self._living.refresh()
        contents = self._living.contents
        for rows in _batches(contents.live_rows(contents.masks(None)).tolist(), _AT_ONCE):
            yield from contents.documents(rows)

    def ids(self) -> Iterator[str]:
        """Iterate over the ids of all documents."""
        self._living.refresh()
        contents = self._living.contents
        return map(contents.id, contents.live_rows(contents.masks(None)).tolist())

    def words(self) -> Mapping[str, int]:
        """Return in how many documents each form of a word occurs."""
        self._living.refresh()
        return vocabulary(self._living.contents)

    def kinds(self) -> dict[str, str]:
        """Return the kind of value of each field: "text", "number" or "truth"."""
        return self._living.kinds()

    def describe(self) -> dict[str, Any]:
        """Return numbers about the index, as ``GET /v1/index`` does: counts, size on disk, when it was compacted."""
        self._living.refresh()
        return self._living.describe()

    @property
    def due(self) -> bool:
        """Whether so much has changed that :meth:`compact` pays."""
        self._living.refresh()
        return self._living.due

    def compact(self) -> None:
        """Merge all changes into the files of the index. A server does this by itself when it pays.

        Vectors are copied, and the version stays. Waits while another process builds or merges.
        """
        make_room(self._living)

    def close(self) -> None:
        """Close the files."""
        self._living.close()

    def _known(self, filter: Mapping[str, Any]) -> Filter:
        tree = read_filter(filter)
        check_fields(tree, self.kinds())
        return tree

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_index(path: str | Path, encoder: Encoder | str | Path | None = None, *, threads: int = 0) -> OpenIndex:
    """Open the index in folder ``path``, to change its documents and to search them.

    Args:
        path: the folder.
        encoder: encodes passages: an encoder, or its name or folder. By default the one that made the vectors of the
            index; it is loaded when the first document is encoded.
        threads: for encoding; by default as many as there are cores.

    Raises:
        IndexNotFound: there is no index. ``typeahead index`` builds one, and ``typeahead index --empty`` an empty one.
        IndexCorrupt, IndexTooNew, IndexTooOld: it cannot be opened.
    """
    return OpenIndex(path, encoder, threads=threads)


def _passage_encoder(index: LivingIndex, given: Encoder | str | Path | None, threads: int) -> Encoder:
    """Load the encoder that makes vectors for an index, and check that they belong there."""
    recorded = index.generation.manifest.encoder
    if given is None and recorded is None:
        raise TypeaheadError(
            f"{index.folder} does not say which encoder made its vectors: give one (--encoder, or encoder=), such as "
            "minilm-doc"
        )
    encoder = given if given is not None else recorded.address if recorded else ""
    loaded = load(encoder, threads=threads) if isinstance(encoder, str | Path) else encoder
    if given is None and recorded is not None and encoder_sha256(loaded) != recorded.sha256:
        raise ModelError(
            f"{recorded.address} is no longer the encoder that made the vectors of {index.folder}: give it explicitly "
            "(--encoder, or encoder=) to use it all the same, or build the index anew"
        )
    if loaded.config.role == "query":
        raise TypeaheadError(f"encoder {loaded.config.name} encodes queries: give a passage encoder such as minilm-doc")
    check_space(index.space, loaded.config, folder=index.folder)
    return loaded


def _divide(index: LivingIndex, encoder: Callable[[], Encoder]) -> Divide:
    """Return what divides documents as those of the index were divided."""
    limit = index.generation.manifest.passage_limit
    return undivided if limit is None else divider_for(encoder(), limit).divide


def _batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    left = iter(values)
    while batch := list(islice(left, size)):
        yield batch
