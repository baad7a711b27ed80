"""Metrics of one or many query encoders over one frozen index of passage vectors.

Passages are encoded once and kept on disk. Prints a table, writes a TREC run and an MS MARCO run of each encoder, and
compares each encoder with the baseline: a paired randomisation test of every metric, recall at each depth, the drop by
the query's length, and the worst queries. Without --baseline, the baseline is the query encoder that also encodes the
passages; to compare with the teacher, name it among the query encoders.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typeahead.commands.evaluate import common

if TYPE_CHECKING:
    from typeahead.evaluate.data.datasets import Dataset
    from typeahead.evaluate.measures.comparison import Comparison
    from typeahead.evaluate.measures.retrieval import Result
    from typeahead.evaluate.peers import Peer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    common.add_collection(parser)
    common.add_query_encoders(parser)
    parser.add_argument("--baseline", metavar="LABEL", help="label of the query encoder to compare the others with")
    parser.add_argument("--backend", choices=["exact", "faiss"], default="exact", help="how to search")
    parser.add_argument("--runs", type=Path, default=Path(".typeahead/runs"), help="folder for the runs")
    parser.add_argument("--seed", type=common.at_least(0), default=0, help="seed of the randomisation tests")
    parser.add_argument("--worst", type=common.at_least(0), default=5, help="number of queries to list that lost most")
    common.add_results(parser)


def run(options: argparse.Namespace) -> None:
    """Encode, search, score and compare."""
    from typeahead.evaluate.filenames import FileNames
    from typeahead.evaluate.measures import retrieval, runs
    from typeahead.progress import ProgressBar

    common.require(common.SCORING, common.SEARCH if options.backend == "exact" else common.FAISS)
    options.runs.mkdir(parents=True, exist_ok=True)
    common.refuse_unwritable(options.json, options.runs / "run")
    peers, missing = common.load_query_encoders(options)
    passage_encoder = common.load_passage_encoder(options)
    warnings = common.refuse_other_spaces(peers, passage_encoder)
    baseline = retrieval.baseline_of(peers, passage_encoder, options.baseline)
    dataset = common.open_collection(options)
    if baseline is None:
        common.warn(
            f"nothing is compared: {passage_encoder.label} is none of the query encoders, and there is no --baseline"
        )
    passages = common.encoded_passages(options, dataset, passage_encoder)
    results: dict[str, Result] = {}
    names, files = FileNames(), dict[str, str]()
    for peer in peers:
        with ProgressBar() as progress:
            result = retrieval.retrieve(
                peer, dataset, passages, backend=options.backend, threads=options.threads, progress=progress
            )
        results[peer.label] = result
        stem = files[peer.label] = str(options.runs / names.of(dataset.name, peer.label))
        runs.write_trec(result.run, Path(f"{stem}.trec"))
        runs.write_msmarco(result.run, Path(f"{stem}.msmarco.tsv"))
    comparisons = _compare(options, dataset, peers, results, baseline)
    figures = {
        "dataset": dataset.name,
        "passage_encoder": passage_encoder.label,
        "baseline": baseline,
        "queries": len(dataset.queries),
        "passages": dataset.passage_count,
        # Distinguishes two collections with one name, and two versions of an encoder.
        "passages_sha256": dataset.collection.digest(0, dataset.passage_count),
        "passage_encoder_key": passage_encoder.key,
        "passage_dtype": options.passage_dtype,
        "relevant_from": dataset.relevant_from,
        "backend": options.backend,
        "threads": options.threads,
        "seed": options.seed,
        "warnings": [*warnings, *dataset.warnings],
        "results": [
            {
                "query_encoder": peer.label,
                "key": peer.key,
                "metrics": results[peer.label].metrics,
                "runs": [f"{files[peer.label]}.trec", f"{files[peer.label]}.msmarco.tsv"],
                "comparison": comparisons[peer.label].to_json() if peer.label in comparisons else None,
                "per_query": {name: results[peer.label].per_query[name] for name in ("nDCG@10", "RR@10")},
            }
            for peer in peers
        ],
        "missing": missing,
    }
    common.publish(options.json, "retrieval", figures, *_blocks(figures, comparisons))


def _compare(
    options: argparse.Namespace,
    dataset: Dataset,
    peers: list[Peer],
    results: Mapping[str, Result],
    baseline: str | None,
) -> dict[str, Comparison]:
    from typeahead.evaluate.measures.comparison import compare

    if baseline is None:
        return {}
    tokenizer = next((peer.encoder.tokenizer for peer in peers if peer.folder is not None), None)
    word_pieces = tokenizer and {key: len(tokenizer.encode(text)) for key, text in dataset.queries.items()}
    teacher = results[baseline]
    return {
        label: compare(
            result.run,
            teacher.run,
            result.per_query,
            teacher.per_query,
            qrels=dataset.qrels,
            relevant_from=dataset.relevant_from,
            texts=dataset.queries,
            word_pieces=word_pieces,
            seed=options.seed,
            worst=options.worst,
        )
        for label, result in results.items()
        if label != baseline
    }


def _blocks(figures: Mapping[str, Any], comparisons: Mapping[str, Comparison]) -> list[str]:
    """The blocks to print: the metrics, and each encoder against the baseline."""
    from typeahead.evaluate.report import tables
    from typeahead.tables import markdown

    baseline, queries = figures["baseline"], figures["queries"]
    blocks = [
        f"{figures['dataset']}: {queries:,} queries, {figures['passages']:,} passages",
        markdown(tables.metrics(figures["results"], figures["missing"], baseline=baseline)),
    ]
    for label, comparison in comparisons.items():
        found = comparison.to_json()
        blocks += [
            f"{label} against {baseline}: {queries:,} queries, {comparison.rounds:,} randomisations",
            markdown(tables.against_teacher(found)),
            markdown(tables.recall(found)),
            markdown(tables.length(found)),
        ]
        if comparison.worst:
            blocks += [f"Queries that lost most of {comparison.worst_by}:", markdown(tables.worst(found))]
    runs = [run for result in figures["results"] for run in result["runs"]]
    return [*blocks, "\n".join(["Runs:", *runs])]
