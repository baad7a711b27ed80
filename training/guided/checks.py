"""All that can be known to go wrong before any work, found within a second and without PyTorch."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training.architectures import check_family, check_passages
from training.exporting.replacing import check_replaceable, files_of_model
from training.gathering import Source
from training.guided.facts import TeacherFacts, megabytes, read_facts
from training.guided.judged_size import JudgedSize
from training.guided.request import FAMILIES, Request
from training.vocabulary import CUTTABLE
from typeahead.errors import TrainingError, TypeaheadError
from typeahead.models.config import ModelConfig, is_plain_name
from typeahead.models.folder import find, open_config

#: Trackers of ``accelerate``, and the packages of which each needs one.
_TRACKERS = {
    "aim": ("aim",),
    "clearml": ("clearml",),
    "comet_ml": ("comet_ml",),
    "dvclive": ("dvclive",),
    "mlflow": ("mlflow",),
    "swanlab": ("swanlab",),
    "tensorboard": ("tensorboard", "tensorboardX"),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
}
#: Tokens that the vocabulary of a multilingual teacher, of more than twice as many, is cut to unless the user states
#: another number. A table has a row for each, and the teacher encodes each token once.
_USUAL_TOKENS = 60_000
_RUNS_AS = {"static": "static", "gru": "recurrent", "causal": "causal"}


@dataclass(frozen=True)
class Checked:
    """What the checks found."""

    facts: TeacherFacts
    #: The families that can be trained, of :data:`~training.guided.request.FAMILIES`.
    families: tuple[str, ...]
    #: Why the teacher cannot be exported as a passage encoder; "" if it can.
    no_passages: str
    #: The folder and configuration of the model to start from.
    start: tuple[Path, ModelConfig] | None
    #: The size of the collection to learn ranking from.
    judged: JudgedSize | None
    #: Tokens of the student's vocabulary, if it is a part of the teacher's; 0 if not.
    cut: int
    #: What the user should know, a sentence each.
    remarks: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows of the student's tables."""
        return self.cut or self.facts.rows


def check(request: Request) -> Checked:
    """Check a request.

    Raises:
        TrainingError: something is wrong. The message has a line for each thing.
    """
    problems = list(_problems_of_request(request))
    try:
        facts = read_facts(request.teacher, request.settings)
    except TrainingError as error:
        raise TrainingError("\n".join([*problems, str(error)])) from None
    problems += _problems_of_teacher(request, facts)
    families = tuple(name for name in FAMILIES if not _said(check_family, FAMILIES[name], facts.config))
    if request.family in FAMILIES and request.family not in families:
        problems.append(_said(check_family, FAMILIES[request.family], facts.config))
    start = None
    if request.start:
        try:
            start = _start(request, facts)
        except (TrainingError, TypeaheadError) as error:
            problems.append(str(error))
    cut = 0 if problems else _cut(request, facts, start)
    if cut and request.judged:
        problems.append(
            f"--judged does not go with a vocabulary of {cut:,} tokens, because ranking is learnt with all of the "
            "teacher's: " + ("start from another model" if start else "leave out --vocabulary")
        )
    if problems:
        raise TrainingError("\n".join(problems))
    no_passages = _said(check_passages, facts.config)
    remarks = []
    if no_passages:
        remarks.append(f"The teacher will not be exported as a passage encoder: {no_passages}.")
    if cut:
        remarks.append(
            f"The student knows {cut:,} of the teacher's {facts.tokens:,} tokens"
            + ("." if start else ", those of your texts first. --vocabulary states another number, 0 for all.")
        )
    elif facts.rows > facts.tokens:
        remarks.append(f"The table has {facts.rows:,} rows for {facts.tokens:,} tokens; the others are left out.")
    if not facts.stated:
        remarks.append(f"Pooling is {facts.settings.pooling} and similarity {facts.settings.similarity}, as you state.")
    judged = JudgedSize.of(Path(request.judged), longest=facts.settings.max_length) if request.judged else None
    return Checked(facts, families, no_passages, start, judged, cut, tuple(remarks))


def check_disk(folder: Path, needed: float) -> None:
    """Check that the disk has room.

    Raises:
        TrainingError: it has not.
    """
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        raise TrainingError(
            f"{folder} needs {megabytes(needed)}, and {megabytes(free)} are free on its disk: free some, or choose "
            "another disk with --run"
        )


def _said(check: Callable[..., None], *arguments: object) -> str:
    """What a check has to say; "" if it passes."""
    try:
        check(*arguments)
    except ValueError as error:
        return str(error)
    return ""


