"""Quality of a search box as it is served: judged queries through its back end and the server's own ranking.

The documents of the index must have the ids of the collection's passages.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from typeahead.commands import warn
from typeahead.commands.evaluate import common
from typeahead.errors import TypeaheadError

if TYPE_CHECKING:
    from typeahead.core.encoder import Encoder
    from typeahead.evaluate.data.datasets import Dataset
    from typeahead.evaluate.measures.runs import Run
    from typeahead.search.fusion import Fusion


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("index", metavar="INDEX", help="folder of the index, or the address of another back end")
    common.add_judgements(parser)
    parser.add_argument("--encoder", default="minilm-gru", help="encoder of what is typed: a model's name or folder")
    parser.add_argument(
        "--hybrid",
        choices=["off", "linear", "rrf"],
        default="off",
        help="search words beside vectors, and fuse them so",
    )
    parser.add_argument(
        "--lexical-weight", type=common.share, default=0.3, metavar="WEIGHT", help="weight of the words, from 0 to 1"
    )
    common.add_results(parser)


def run(options: argparse.Namespace) -> None:
    """Search for all queries, and score what is found."""
    import typeahead
    from typeahead.evaluate.measures import metrics
    from typeahead.evaluate.report import tables
    from typeahead.search.fusion import Fusion
    from typeahead.tables import markdown

    common.require(common.SCORING)
    common.refuse_unwritable(options.json)
    encoder = typeahead.load(options.encoder)
    dataset = common.open_collection(options)
    fusion = None if options.hybrid == "off" else Fusion(options.hybrid, options.lexical_weight)
    found = asyncio.run(_search(options.index, encoder, dataset, fusion))
    values = metrics.mean(metrics.per_query(found, dataset.qrels, dataset.relevant_from))
    label = encoder.config.name if fusion is None else f"{encoder.config.name} and words ({fusion.method})"
    figures = {
        "index": options.index,
        "dataset": dataset.name,
        "queries": len(dataset.queries),
        "hybrid": options.hybrid,
        "lexical_weight": None if fusion is None else fusion.weight,
        "warnings": dataset.warnings,
        "results": [{"query_encoder": label, "metrics": values}],
        "missing": [],
    }
    rows = tables.metrics([{"query_encoder": label, "metrics": values}], [], baseline=None)
    heading = f"{options.index}, {dataset.name}: {len(dataset.queries):,} queries"
    common.publish(options.json, "box", figures, heading, *dataset.warnings, markdown(rows))


async def _search(address: str, encoder: Encoder, dataset: Dataset, fusion: Fusion | None) -> Run:
    from typeahead.evaluate.measures import box
    from typeahead.progress import ProgressBar
    from typeahead.search.addresses import OpenOptions, open_backend
    from typeahead.search.space import check_space

    # Nobody waits at a key here: words have all the time that they need.
    backend = await open_backend(address, OpenOptions(lexical_wait=60.0, warn=warn))
    try:
        check_space(backend.space, encoder.config)
        gone, judged = await box.missing(backend, dataset)
        if gone == judged:
            raise TypeaheadError(
                f"{address} holds none of the judged passages: its documents need the collection's ids"
            )
        if gone:
            dataset.warnings.append(f"{address} lacks {gone:,} of {judged:,} judged passages: they cannot be found")
        with ProgressBar() as progress:
            return await box.search(backend, encoder, dataset, fusion=fusion, progress=progress)
    finally:
        await backend.close()
