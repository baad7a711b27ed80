"""Offline evaluation: retrieval quality, quality during typing, hybrids, latency, and a report of all of it.

Each measurement prints a table. With --json it also writes a file with its command, hardware and versions; "report"
makes one page of such files. A query encoder is a model's name or folder, "st:FOLDER" (sentence-transformers in
float32, also by a hub id), "onnx:FOLDER" (the same by ONNX Runtime), "torch:NAME" (a student stepped by PyTorch),
"static:FOLDER" (model2vec), "table:FOLDER" (a static table made from that teacher) or "bm25". "LABEL=" before it sets
its name in the tables. A peer whose package is not installed is listed as missing.
"""

from __future__ import annotations

import argparse
import importlib

from typeahead.commands.evaluate.common import HelpFormatter

#: Name, help. Each is a module of this package with ``add_arguments(parser)`` and ``run(options)``.
MEASUREMENTS = (
    ("retrieval", "metrics of query encoders over one frozen index, compared with the teacher"),
    ("prefixes", "how good the results are while a query is being typed"),
    ("hybrid", "vectors and words together, for each fusion and each weight"),
    ("typed", "what a box shows for what people type: names, half-typed names, slips, rare words, nonsense"),
    ("box", "an index as it is served: its back end, its encoder, and the server's own ranking"),
    ("latency", "time of the last word and of a whole query; with --throughput also queries a second"),
    ("mteb", "retrieval tasks of MTEB, queries by one encoder and passages by another"),
    ("report", "one page with the results of the others"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the measurements, each with its arguments."""
    measurements = parser.add_subparsers(dest="what", required=True, metavar="MEASUREMENT")
    for name, summary in MEASUREMENTS:
        module = importlib.import_module(f"typeahead.commands.evaluate.{name}")
        measurement = measurements.add_parser(
            name,
            help=summary,
            description=module.__doc__,
            allow_abbrev=False,
            formatter_class=HelpFormatter,
        )
        module.add_arguments(measurement)
        measurement.set_defaults(measure=module.run)


def run(options: argparse.Namespace) -> None:
    """Run the measurement that was asked for."""
    options.measure(options)
