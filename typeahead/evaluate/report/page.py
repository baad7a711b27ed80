"""One page of Markdown from the JSON files of many measurements.

:mod:`~typeahead.evaluate.report.results` reads the files; :mod:`~typeahead.evaluate.report.tables` and the
measurements make tables, :mod:`~typeahead.evaluate.report.plots` makes curves. This module only puts them in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from typeahead.errors import SourceError
from typeahead.evaluate.filenames import FileNames
from typeahead.evaluate.report import plots, prefix_report, tables, typed
from typeahead.tables import markdown

Record = Mapping[str, Any]


def write_report(records: Sequence[Record], path: Path, *, title: str, texts: bool = False) -> None:
    """Write the page to ``path`` and its curves beside it, sections in the order of :func:`sections`.

    ``texts`` shows the worst queries' texts. Raises :class:`~typeahead.errors.SourceError` if a file lacks a figure.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    body = sections(records, Curves(path.parent), texts=texts)
    path.write_text("\n\n".join([f"# {title}", *filter(None, body)]) + "\n", encoding="utf-8")


class Curves:
    """The SVG files of a page, all in ``folder``, each with a name of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = FileNames()

    def add(self, name: str, svg: str, says: str) -> str:
        """Write a file. Gives the Markdown that shows it."""
        file = f"{self._names.of(name)}.svg"
        (self._folder / file).write_text(svg, encoding="utf-8")
        return f"![{says}]({file})"


def sections(records: Sequence[Record], curves: Curves, *, texts: bool) -> list[str]:
    """Make the blocks of the page, and write the curves."""
    blocks = [_machine(records)]
    for heading, kind, section in (
        ("Retrieval", "retrieval", _retrieval),
        ("While typing", "prefixes", _prefixes),
        ("Vectors and words", "hybrid", _hybrid),
        ("What people type", "typed", _typed),
        ("The box as it is served", "box", _box),
        ("Latency", "latency", _latency),
        ("MTEB", "mteb", _mteb),
    ):
        if chosen := [record for record in records if record["kind"] == kind]:
            blocks.append(f"## {heading}")
            for record in chosen:
                try:
                    blocks += [*section(record, curves, texts), _source(record)]
                except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
                    source = record.get("command", f"a measurement of {kind}")
                    raise SourceError(f"the results of {source} are damaged: {error!r}") from error
    return blocks


def _machine(records: Sequence[Record]) -> str:
    """Hardware and versions, of several machines if the files come from several."""
    machines = [record.get("hardware") or {"machine": "unknown"} for record in records]
    different = list(dict.fromkeys(", ".join(f"{name} {what}" for name, what in found.items()) for found in machines))
    return "Measured on: " + "; and on: ".join(different) + "."


def _source(record: Record) -> str:
    return f"`{record['command']}` ({record['measured'][:10]})"


def _notes(record: Record) -> list[str]:
    return ["\n".join(f"- {warning}" for warning in record.get("warnings", ()))]


def _box(record: Record, curves: Curves, texts: bool) -> list[str]:
    del curves, texts
    return [
        f"### {record['dataset']}",
        f"{record['queries']:,} queries, searched in {record['index']}.",
        *_notes(record),
        markdown(tables.metrics(record["results"], record["missing"], baseline=None)),
    ]


def _retrieval(record: Record, curves: Curves, texts: bool) -> list[str]:
    blocks = [
        f"### {record['dataset']}",
        f"{record['queries']:,} queries, {record['passages']:,} passages by {record['passage_encoder']}, relevant from "
        f"grade {record['relevant_from']}, {record['backend']} search. nDCG has linear gain, ties are ranked by "
        "passage id, descending, as trec_eval does.",
        *_notes(record),
        markdown(tables.metrics(record["results"], record["missing"], baseline=record["baseline"])),
    ]
    recall = {}
    for result in record["results"]:
        if (found := result["comparison"]) is None:
            continue
        recall[result["query_encoder"]] = found["recall"]
        blocks += [
            f"**{found['encoder']} against {found['teacher']}**: paired randomisation test, "
            f"{found['rounds']:,} rounds, seed {found['seed']}.",
            markdown(tables.against_teacher(found)),
            markdown(tables.recall(found)),
            "Correlation of the drop with the query's length, p by permutation:",
            markdown(tables.length(found)),
        ]
        if found["worst"]:
            blocks += [f"Queries that lost most of {found['worst_by']}:", markdown(tables.worst(found, texts=texts))]
    if recall:
        svg = plots.recall_curves(recall, record["dataset"])
        says = f"R@k relative to {record['baseline']} on {record['dataset']}"
        blocks.append(curves.add(f"recall-{record['dataset']}", svg, says))
    return blocks


def _prefixes(record: Record, curves: Curves, texts: bool) -> list[str]:
    del texts
    svg = plots.prefix_curves(record)
    return [
        f"### {record['dataset']}, typed character by character",
        f"{record['queries']:,} queries, {record['code_points']['all']:,} keystrokes; 10 passages are visible at once. "
        f"Definitions: `typeahead/evaluate/measures/prefixes.py`. Intervals: {record['bootstrap']['rounds']:,} "
        f"bootstrap rounds, seed {record['bootstrap']['seed']}, which is also that of drawn gaps.",
        *_notes(record),
        markdown([prefix_report.row(system) for system in record["systems"]]),
        tables.absent(record["missing"], record.get("skipped", ())),
        curves.add(f"prefixes-{record['dataset']}", svg, f"nDCG@10 by share typed on {record['dataset']}"),
    ]


def _typed(record: Record, curves: Curves, texts: bool) -> list[str]:
    del texts
    svg = typed.curves(record)
    return [
        f"### {record['collection']}",
        f"{record['documents']:,} documents. Definitions: `typeahead/evaluate/typed/__init__.py`. Drawn with seed "
        f"{record['seed']}: {typed.drawn(record)}.",
        *_notes(record),
        *typed.blocks(record),
        tables.absent((), record["skipped"]),
        curves.add(
            f"typed-{record['collection']}", svg, f"What boxes show for what people type on {record['collection']}"
        ),
    ]


def _hybrid(record: Record, curves: Curves, texts: bool) -> list[str]:
    del curves, texts
    blocks = [*_notes(record), tables.absent(record["missing"])]
    for found in record["reports"]:
        heading = (
            f"{found['dataset']}, {found['query_encoder']}: {found['queries']:,} queries of split {record['split']}"
        )
        blocks += [f"### {heading}", markdown(found["rows"])]
    return blocks


def _latency(record: Record, curves: Curves, texts: bool) -> list[str]:
    del curves, texts
    found = record["latency"]
    blocks = [
        f"One query at a time, one thread, {found['repetitions'] - found['warm_up']:,} repetitions of each. *Online*: "
        "the last word, after the text before it is encoded. *Full*: the whole query from nothing. *Key*: the last "
        f"key. *Enter*: after the whole query is encoded. Queries are drawn with seed {found['seed']}.",
        markdown(found["rows"]),
        markdown(found["token_rows"]),
        tables.absent(record["missing"], found["skipped"]),
    ]
    if batched := record["throughput"]:
        blocks += [
            "### Throughput",
            f"{batched['queries']:,} queries ({batched['taken']}, seed {batched['seed']}), {batched['threads']} "
            f"threads, at most {batched['budget_seconds']:.0f} seconds a row, with fewer queries if they are used up.",
            markdown(batched["rows"]),
        ]
    return blocks


def _mteb(record: Record, curves: Curves, texts: bool) -> list[str]:
    del curves, texts
    return [
        f"Passages by {record['passage_encoder']}.",
        *_notes(record),
        markdown(record["results"]),
        tables.absent(record["missing"]),
    ]
