"""What does a search box show for what people type? Names, half-typed names, slips, rare words and nonsense.

SOURCE is an index, a BEIR folder, or a file of documents that "typeahead index" reads. All queries are drawn from its
documents by a seed; judged queries are typed besides, if there are any. Our own box is "typeahead serve" in a process
of its own; peers answer the same queries in the same run. The package typeahead.evaluate.typed defines all figures.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typeahead.commands import warn
from typeahead.commands.evaluate import common
from typeahead.commands.evaluate.typed_boxes import DEFAULT, PEERS, Boxes
from typeahead.errors import TypeaheadError

if TYPE_CHECKING:
    from typeahead.evaluate.typed.asking import Answer
    from typeahead.evaluate.typed.drawing import Query


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="an index, a BEIR folder, or a file of documents")
    parser.add_argument(
        "--serve",
        action="append",
        type=_labelled,
        default=[],
        metavar="LABEL=FLAGS",
        help='our box once more, with these flags of "typeahead serve"; may be given more than once. The box with the '
        f"default settings is called {DEFAULT}",
    )
    parser.add_argument(
        "--peers", nargs="*", choices=list(PEERS), default=list(PEERS), help="engines to compare with (default: all)"
    )
    parser.add_argument(
        "--teacher",
        metavar="FOLDER",
        help="also compare with the teacher at every key, and behind a debounce: a folder of sentence-transformers, or "
        "an encoder such as onnx:FOLDER",
    )
    parser.add_argument("--traces", type=Path, help="recorded typing (JSON lines, may be gzipped) for the debounce")
    parser.add_argument(
        "--names", type=common.at_least(1), default=300, help="titles to type, and slips of each family"
    )
    parser.add_argument("--words", type=common.at_least(1), default=300, help="words and random strings of each kind")
    parser.add_argument("--seed", type=common.at_least(0), default=0, help="seed of all that is drawn")
    parser.add_argument(
        "--judgements",
        type=Path,
        metavar="FOLDER",
        help="a BEIR folder with judged queries on these documents (default: SOURCE, if it has some)",
    )
    common.add_split(parser)
    common.add_passage_encoder(parser)
    common.add_cache(parser)
    parser.add_argument(
        "--threads", type=common.at_least(1), default=os.cpu_count() or 1, help="threads for whole texts"
    )
    parser.add_argument("--per-query", action="store_true", help="also write each query's screens to the JSON file")
    parser.add_argument("--page", type=Path, metavar="FILE.md", help="write a page of tables and curves")
    common.add_results(parser)


def _labelled(text: str) -> tuple[str, str]:
    label, equals, flags = text.partition("=")
    if not (equals and label.strip()) or label.startswith("-"):
        raise argparse.ArgumentTypeError(f"{text!r} is not LABEL=FLAGS, such as 'words=--hybrid linear'")
    return label, flags


def run(options: argparse.Namespace) -> None:
    """Draw the queries, type them into each box, score what is shown."""
    from typeahead.evaluate.report import typed as report
    from typeahead.evaluate.report.page import write_report
    from typeahead.evaluate.report.results import record_of
    from typeahead.evaluate.report.tables import absent
    from typeahead.evaluate.typed import drawing, measures
    from typeahead.evaluate.typed.source import open_source
    from typeahead.progress import ProgressBar

    if options.page:
        common.require(common.PLOTS)
    common.refuse_unwritable(options.json, options.page)
    chosen = Boxes(options)
    with ProgressBar() as progress:
        source = open_source(
            options.source,
            judgements=options.judgements,
            split=options.split,
            relevant_from=options.relevant_from,
            progress=progress,
        )
    if source.judged:
        common.require(common.SCORING)
    for warning in source.warnings:
        warn(warning)
    chosen.source = source
    queries = drawing.draw(
        source.documents,
        names=options.names,
        words=options.words,
        seed=options.seed,
        judged=source.judged.queries if source.judged else None,
    )
    with tempfile.TemporaryDirectory(prefix="typeahead-typed-") as folder:
        facts, answers, skipped = _type(chosen, queries, Path(folder))
    boxes = [
        {"box": name, "facts": facts[name], **measures.score(queries, found, source.judged)}
        for name, found in answers.items()
    ]
    figures = {
        "collection": source.name,
        "documents": len(source.documents),
        "seed": options.seed,
        "drawn": _counts(queries),
        "drawn_sha256": drawing.digest(queries),
        "warnings": source.warnings,
        "boxes": boxes,
        "skipped": skipped,
    }
    heading = f"{source.name}: {len(source.documents):,} documents; typed: {report.drawn(figures)}"
    written = figures | ({"queries": measures.per_query_record(queries, answers)} if options.per_query else {})
    blocks = [heading, *source.warnings, *report.blocks(figures), absent((), skipped)]
    common.publish(options.json, "typed", written, *blocks)
    if options.page:
        write_report([record_of("typed", figures)], options.page, title="What people type")


def _counts(queries: list[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for query in queries:
        counts[query.measure] = counts.get(query.measure, 0) + 1
    return counts


def _type(
    boxes: Boxes, queries: list[Query], folder: Path
) -> tuple[dict[str, Any], dict[str, list[Answer]], list[dict[str, str]]]:
    """What each box is and answered, and the boxes that are left out, with the reason."""
    from typeahead.evaluate.typed.asking import ask
    from typeahead.progress import ProgressBar

    facts: dict[str, Any] = {}
    answers: dict[str, list[Answer]] = {}
    skipped = [{"query_encoder": name, "skipped": reason} for name, reason in boxes.left_out.items()]
    for name, opener, ours in boxes.openers(folder):
        try:
            with opener() as box, ProgressBar() as progress:
                found = ask(name, box, queries, progress)
                facts[name] = dict(box.facts)
            answers[name] = found
        except (TypeaheadError, OSError) as error:
            # Hours of the other boxes' answers are not thrown away because a peer fails.
            if ours:
                raise
            skipped.append({"query_encoder": name, "skipped": str(error)})
    for box_left_out in skipped:
        warn(f"{box_left_out['query_encoder']} is left out: {box_left_out['skipped']}")
    return facts, answers, skipped
