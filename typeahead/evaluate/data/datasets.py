"""Datasets for retrieval: queries and judgements that fit each other, in memory, and passages that stream.

A dataset is a BEIR folder, a folder of MS MARCO's TSV files or an id of ``ir_datasets``. The same content gives the
same :class:`Dataset` in each form. ``dataset_files`` reads files, ``catalogue`` reads ids, and the passages are a
``collection``. Judgements are treated as trec_eval treats them:

- a passage that is not judged, or has a grade below 1, counts as not relevant;
- a judged passage that the collection lacks counts as not found, and a judged query without a relevant passage as 0 in
  the mean: both are a warning;
- two grades for one passage are an error. The same grade twice changes no figure, so it is a warning, although
  trec_eval refuses it as well (form_res_rels.c);
- a query without judgements is left out; judgements of a query that does not exist are left out with a warning;
- an empty query stays, with a warning: it finds nothing, whatever vector an encoder gives it, and counts as 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from typeahead.errors import SourceError, TypeaheadError
from typeahead.evaluate.data.catalogue import CatalogueDataset
from typeahead.evaluate.data.collection import Collection, InMemory, Passage, PassageSource
from typeahead.evaluate.data.dataset_files import FileJudgements, FileTexts
from typeahead.progress import OnProgress
from typeahead.text import beir
from typeahead.text.beir import existing, parse_beir
from typeahead.text.msmarco import parse_msmarco

__all__ = ["Dataset", "Passage", "open_dataset"]

_LAYOUTS = (
    "a BEIR folder has corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, one of MS MARCO has collection.tsv or "
    "corpus.tsv (with titles), queries.SPLIT.tsv and qrels.SPLIT.tsv, each plain or with .gz"
)


@dataclass(frozen=True)
class Dataset:
    """Queries, judgements, and the passages to find.

    Attributes:
        name: of the folder, or the id in ``ir_datasets``.
        queries: text by id, those with a judgement, in the order of their file.
        qrels: grade by passage by query, of ``queries`` in the same order.
        relevant_from: the grade from which on a passage counts as relevant for RR and R; nDCG takes the grades.
        collection: the passages, checked.
        warnings: oddities of the data, each with a count and an example.
    """

    name: str
    queries: dict[str, str] = field(repr=False)
    qrels: dict[str, dict[str, int]] = field(repr=False)
    relevant_from: int
    collection: Collection = field(repr=False)
    warnings: list[str] = field(default_factory=list)

    @property
    def passage_count(self) -> int:
        """Number of passages."""
        return len(self.collection)

    def passages(self, start: int = 0) -> Iterator[Passage]:
        """Stream the passages from row ``start``. Raises :class:`~typeahead.errors.SourceError` if they changed."""
        return self.collection.passages(start)

    @classmethod
    def from_memory(
        cls,
        name: str,
        passages: Iterable[Passage],
        queries: Mapping[str, str],
        qrels: Mapping[str, Mapping[str, int]],
        *,
        relevant_from: int = 1,
    ) -> Dataset:
        """Make a dataset from memory, by the same rules for judgements and repeated ids; texts stay as they are.

        Raises :class:`~typeahead.errors.SourceError`.
        """
        source = InMemory(name, passages)
        warnings: list[str] = []
        given = ((0, query, key, grade) for query, grades in qrels.items() for key, grade in grades.items())
        grades_read = _read_judgements(given, source, warnings)
        texts = _read_queries(((0, *query) for query in queries.items()), source, grades_read, warnings)
        return _join(name, name, texts, grades_read, source, relevant_from, warnings)


def open_dataset(
    name: str | Path,
    *,
    split: str = "test",
    relevant_from: int | None = None,
    progress: OnProgress | None = None,
) -> Dataset:
    """Open a dataset. All of its passages are read once.

    Args:
        name: a folder or an id of ``ir_datasets``; a folder of that name wins.
        split: which judgements: ``qrels/SPLIT.tsv`` in a BEIR folder; ``queries.SPLIT.tsv`` and ``qrels.SPLIT.tsv`` in
            one of MS MARCO ("dev.small"); the part of an id that has no judgements itself ("beir/nfcorpus").
        relevant_from: see :class:`Dataset`; ``None`` takes what ``ir_datasets`` documents for the track, which is 2 for
            the passages of TREC DL, or else 1, with a warning if there are higher grades.
        progress: called while the passages are read.

    Raises:
        SourceError: there is no such dataset or split, a file cannot be read or has a line that cannot be used, an id
            comes twice, no query is judged, or there is no passage. Path and line are in it where there are any.
        MissingExtra: ``name`` is no folder and ``ir_datasets`` is not installed.
        TypeaheadError: ``relevant_from`` is below 1.
    """
    if relevant_from is not None and relevant_from < 1:
        # trec_eval gives grade 0 to passages without a judgement.
        raise TypeaheadError(f"relevant_from is {relevant_from}, it must be at least 1")
    path = Path(name)
    if path.is_dir():
        return _open_folder(path, split, relevant_from, progress)
    if path.exists():
        raise SourceError(f"is a file, not a folder: {_LAYOUTS}", path=path)
    if isinstance(name, Path) or path.is_absolute() or str(name).startswith((".", "~")):
        raise SourceError("there is no such folder", path=path)
    return _open_id(name, split, relevant_from, progress)


def _open_id(name: str, split: str, relevant_from: int | None, progress: OnProgress | None) -> Dataset:
    entry = CatalogueDataset(name, split)
    warnings: list[str] = []
    qrels = _read_judgements(entry.judgements(), entry, warnings)
    queries = _read_queries(entry.queries(), entry, qrels, warnings)
    threshold = entry.relevant_from if relevant_from is None else relevant_from
    return _join(
        entry.name, entry.collection_name, queries, qrels, entry, threshold, warnings, progress, entry.passage_count
    )


def _open_folder(folder: Path, split: str, relevant_from: int | None, progress: OnProgress | None) -> Dataset:
    corpus = existing(folder, beir.CORPUS)
    # The second is RocketQA's, with titles.
    collection = existing(folder, "collection.tsv") or existing(folder, "corpus.tsv")
    if corpus and collection:
        raise SourceError(f"holds corpus.jsonl (BEIR) and {collection.name} (MS MARCO): which is meant?", path=folder)
    if corpus:
        passages = FileTexts(corpus, parse_beir)
        judgements = FileJudgements(_file(folder, beir.qrels(split), "qrels/*.tsv*"))
        texts = FileTexts(_file(folder, beir.QUERIES), parse_beir)
    elif collection:
        passages = FileTexts(collection, partial(parse_msmarco, titles=True))
        judgements = FileJudgements(_file(folder, f"qrels.{split}.tsv", "qrels.*.tsv*"))
        texts = FileTexts(_file(folder, f"queries.{split}.tsv", "queries.*.tsv*"), parse_msmarco)
    else:
        raise SourceError(f"holds no dataset: {_LAYOUTS}", path=folder)
    warnings: list[str] = []
    qrels = _read_judgements(judgements.read(), judgements, warnings)
    queries = _read_queries(texts.read(), texts, qrels, warnings)
    name = folder.resolve().name
    dataset = _join(name, name, queries, qrels, passages, relevant_from, warnings, progress)
    if collection:
        # A JSON line that was cut short is none. One of TSV is still one.
        warnings.extend(
            f"{file.path} does not end with a line break: its last line may have been cut short"
            for file in (passages, texts)
            if file.unfinished
        )
    return dataset


def _file(folder: Path, name: str, alternatives: str = "") -> Path:
    path = existing(folder, name)
    if path is None:
        others = sorted(str(other.relative_to(folder)) for other in folder.glob(alternatives)) if alternatives else []
        hint = f"; choose the split of one that is there: {', '.join(others[:10])}" if others else f": {_LAYOUTS}"
        raise SourceError(f"there is no such file{hint}", path=folder / name)
    return path


class _Source(Protocol):
    def error(self, message: str, line: int | None = None) -> SourceError: ...


def _read_judgements(
    judgements: Iterable[tuple[int, str, str, int]], source: _Source, warnings: list[str]
) -> dict[str, dict[str, int]]:
    """Grade by passage by query. Raises ``SourceError`` for two grades of one passage, and if there is none at all."""
    qrels: dict[str, dict[str, int]] = {}
    repeated: list[str] = []
    for line, query, passage, grade in judgements:
        grades = qrels.setdefault(query, {})
        if passage not in grades:
            grades[passage] = grade
        elif grades[passage] == grade:
            repeated.append(f"{query} {passage}")
        else:
            raise source.error(
                f"query {query!r} has passage {passage!r} with grade {grade} here and {grades[passage]} before", line
            )
    if not qrels:
        raise source.error("there is no judgement in it")
    _warn(warnings, "judgements that stand there twice", repeated, "they count once")
    return qrels


def _read_queries(
    queries: Iterable[tuple[int, str, str]], source: _Source, qrels: Mapping[str, object], warnings: list[str]
) -> dict[str, str]:
    """Texts of the judged queries. Raises ``SourceError`` for an id that comes twice, and if no query is judged."""
    judged: dict[str, str] = {}
    lines: dict[str, int] = {}
    for line, query, text in queries:
        if query in lines:
            raise source.error(f"the id {query!r} is that of line {lines[query]} already: ids must be unique", line)
        lines[query] = line
        if query in qrels:
            judged[query] = text
    unknown = [query for query in qrels if query not in judged]
    if not judged:
        raise source.error(
            f"none of its {len(lines)} queries is judged: the judgements are of {unknown[0]!r} and others"
        )
    _warn(warnings, "judged queries that do not exist", unknown, "they are left out")
    empty = [query for query, text in judged.items() if not text.strip()]
    _warn(warnings, "empty queries", empty, "they find nothing and count as 0")
    return judged


def _join(
    name: str,
    collection_name: str,
    queries: dict[str, str],
    qrels: Mapping[str, dict[str, int]],
    source: PassageSource,
    relevant_from: int | None,
    warnings: list[str],
    progress: OnProgress | None = None,
    total: int | None = None,
) -> Dataset:
    """Read the passages and bring the three together."""
    judged = {query: qrels[query] for query in queries}
    named = {passage for grades in judged.values() for passage in grades}
    collection = Collection(collection_name, source, expected=named, progress=progress, total=total)
    _warn(warnings, "judged passages that are not in the collection", sorted(collection.missing), "they are not found")
    _warn(warnings, "passages without text", collection.empty, "they are encoded as they are")
    highest = max(grade for grades in judged.values() for grade in grades.values())
    if relevant_from is None and highest > 1:
        warnings.append(f"grades go up to {highest}; for RR and R a passage counts as relevant from 1 on")
    relevant_from = relevant_from or 1
    hopeless = [query for query, grades in judged.items() if max(grades.values()) < relevant_from]
    _warn(warnings, f"queries without a passage of grade {relevant_from} or more", hopeless, "RR and R of them are 0")
    return Dataset(name, queries, judged, relevant_from, collection, warnings)


def _warn(warnings: list[str], what: str, found: Sequence[str], consequence: str) -> None:
    if found:
        warnings.append(f"{what}: {len(found):,}, such as {found[0]!r}; {consequence}")
