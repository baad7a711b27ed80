"""What is typed about: the documents of an index, a BEIR folder or a file, and judgements if there are any."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from typeahead.errors import SourceError
from typeahead.evaluate.data.collection import Collection, InMemory, Passage
from typeahead.evaluate.data.datasets import Dataset, open_dataset
from typeahead.index import FieldChoice, open_index, read_source
from typeahead.index.manifest import MANIFEST
from typeahead.progress import OnProgress
from typeahead.text import beir
from typeahead.text.document import Document


@dataclass(frozen=True)
class Source:
    """Documents in memory, with what else is known of them."""

    name: str
    documents: list[Document] = field(repr=False)
    #: The folder, if the documents come from an index.
    index: Path | None = None
    #: Judged queries.
    judged: Dataset | None = None
    warnings: list[str] = field(default_factory=list)

    def dataset(self) -> Dataset:
        """The documents as passages without queries, for :func:`~.vectors.passages.encode_passages`."""
        passages = [Passage(one.id, one.passage) for one in self.documents]
        return Dataset(self.name, {}, {}, 1, Collection(self.name, InMemory(self.name, passages)))


def open_source(
    path: Path,
    *,
    judgements: Path | None = None,
    split: str = "test",
    relevant_from: int | None = None,
    progress: OnProgress | None = None,
) -> Source:
    """Read the documents of an index, a BEIR folder, or whatever else ``typeahead index`` reads.

    ``judgements`` is a BEIR folder with judgements of these documents. Without it, ``path`` itself may have some.

    Raises :class:`~typeahead.errors.SourceError` for what cannot be read, for a source without a document, and for
    judgements of other documents; what :func:`~typeahead.index.open_index` raises for a broken index.
    """
    index = path if (path / MANIFEST).is_file() else None
    documents = _of_index(path) if index else list(read_source(path, choice=FieldChoice("none")))
    if not documents:
        raise SourceError("holds no documents: there is nothing to type", path=path)
    warnings: list[str] = []
    judged = _judged(path, judgements, split, relevant_from, progress, warnings)
    if judged is not None:
        ids = {one.id for one in documents}
        named = {passage for grades in judged.qrels.values() for passage in grades}
        if not named & ids:
            raise SourceError(f"holds none of the passages that {judged.name} judges: their ids must agree", path=path)
        if gone := len(named - ids):
            warnings.append(f"{path} lacks {gone:,} of {len(named):,} judged passages: they cannot be found")
        warnings += judged.warnings
    return Source(path.resolve().stem, documents, index, judged, warnings)


def _of_index(path: Path) -> list[Document]:
    with open_index(path) as index:
        return index.documents(range(index.manifest.count))


def _judged(
    path: Path,
    judgements: Path | None,
    split: str,
    relevant_from: int | None,
    progress: OnProgress | None,
    warnings: list[str],
) -> Dataset | None:
    if judgements is None:
        if beir.existing(path, beir.QUERIES) is None:
            return None
        if beir.existing(path, beir.qrels(split)) is None:
            warnings.append(f"{path} has no judgements of split {split}: its queries are not typed")
            return None
    return open_dataset(judgements or path, split=split, relevant_from=relevant_from, progress=progress)
