"""Time of the last word and of a whole query, for every encoder side by side, one query at a time on one thread.

Prints percentiles of the repetitions, of which 20 warm up, and the numbers of tokens of the last word and the query.
With --throughput it also times 65,536 queries in batches on --threads threads, with tokenization apart.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from typeahead.commands.evaluate import common
from typeahead.errors import SourceError, TypeaheadError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "queries",
        type=Path,
        metavar="QUERIES",
        help="a text file with one query a line; of a TSV file the last column counts",
    )
    common.add_query_encoders(parser, threads=1)
    parser.add_argument(
        "--repetitions",
        type=common.at_least(21),
        help="repetitions of each encoder, with 20 that warm up (default: 1,020)",
    )
    parser.add_argument("--throughput", action="store_true", help="also time queries in batches")
    parser.add_argument(
        "--batches", type=common.at_least(1), nargs="+", metavar="SIZE", help="batch sizes (default: 16 to 8,192)"
    )
    parser.add_argument("--budget", type=common.seconds, default=20.0, help="seconds for each row of the throughput")
    parser.add_argument("--seed", type=common.at_least(0), default=0, help="seed of the order of queries")
    common.add_results(parser)


def run(options: argparse.Namespace) -> None:
    """Time, one query at a time and, if asked, in batches."""
    from typeahead.evaluate.measures import query_latency, throughput
    from typeahead.evaluate.report import tables
    from typeahead.progress import ProgressBar
    from typeahead.tables import markdown

    common.refuse_unwritable(options.json)
    queries = read_queries(options.queries)
    # A single query always has one thread; --threads is for the throughput.
    peers, missing = common.load_query_encoders(options, threads=1)
    if all(peer.encoder is None for peer in peers):
        raise TypeaheadError(
            f"{', '.join(peer.label for peer in peers)}: nothing here encodes, so nothing can be timed"
        )
    with ProgressBar() as progress:
        repetitions = options.repetitions or query_latency.REPETITIONS
        latencies = query_latency.measure(peers, queries, repetitions=repetitions, seed=options.seed, progress=progress)
    rows, token_rows = latencies.rows(), latencies.token_rows()
    blocks = [
        f"Latency, {latencies.repetitions - latencies.warm_up:,} repetitions, batch 1, one thread",
        markdown(rows),
        markdown(token_rows),
        tables.absent(missing, latencies.skipped),
    ]
    figures: dict[str, Any] = {
        "latency": {**latencies.to_json(), "rows": rows, "token_rows": token_rows},
        "throughput": None,
        "missing": missing,
    }
    if options.throughput:
        if options.threads != 1:
            peers, _ = common.load_query_encoders(options)
        with ProgressBar() as progress:
            batched = throughput.measure(
                peers,
                queries,
                batches=options.batches or throughput.BATCHES,
                budget=options.budget,
                threads=options.threads,
                seed=options.seed,
                progress=progress,
            )
        rows = batched.rows()
        blocks += [
            f"Throughput, {batched.queries:,} queries ({batched.taken}), {batched.threads} threads",
            markdown(rows),
        ]
        figures["throughput"] = {**batched.to_json(), "rows": rows}
    common.publish(options.json, "latency", figures, *blocks)


def read_queries(path: Path) -> list[str]:
    """Read queries from a text file: one a line, in a TSV file the last column; empty lines are skipped.

    Raises :class:`~typeahead.errors.SourceError` for a file that cannot be read, is not UTF-8, or has no query.
    """
    from typeahead.text.reading import parsed, utf8_lines

    texts = (text for _, text in parsed(utf8_lines(path), lambda line: line.rpartition("\t")[2].strip(), path))
    found = list(filter(None, texts))
    if not found:
        raise SourceError("there is no query in it", path=path)
    return found
