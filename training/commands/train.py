"""Train an encoder for your own teacher: from its folder and a log of queries to a model that serves.

The command gathers texts, has the teacher encode them, trains a static student first and then the best family that fits
the time, keeps whichever agrees most with the teacher on held-out texts, and exports it together with the teacher as a
passage encoder. --plan prints what it would do. To continue after an interruption, run the same command again.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from training.guided.packages import check_packages
from training.guided.request import FAMILIES, Request
from typeahead.errors import TrainingError, TypeaheadError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``typeahead train``."""
    parser.add_argument(
        "--teacher",
        required=True,
        metavar="FOLDER_OR_ID",
        help="the teacher: a folder of a model, or its id on the hub",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the model that is made")
    parser.add_argument(
        "--queries",
        nargs="+",
        default=[],
        metavar="FILE",
        help="logs of queries: lines, CSV, TSV, JSONL, Parquet, a web server's log; FILE:COLUMN names a column",
    )
    parser.add_argument(
        "--passages",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="documents to search: whatever 'typeahead index' reads, or an index",
    )
    parser.add_argument(
        "--judged",
        default="",
        metavar="DIR",
        help="judged queries to learn ranking from: a BEIR folder with qrels/train.tsv",
    )
    parser.add_argument("--family", choices=["auto", *FAMILIES], default="auto", help="what kind of encoder")
    parser.add_argument("--minutes", type=float, default=20.0, help="how long it may take in all")
    parser.add_argument("--start", default="", metavar="MODEL", help="a model of the same teacher to continue from")
    parser.add_argument(
        "--vocabulary",
        type=int,
        metavar="N",
        help="tokens that the student knows, 0 for all of the teacher's (default: 60,000 of a multilingual teacher's)",
    )
    parser.add_argument("--plan", action="store_true", help="check everything, print the plan, and stop")
    teacher = parser.add_argument_group("how the teacher makes vectors (default: as its files say)")
    teacher.add_argument("--pooling", choices=["mean", "cls", "last"])
    teacher.add_argument("--similarity", choices=["cosine", "dot"])
    teacher.add_argument("--query-prompt", metavar="TEXT", help="text before each query, such as 'query: '")
    teacher.add_argument("--passage-prompt", metavar="TEXT", help="text before each passage")
    teacher.add_argument("--max-length", type=int, metavar="N", help="longest text in tokens, special ones included")
    running = parser.add_argument_group("running")
    running.add_argument(
        "--run", type=Path, dest="run_folder", metavar="DIR", help="folder of the run (default: runs/NAME)"
    )
    running.add_argument("--seed", type=int, default=0)
    running.add_argument("--threads", type=int, default=0, help="threads of PyTorch (default: one for each core)")
    running.add_argument("--cpu", action="store_true", help="do not use a GPU")
    running.add_argument(
        "--track", nargs="+", default=[], metavar="NAME", help="trackers of accelerate: tensorboard, wandb, …"
    )
    running.add_argument("--push", default="", metavar="ID", help="push the finished model to the hub under this id")


def run(options: argparse.Namespace) -> None:
    """Run ``typeahead train``."""
    check_packages()
    request = _request(options)
    if options.plan:
        from training.guided.planning import describe

        print(describe(request))
        return
    # These import PyTorch; what goes wrong before should be said at once.
    from training.guided.checks import check

    check(request)
    from torch import OutOfMemoryError

    from training.guided.making import make
    from training.guided.reporting import Reporter
    from training.stage1.distill import Stopped

    command = shlex.join(["typeahead", *options.arguments])
    with Reporter() as reporter:
        try:
            judged = make(request, reporter, command=command)
        except (Stopped, KeyboardInterrupt):
            reporter.say("Stopped. To continue, run the same command again.")
            sys.exit(130)
        except ValueError as error:
            # Of the parts below, which raise it for whatever does not fit.
            raise error if isinstance(error, TypeaheadError) else TrainingError(str(error)) from error
        except (MemoryError, OutOfMemoryError):
            raise TrainingError(
                f"the memory is full. What is done is kept in {request.folder}: free some memory and run the same "
                "command again, or choose --family static in another --run"
            ) from None
        reporter.say(str(judged))
        reporter.say(_next(request))
    if request.push:
        from training.guided.pushing import push

        print(push(request))


def _request(options: argparse.Namespace) -> Request:
    settings: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("pooling", "similarity", "query_prompt", "passage_prompt", "max_length")
    }
    return Request(
        teacher=options.teacher,
        out=Path(os.path.normpath(options.out)),
        queries=tuple(options.queries),
        passages=tuple(options.passages),
        judged=options.judged,
        family=options.family,
        minutes=options.minutes,
        start=options.start,
        run=options.run_folder,
        settings=settings,
        vocabulary=options.vocabulary,
        seed=options.seed,
        threads=options.threads,
        cpu=options.cpu,
        trackers=tuple(options.track),
        push=options.push,
    )


def _next(request: Request) -> str:
    """The next two lines to type."""
    source = request.passages[0] if request.passages else "DOCUMENTS"
    passages = request.passage_out
    return (
        "Next:\n"
        f"  typeahead index {shlex.quote(source)} --encoder {shlex.quote(str(passages))} --out my-index\n"
        f"  typeahead serve --index my-index --encoder {shlex.quote(str(request.out))}"
    )
