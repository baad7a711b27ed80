"""Datasets by their id in the catalogue of ``ir_datasets``, which downloads them and documents their tracks.

The sibling ``dataset_files`` reads folders that are on the disk already. ``ir_datasets`` keeps its downloads under
``~/.ir_datasets``, or where ``IR_DATASETS_HOME`` says.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from typeahead.errors import MissingExtra, SourceError, TypeaheadError
from typeahead.text.records import clean, identifier

_THRESHOLD = re.compile(r"\brel=([0-9]+)")


class CatalogueDataset:
    """The judgements, queries and passages that ``ir_datasets`` has under an id.

    Args:
        name: an id. If it has passages but no judgements, its part ``split`` is taken, or else the only part that is
            not for training: "natural-questions" is "natural-questions/dev".
        split: see ``name``; a point in it counts as a slash.

    Attributes:
        name: id of the part with the judgements.
        collection_name: id of the passages, which all parts share.
        relevant_from: from which grade on the track counts a passage as relevant, by the official measures that the
            catalogue documents: 2 for the passages of TREC DL, whose RR and AP are ``RR(rel=2)`` and ``AP(rel=2)``.
            ``None`` if none are documented.
        passage_count: number of passages if the catalogue knows it.

    Raises:
        MissingExtra: ``ir_datasets`` is not installed.
        SourceError: there is no such id, or no judgements in it.
    """

    def __init__(self, name: str, split: str = "test") -> None:
        try:
            import ir_datasets
        except ImportError as error:
            raise MissingExtra(f"{name!r} is no folder here, and ir_datasets, which knows ids,", "evaluate") from error
        self.name = _judged(ir_datasets, name, split)
        self._dataset = ir_datasets.load(self.name)
        self.collection_name: str = ir_datasets.docs_parent_id(self.name)
        self.relevant_from = self._threshold()
        self.passage_count: int | None = None
        with contextlib.suppress(Exception):
            # Only a progress bar needs the number. An error in the passages shows when they are read.
            self.passage_count = self._dataset.docs_count()

    def error(self, message: str, line: int | None = None) -> SourceError:
        """Make an error that names the id, and the position."""
        return SourceError(f"{self.name}: {'' if line is None else f'number {line}: '}{message}")

    def judgements(self) -> Iterator[tuple[int, str, str, int]]:
        """Yield position, query, passage and grade of each judgement."""

        def parse(judgement: Any) -> tuple[str, str, int]:
            grade = judgement.relevance
            if not isinstance(grade, int) or isinstance(grade, bool):
                raise ValueError(f"the grade {str(grade)[:40]!r} is no whole number")
            return _id(judgement.query_id), _id(judgement.doc_id), grade

        for position, parsed in self._parsed("judgements", self._dataset.qrels_iter, parse):
            yield position, *parsed

    def queries(self) -> Iterator[tuple[int, str, str]]:
        """Yield position, id and text of each query; for a topic with several fields, the catalogue's default text."""
        for position, parsed in self._parsed("queries", self._dataset.queries_iter, _query):
            yield position, *parsed

    def read(self, start: int = 0) -> Iterator[tuple[int, str, str]]:
        """Yield position, id and text of each passage from row ``start`` on; a title goes before the text."""
        for position, parsed in self._parsed("passages", self._dataset.docs_iter, _passage):
            if position > start:
                yield position, *parsed

    def _parsed(
        self, what: str, read: Callable[[], Iterable[Any]], parse: Callable[[Any], tuple[Any, ...]]
    ) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """Yield position, from 1, and content of each record. Every failure is an error that names the id."""
        position = 0
        records: Iterator[Any] = iter(())
        while True:
            try:
                if not position:
                    records = iter(read())
                record = next(records, None)
            except TypeaheadError:
                raise
            except Exception as error:
                # It raises whatever its downloads, archives and parsers raise.
                reason = f"{type(error).__name__}: {error}"
                raise self.error(f"ir_datasets cannot read its {what} ({reason})", position or None) from error
            if record is None:
                return
            position += 1
            try:
                yield position, parse(record)
            except (ValueError, AttributeError) as error:
                raise self.error(f"{what}: {error}", position) from None

    def _threshold(self) -> int | None:
        documentation = self._dataset.documentation() if hasattr(self._dataset, "documentation") else {}
        measures = documentation.get("official_measures")
        if not measures:
            return None
        found = _THRESHOLD.search(str(measures))
        return int(found[1]) if found else 1


def _judged(ir_datasets: Any, name: str, split: str) -> str:
    """The id that has judgements and queries: ``name`` or a part of it."""
    if _load(ir_datasets, name) is None:
        raise SourceError(f"{name!r} is neither a folder nor an id that ir_datasets knows: see https://ir-datasets.com")
    if _complete(ir_datasets, name):
        return name
    registered: list[str] = sorted(ir_datasets.registry)
    parts = [part for part in registered if part.startswith(f"{name}/")]
    parts = [part for part in parts if _complete(ir_datasets, part)]
    wanted = f"{name}/{split.replace('.', '/')}"
    if wanted in parts:
        return wanted
    heldout = [part for part in parts if "train" not in part[len(name) :]]
    if len(heldout) == 1:
        return heldout[0]
    choice = f"choose one of {', '.join(parts[:20])}" if parts else "it cannot be evaluated on"
    raise SourceError(f"{name}: there are no judgements of that id itself, nor is there {wanted}: {choice}")


def _load(ir_datasets: Any, name: str) -> Any:
    try:
        return ir_datasets.load(name)
    except KeyError:
        return None


def _complete(ir_datasets: Any, name: str) -> bool:
    dataset = _load(ir_datasets, name)
    return bool(dataset.has_docs() and dataset.has_queries() and dataset.has_qrels())


def _id(value: Any) -> str:
    return identifier(value, "id", one_word=True)


def _query(query: Any) -> tuple[str, str]:
    return _id(query.query_id), clean(query.default_text(), "text").strip()


def _passage(passage: Any) -> tuple[str, str]:
    return _id(passage.doc_id), clean(passage.default_text(), "text").strip()
