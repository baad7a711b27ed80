"""Quality of a search box as it is served: judged queries through its back end and the server's own ranking.

The documents of the index must have the ids of the collection's passages.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from typeahead.commands import add_search_options, load_typed, make_asker, warn
from typeahead.commands.evaluate import common
from typeahead.errors import TypeaheadError

if TYPE_CHECKING:
    from typeahead.core.encoder import IncrementalEncoder
    from typeahead.evaluate.data.datasets import Dataset
    from typeahead.evaluate.measures.runs import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("index", metavar="INDEX", help="folder of the index, or the address of another back end")
    common.add_judgements(parser)
    add_search_options(parser)
    common.add_results(parser)


def run(options: argparse.Namespace) -> None:
    """Search for all queries, and score what is found."""
    from typeahead.evaluate.measures import metrics
    from typeahead.evaluate.report import tables
    from typeahead.tables import markdown

    common.require(common.SCORING)
    common.refuse_unwritable(options.json)
    encoder = load_typed(options.encoder)
    dataset = common.open_collection(options)
    found = asyncio.run(_search(options.index, encoder, dataset, options))
    values = metrics.mean(metrics.per_query(found, dataset.qrels, dataset.relevant_from))
    label = encoder.config.name if options.words == "off" else f"{encoder.config.name} and words"
    figures = {
        "index": options.index,
        "dataset": dataset.name,
        "queries": len(dataset.queries),
        "words": options.words,
        "complete": options.complete,
        "warnings": dataset.warnings,
        "results": [{"query_encoder": label, "metrics": values}],
        "missing": [],
    }
    rows = tables.metrics([{"query_encoder": label, "metrics": values}], [], baseline=None)
    heading = f"{options.index}, {dataset.name}: {len(dataset.queries):,} queries"
    common.publish(options.json, "box", figures, heading, *dataset.warnings, markdown(rows))


async def _search(address: str, encoder: IncrementalEncoder, dataset: Dataset, options: argparse.Namespace) -> Run:
    from typeahead.evaluate.measures import box
    from typeahead.progress import ProgressBar
    from typeahead.search.addresses import OpenOptions, open_backend
    from typeahead.search.space import check_space

    backend = await open_backend(address, OpenOptions(warn=warn))
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
            asker = make_asker(encoder, backend, options)
            return await box.search(backend, asker, dataset, progress=progress)
    finally:
        await backend.close()
