"""``distill()``: what ``typeahead train`` does, for a program."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from training.guided.packages import check_packages
from training.guided.request import Request

if TYPE_CHECKING:
    from training.guided.judging import Judged


def distill(
    teacher: str | Path,
    out: str | Path,
    *,
    queries: Sequence[str | Path] = (),
    passages: Sequence[str | Path] = (),
    judged: str | Path = "",
    family: str = "auto",
    minutes: float = 20.0,
    start: str | Path = "",
    run: str | Path | None = None,
    settings: dict[str, Any] | None = None,
    vocabulary: int | None = None,
    seed: int = 0,
    threads: int = 0,
    cpu: bool = False,
    trackers: Sequence[str] = (),
    stream: TextIO | None = None,
) -> Judged:
    """Train an encoder of typed queries for a teacher, and export it with the teacher as its passage encoder.

    Args:
        teacher: the folder of a model, or its id on the hub.
        out: the folder of the model; the passage encoder goes into the same name with "-doc".
        queries: files of queries, as ``FILE`` or ``FILE:COLUMN``.
        passages: files and folders of documents, or an index.
        judged: a BEIR folder with judgements of a split "train": the student also learns to rank by them.
        family: "static", "gru", "causal", or "auto" for the best that fits the time.
        minutes: how long it may take in all.
        start: a model of the same teacher to continue from.
        run: the folder of the run, by default ``runs/NAME``. The same call continues there after a kill.
        settings: overrides of the teacher's settings: "pooling", "max_length", "normalize", "similarity",
            "query_prompt" and "passage_prompt".
        vocabulary: tokens that the student knows, 0 for all of the teacher's; by default 60,000 of a multilingual
            teacher's.
        seed: decides which texts are chosen, and in which order they come.
        threads: of PyTorch; 0 for one a core.
        cpu: whether to leave a GPU alone.
        trackers: of ``accelerate``, such as "tensorboard".
        stream: where progress is written; by default standard error.

    Returns:
        What the exported model does on held-out texts, beside the teacher.

    Raises:
        MissingExtra: a package of the extra "training" is missing.
        TrainingError: the training cannot begin or continue; the message says why, and what to do.
    """
    check_packages()
    from training.guided.making import make
    from training.guided.reporting import Reporter

    request = Request(
        teacher=str(teacher),
        out=Path(os.path.normpath(out)),
        queries=tuple(map(str, queries)),
        passages=tuple(map(str, passages)),
        judged=str(judged),
        family=family,
        minutes=minutes,
        start=str(start),
        run=Path(run) if run else None,
        settings=settings or {},
        vocabulary=vocabulary,
        seed=seed,
        threads=threads,
        cpu=cpu,
        trackers=tuple(trackers),
    )
    with Reporter(stream=stream) as reporter:
        return make(request, reporter, command="typeahead.distill()")
