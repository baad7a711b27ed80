"""Retrieval tasks of MTEB, with queries by one encoder and passages by another; needs the extra "mteb".

A task is a name that MTEB knows (NFCorpus, SciFact: downloaded from the hub), a BEIR folder or a folder of MS MARCO's
TSV files. MTEB counts every grade above 0 as relevant and encodes the passages anew for each query encoder;
"retrieval" does neither.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from typeahead.commands.evaluate import common
from typeahead.errors import TypeaheadError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("tasks", nargs="+", metavar="TASK", help="tasks of MTEB, or folders")
    common.add_query_encoders(parser)
    common.add_passage_encoder(parser)
    parser.add_argument("--split", default="test", help="which judgements of a folder: test, dev, dev.small")
    common.add_results(parser)


def run(options: argparse.Namespace) -> None:
    """Run each task with each query encoder."""
    from typeahead.evaluate.data.datasets import open_dataset
    from typeahead.evaluate.measures.mteb import MtebModel, run_tasks, task_of
    from typeahead.evaluate.report import tables
    from typeahead.tables import markdown

    common.require(common.MTEB)
    common.refuse_unwritable(options.json)
    peers, missing = common.load_query_encoders(options)
    passage_encoder = common.load_passage_encoder(options)
    if without := [peer.label for peer in peers if peer.encoder is None]:
        raise TypeaheadError(f"{', '.join(without)}: MTEB needs embeddings, and a retriever has none")
    warnings = common.refuse_other_spaces(peers, passage_encoder)
    tasks: list[Any] = []
    for task in options.tasks:
        if not Path(task).is_dir():
            tasks.append(task)
            continue
        dataset = open_dataset(task, split=options.split)
        for warning in dataset.warnings:
            common.warn(f"{dataset.name}: {warning}")
            warnings.append(f"{dataset.name}: {warning}")
        tasks.append(dataset)
    rows: list[dict[str, Any]] = []
    for peer in peers:
        # A task can be used only once: it keeps results of its model.
        fresh = [task if isinstance(task, str) else task_of(task) for task in tasks]
        rows += [{"query_encoder": peer.label, **row} for row in run_tasks(MtebModel(peer, passage_encoder), fresh)]
    figures = {"passage_encoder": passage_encoder.label, "results": rows, "missing": missing, "warnings": warnings}
    common.publish(options.json, "mteb", figures, markdown(rows), tables.absent(missing))
