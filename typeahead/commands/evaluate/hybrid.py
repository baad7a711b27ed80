"""Vectors and words together: each arm alone and each fusion of both, for whole and half-typed queries.

Choose the weight on a development split (--split dev, "best" in the output), and check it on another split.
"""

from __future__ import annotations

import argparse

from typeahead.commands.evaluate import common
from typeahead.errors import TypeaheadError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    common.add_collection(parser)
    common.add_query_encoders(parser)
    parser.add_argument(
        "--typed",
        type=common.percent,
        nargs="+",
        default=[100, 50],
        metavar="PERCENT",
        help="percent of each query that is typed",
    )
    parser.add_argument(
        "--weights",
        type=common.share,
        nargs="+",
        default=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        metavar="WEIGHT",
        help="weights of the lexical arm, from 0 to 1",
    )
    parser.add_argument(
        "--methods", nargs="+", choices=["linear", "rrf"], default=["linear", "rrf"], help="ways to fuse"
    )
    common.add_results(parser)


def run(options: argparse.Namespace) -> None:
    """Encode, search both arms, fuse, score."""
    from typeahead.evaluate.measures import hybrid
    from typeahead.progress import ProgressBar
    from typeahead.tables import markdown

    common.require(common.SCORING, common.SEARCH)
    common.refuse_unwritable(options.json)
    peers, missing = common.load_query_encoders(options)
    if without := [peer.label for peer in peers if peer.retriever is not None]:
        raise TypeaheadError(f"{without[0]} has no embeddings, and the lexical arm is measured anyway: leave it out")
    passage_encoder = common.load_passage_encoder(options)
    warnings = common.refuse_other_spaces(peers, passage_encoder)
    dataset = common.open_collection(options)
    passages = common.encoded_passages(options, dataset, passage_encoder)
    with ProgressBar() as progress:
        reports = [
            hybrid.evaluate(
                dataset,
                passages,
                peer,
                percents=options.typed,
                weights=options.weights,
                methods=options.methods,
                folder=options.cache,
                threads=options.threads,
                progress=progress,
            )
            for peer in peers
        ]
    figures = {
        "passage_encoder": passage_encoder.label,
        "missing": missing,
        "warnings": [*warnings, *dataset.warnings],
        "split": options.split,
        "reports": [report.to_dict() for report in reports],
    }
    blocks = []
    for report in reports:
        best = "; ".join(f"{method}: {found}" for method, found in report.best().items())
        blocks += [f"{report.dataset}, {report.encoder}: {report.queries:,} queries", markdown(report.rows())]
        blocks.append(f"best over all shares typed: {best}")
    common.publish(options.json, "hybrid", figures, *blocks)
