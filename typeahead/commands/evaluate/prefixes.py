"""How good the results are during typing: every query of a collection is typed character by character.

Incremental encoders type through sessions, as when they serve. Each is measured on the text as it is, and on what a
server makes of it: the last word finished, and slips repaired, by words of the passages. An encoder that guesses the
finished text is also searched by its guess. Encoders of whole texts get every prefix. The passages' own encoder and
the words alone (BM25, read as a server reads them) are measured, too. With --traces, so is the passages' encoder behind
a debounce of 150 ms.
The module typeahead.evaluate.measures.prefixes defines all figures.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from typeahead.commands.evaluate import common
from typeahead.errors import TypeaheadError

if TYPE_CHECKING:
    from typeahead.evaluate.measures.prefixes import Typist


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    common.add_collection(parser)
    common.add_query_encoders(parser)
    parser.add_argument(
        "--traces",
        type=Path,
        help="recorded typing (JSON lines, may be gzipped) with the gaps for the debounced encoder",
    )
    parser.add_argument(
        "--seed", type=common.at_least(0), default=0, help="seed of the drawn gaps and of the bootstrap"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the curves")
    common.add_results(parser)


def run(options: argparse.Namespace) -> None:
    """Type, search at every key, score."""
    from typeahead.evaluate.measures import typists
    from typeahead.evaluate.measures.lexical import indexed_words
    from typeahead.evaluate.report import plots, prefix_report, tables
    from typeahead.progress import ProgressBar
    from typeahead.tables import markdown

    common.require(common.SCORING, common.SEARCH)
    if options.plot:
        common.require(common.PLOTS)
        if options.plot.suffix.lower() != ".svg":
            raise TypeaheadError(f"{options.plot}: curves are drawn as SVG, into a file whose name ends in .svg")
    common.refuse_unwritable(options.json, options.plot)
    gaps = typists.Gaps.read(options.traces) if options.traces else None
    peers, missing = common.load_query_encoders(options)
    passage_encoder = common.load_passage_encoder(options)
    warnings = common.refuse_other_spaces(peers, passage_encoder)
    # The passages' encoder types whole prefixes, under its label if it is also given as a query encoder.
    whole = [peer.label for peer in peers if peer.key == passage_encoder.key and not peer.incremental]
    name = whole[0] if whole else passage_encoder.label
    # An encoder that guesses the finished text also types without its guess.
    plain = {
        peer.label: f"{peer.label}, not looking ahead"
        for peer in peers
        if peer.incremental and getattr(peer.encoder, "readouts", 1) > 1
    }
    completed = {peer.label: f"{peer.label}, words finished" for peer in peers if peer.incremental}
    lexical, debounced = "words alone (BM25)", f"{name}, debounced {typists.DEBOUNCE_MS:.0f} ms"
    labels = [peer.label for peer in peers if peer.label not in whole]
    names = [name, *labels, *plain.values(), *completed.values(), lexical, debounced]
    if len(set(names)) < len(names):
        raise TypeaheadError(f"two systems have the same name: {'; '.join(names)}; name one with LABEL=ENCODER")
    dataset = common.open_collection(options)
    passages = common.encoded_passages(options, dataset, passage_encoder)
    search = typists.VisibleSearch(passages, threads=options.threads)
    teacher = typists.WholeTextTypist(name, passage_encoder.encoder, search)
    systems: list[Typist] = [teacher]
    skipped = []
    for peer in peers:
        if peer.incremental:
            systems.append(typists.SessionTypist(peer.label, peer.encoder, search, ahead=True))
            if peer.label in plain:
                systems.append(typists.SessionTypist(plain[peer.label], peer.encoder, search))
        elif peer.retriever is not None:
            reason = "it matches whole words only; the lexical arm, which matches prefixes, is measured"
            skipped.append({"query_encoder": peer.label, "skipped": reason})
        elif peer.label not in whole:
            systems.append(typists.WholeTextTypist(peer.label, peer.encoder, search))
    with ProgressBar() as progress, indexed_words(dataset, options.cache) as words:
        for peer in peers:
            if peer.label in completed:
                label = completed[peer.label]
                systems.append(typists.SessionTypist(label, peer.encoder, search, vocabulary=words.vocabulary))
        systems.append(typists.LexicalTypist(lexical, words))
        if gaps is None:
            skipped.append(
                {"query_encoder": debounced, "skipped": "it needs recorded typing for its gaps: give --traces"}
            )
        else:
            systems.append(typists.DebouncedTypist(debounced, teacher, gaps, seed=options.seed))
        report = prefix_report.evaluate(
            dataset, systems, passages, teacher=teacher.name, seed=options.seed, progress=progress
        )
    figures = {
        "passage_encoder": passage_encoder.label,
        "missing": missing,
        "skipped": skipped,
        "warnings": [*warnings, *dataset.warnings],
        **report.to_dict(),
    }
    if options.plot:
        plots.write_prefix_curves(figures, options.plot)
    common.publish(
        options.json,
        "prefixes",
        figures,
        f"{dataset.name}: {len(dataset.queries):,} queries, typed character by character",
        markdown(report.rows()),
        tables.absent(missing, skipped),
    )
