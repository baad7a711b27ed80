"""Measure retrieval quality: query encoders over one frozen index of the teacher's vectors.

A collection is a BEIR folder (corpus.jsonl, queries.jsonl, qrels/test.tsv). An encoder is a model's name or folder, or
"st:" and a sentence-transformers folder or hub id, which runs in float32 and needs the extra "peers"; with "LABEL="
before it, it is called so in the table. The first query encoder is what the others are compared with.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import typeahead
from typeahead import models
from typeahead.evaluate import retrieval
from typeahead.progress import Progress
from typeahead.tables import report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("what", choices=["retrieval"], help="what to measure")
    parser.add_argument("collections", nargs="+", type=Path, metavar="FOLDER", help="BEIR folders")
    parser.add_argument("--query-encoder", action="append", required=True, metavar="ENCODER", help="may be repeated")
    parser.add_argument("--passage-encoder", default="minilm-doc", metavar="ENCODER", help="encoder of the passages")
    parser.add_argument("--split", default="test", help="name of the judgements' file")
    parser.add_argument(
        "--relevant-from",
        type=int,
        nargs="+",
        default=[1],
        metavar="GRADE",
        help="grade from which a passage counts as relevant for RR and R; one for all or one for each collection "
        "(TREC DL: 2)",
    )
    parser.add_argument("--cache", type=Path, default=Path(".typeahead/passages"), help="folder of passage vectors")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads for whole texts")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")


def _split(name: str) -> tuple[str, str]:
    """The label and the encoder of LABEL=ENCODER."""
    label, equals, encoder = name.partition("=")
    return (label, encoder) if equals else (name, name)


def _load(name: str, threads: int) -> tuple[Any, str]:
    """An encoder and what identifies it."""
    if name.startswith("st:"):
        from typeahead.evaluate.peers import SentenceTransformerTeacher

        return SentenceTransformerTeacher(name[3:], threads=threads), name
    encoder = models.load(name, threads=threads)
    return encoder, ",".join(sorted(encoder.config.files.values()))


def run(options: argparse.Namespace) -> None:
    """Encode, search, score."""
    thresholds = options.relevant_from * (len(options.collections) if len(options.relevant_from) == 1 else 1)
    if len(thresholds) != len(options.collections):
        raise typeahead.TypeaheadError("--relevant-from needs one grade, or one for each collection")
    query_encoders = [_split(name) for name in options.query_encoder]
    passage_label, passage_name = _split(options.passage_encoder)
    loaded: dict[str, tuple[Any, str]] = {}
    for _, name in [*query_encoders, (passage_label, passage_name)]:
        if name not in loaded:
            loaded[name] = _load(name, options.threads)
    passage_encoder, key = loaded[passage_name]
    rows = []
    for folder, threshold in zip(options.collections, thresholds, strict=True):
        collection = retrieval.read_collection(folder, split=options.split, relevant_from=threshold)
        with Progress() as progress:
            passages = retrieval.encode_passages(
                passage_encoder, collection, key=key, cache=options.cache, progress=progress
            )
        first: dict[str, float] = {}
        for label, name in query_encoders:
            metrics = retrieval.evaluate(loaded[name][0], collection, passages)
            first = first or metrics
            row: dict[str, Any] = {"collection": collection.name, "query encoder": label}
            row |= {metric: round(value, 4) for metric, value in metrics.items()}
            row["nDCG@10 retained %"] = round(100 * metrics["nDCG@10"] / first["nDCG@10"], 1)
            rows.append(row)
    report("Retrieval", rows, json_path=options.json, passage_encoder=passage_label)