def _problems_of_request(request: Request) -> Iterator[str]:
    if request.family not in (*FAMILIES, "auto"):
        yield f"--family {request.family} is not one of auto, {', '.join(FAMILIES)}"
    if not request.minutes > 0:
        yield f"--minutes {request.minutes} is not above zero"
    for tracker in request.trackers:
        if tracker not in _TRACKERS:
            yield f"--track {tracker} is not one of {', '.join(_TRACKERS)}"
        elif not any(importlib.util.find_spec(package) for package in _TRACKERS[tracker]):
            yield f"--track {tracker} needs a package: pip install {_TRACKERS[tracker][0]}"
    if request.vocabulary is not None and request.vocabulary < 0:
        yield f"--vocabulary {request.vocabulary} is below zero"
    if request.vocabulary is not None and request.start:
        yield f"--vocabulary {request.vocabulary} does not go with --start: a model keeps its vocabulary"
    if not request.queries and not request.passages:
        yield "there is nothing to train on: name a log of queries with --queries, or documents with --passages"
    for given in (*request.queries, *request.passages):
        if not Source.of(given).path.exists():
            yield f"{given}: there is no such file or folder"
    if request.judged and not (Path(request.judged) / "corpus.jsonl").is_file():
        yield f"--judged {request.judged} is no BEIR folder: it has no corpus.jsonl"
    elif request.judged and not (Path(request.judged) / "qrels" / "train.tsv").is_file():
        yield f"--judged {request.judged} has no judgements to train on: qrels/train.tsv is missing"
    if not is_plain_name(request.name):
        yield f"--out {request.out}: {request.name!r} cannot be the name of a model"
    for out in (request.out, request.passage_out):
        if said := _said(check_replaceable, out, files_of_model):
            yield f"--out {said}"


def _problems_of_teacher(request: Request, facts: TeacherFacts) -> Iterator[str]:
    settings, given = facts.settings, request.settings
    if not facts.stated and not (given.get("pooling") and given.get("similarity")):
        yield (
            f"{facts.name} does not state how its vectors are made (it has no modules.json): state --pooling "
            "mean, cls or last, and --similarity cosine or dot"
        )
    asked = given.get("query_prompt") is not None or given.get("passage_prompt") is not None
    if facts.usual_prompts and not asked and not settings.query_prompt and not settings.passage_prompt:
        query, passage = facts.usual_prompts
        yield (
            f"models named like {facts.name} want a prompt before each text, and its files state none: state "
            f'--query-prompt "{query}" --passage-prompt "{passage}", or two empty ones'
        )
    if request.vocabulary and facts.tokenizer not in CUTTABLE:
        yield (
            f"--vocabulary {request.vocabulary}: the tokenizer of {facts.name} is of the kind {facts.tokenizer}, and "
            f"only {' and '.join(CUTTABLE)} can be cut"
        )
    if facts.tokens > facts.rows > 0:
        yield (
            f"{facts.name} has {facts.rows:,} word embeddings for {facts.tokens:,} tokens of its tokenizer: the two do "
            "not belong together"
        )


def _cut(request: Request, facts: TeacherFacts, start: tuple[Path, ModelConfig] | None) -> int:
    """Tokens of a vocabulary that is to be cut from the teacher's; 0 if none is."""
    if start:
        from tokenizers import Tokenizer

        own = int(Tokenizer.from_file(str(start[0] / "tokenizer.json")).get_vocab_size())
        return own if own < facts.tokens else 0
    if request.vocabulary is None:
        # Learning from judgements reads queries by the teacher's own tokens.
        if request.judged:
            return 0
        return _USUAL_TOKENS if facts.tokenizer in CUTTABLE and facts.tokens > 2 * _USUAL_TOKENS else 0
    return request.vocabulary if request.vocabulary < facts.tokens else 0


def _start(request: Request, facts: TeacherFacts) -> tuple[Path, ModelConfig]:
    """The model to start from."""
    folder = find(request.start)
    config, _ = open_config(folder)
    families = [name for name, runs in _RUNS_AS.items() if runs == config.family]
    if config.role != "query" or not families:
        raise TrainingError(f"--start {request.start} is no encoder of queries that can be trained on")
    if request.family not in ("auto", *families):
        raise TrainingError(f"--start {request.start} is of the family {families[0]}, and --family {request.family}")
    if config.dim != facts.dim:
        raise TrainingError(
            f"--start {request.start} has the teacher {config.teacher.name} of {config.dim} dimensions, and "
            f"{facts.name} has {facts.dim}"
        )
    return folder, config
