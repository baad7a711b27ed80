"""Carries out a guided training, in a folder from which it can be resumed.

The folder of a run holds ``request.json`` (what was asked), ``texts/`` (:mod:`training.gathering`), ``plan.json`` (what
was decided once the machine was measured), ``teacher-vectors/``, the recipes ``static.toml`` and ``student.toml`` with
their runs, and ``progress.log``. Whatever is there is not done again, so the same command continues after a kill.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator
from tokenizers import Tokenizer

from training.exporting.export import export_student, export_teacher
from training.gathering.gathered import REPORT
from training.guided.checks import Checked, check, check_disk
from training.guided.judging import Judged, judge
from training.guided.measuring import learning_seconds, reading_speed
from training.guided.plan import MOST_PASSES, Speeds, batches, has_bfloat16
from training.guided.planning import gathered_for, longest_text
from training.guided.recipes import BATCH, NEGATIVES, RANKED, teacher_recipe, write_recipe
from training.guided.reporting import Reporter
from training.guided.request import Request
from training.ranking.contrast import Contrast
from training.ranking.mine import Mining
from training.ranking.recipe import read_stage2
from training.recipe import Recipe, read_recipe
from training.stage1.best import overall
from training.stage1.distill import Run
from training.stage1.prepared import Prepared, prepare
from training.stage1.start import start_from
from training.students.files import STUDENT
from training.teacher.torch_teacher import TorchTeacher
from training.vocabulary import cut_vocabulary, same_vocabulary
from typeahead.errors import TrainingError

#: Passes of the first, static student over the texts, at most, and of any student at least.
_STATIC_PASSES, _LEAST_PASSES = 6, 0.2
#: The plan says -1 for what is still to be measured.
_UNKNOWN = -1


def make(request: Request, reporter: Reporter, *, command: str = "typeahead train") -> Judged:
    """Train, export and judge an encoder.

    Args:
        request: what is asked.
        reporter: hears how it goes.
        command: the command line, for logs and cards.

    Raises:
        MissingExtra: a package of the extra "training" is missing.
        TrainingError: it cannot begin or continue; the message says why, and what to do.
        Stopped: a signal asked for it. The same request continues.
    """
    began = time.monotonic()
    checked = check(request)
    _claim(request)
    reporter.to_file(request.folder / "progress.log")
    for remark in checked.remarks:
        reporter.say(remark)
    return _Making(request, checked, reporter, command, began).run()


class _Making:
    """One call of :func:`make`."""

    def __init__(self, request: Request, checked: Checked, reporter: Reporter, command: str, began: float) -> None:
        self._request, self._checked, self._reporter, self._command = request, checked, reporter, command
        self._began = began
        self._folder = request.folder
        self._threads = request.threads or os.cpu_count() or 1
        torch.set_num_threads(self._threads)
        self._max_tokens = longest_text(checked)
        self._prepared: Prepared | None = None
        self._ranking_passes = 0

    def run(self) -> Judged:
        """All of it."""
        decided = self._decide()
        self._ranking_passes = decided["ranking passes"]
        runs = []
        for name, family in (("static", "static"), ("student", decided["family"])):
            if not decided["batches"][name]:
                continue
            out = self._folder / name
            if not (out / STUDENT).is_file():
                if decided["batches"][name] == _UNKNOWN:
                    decided["batches"][name] = self._measured(name, family, decided)
                    decided["passed"] = self._passed()
                    _write(self._folder / "plan.json", decided)
                self._train(self._recipe(name, family, decided["batches"][name]), out)
            runs.append((family, self._recipe(name, family, decided["batches"][name]), out))
        return self._finish(runs)

    @cached_property
    def _accelerator(self) -> Accelerator:
        return Accelerator(cpu=self._request.cpu, mixed_precision="bf16" if has_bfloat16() else None)

    @cached_property
    def _teacher(self) -> TorchTeacher:
        self._reporter.say(f"Loading {self._checked.facts.name}.")
        recipe = teacher_recipe(self._request, self._checked)
        return TorchTeacher.of(recipe, device=self._accelerator.device)

    def _prepare(self, recipe: Recipe) -> Prepared:
        if self._prepared is None:
            on_progress = self._reporter.progress
            self._prepared = prepare(recipe, self._accelerator, teacher=self._teacher, on_progress=on_progress)
        return self._prepared

    def _recipe(self, name: str, family: str, count: int) -> Recipe:
        path = write_recipe(
            self._request,
            self._checked,
            family,
            name=name,
            batches=max(count, 1),
            max_tokens=self._max_tokens,
            ranking_passes=self._ranking_passes,
        )
        return read_recipe(path)

    def _decide(self) -> dict[str, Any]:
        """Gather the texts and decide on the plan, or read what an earlier call decided."""
        path = self._folder / "plan.json"
        if path.is_file():
            self._reporter.say(f"Continuing the run in {self._folder}.")
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            self._began -= found["passed"]
            return found
        request, checked = self._request, self._checked
        expected = Speeds.expected(threads=self._threads, bfloat16=self._teacher.dtype == "bfloat16")
        reading = reading_speed(self._teacher, checked.facts.layer_weights)
        # Until there is a student to measure, learning is taken to be as much slower or faster than expected. That of a
        # tiny teacher says little, because it has no large products.
        factor = min(max(reading / expected.reading, 0.25), 4.0)
        speeds = Speeds(reading, expected.learning * factor)
        gathered, made = gathered_for(
            request, checked, speeds, self._teacher.tokenizer.backend_tokenizer, passed=self._passed()
        )
        self._reporter.say(str(gathered.report))
        if not gathered.training:
            raise TrainingError("there is no text to train on: the counts above say why")
        check_disk(self._folder, made.disk)
        self._reporter.say(f"The plan:\n{made}")
        gathered.write(self._folder / "texts")
        if checked.cut:
            self._cut([one.text for one in (*gathered.training, *gathered.development)])
        decided = {
            "family": made.family,
            "batches": {"static": _UNKNOWN if made.static else 0, "student": _UNKNOWN},
            "static": made.static,
            "ranking passes": made.ranking_passes,
            "ending": made.ranking + made.ending,
            # Seconds, so that a run that is continued has no more time than one that was not stopped.
            "passed": self._passed(),
        }
        _write(path, decided)
        return decided

    def _cut(self, texts: Sequence[str]) -> None:
        """Write the vocabulary of the student: that of the model it starts from, or what the texts need."""
        tokenizer = self._teacher.tokenizer.backend_tokenizer
        if self._checked.start:
            vocabulary = same_vocabulary(tokenizer, Tokenizer.from_file(str(self._checked.start[0] / "tokenizer.json")))
        else:
            settings = self._checked.facts.settings
            prompts = (settings.query_prompt, settings.passage_prompt)
            keep = {number for prompt in prompts for number in self._teacher.tokenizer(prompt)["input_ids"]}
            vocabulary = cut_vocabulary(tokenizer, texts, self._checked.cut, keep=keep, fill=True)
        vocabulary.save(self._request.vocabulary_folder)

    def _passed(self) -> float:
        return time.monotonic() - self._began

    def _measured(self, name: str, family: str, decided: Mapping[str, Any]) -> int:
        """How many batches fit the time that there is for a student."""
        recipe = self._recipe(name, family, _UNKNOWN)
        run = self._new_run(recipe, self._folder / name, trackers=())
        texts = len(run.texts)
        once = learning_seconds(run) * int(run.texts.lengths.sum())
        if name == "static":
            passes = min(decided["static"] / once, _STATIC_PASSES)
        else:
            left = self._request.minutes * 60 - self._passed() - decided["ending"]
            passes = min(left / once, MOST_PASSES)
        return batches(max(passes, _LEAST_PASSES), texts, BATCH)

    def _new_run(self, recipe: Recipe, out: Path, *, trackers: Sequence[str]) -> Run:
        start = self._checked.start
        return Run(
            recipe,
            out,
            threads=self._threads,
            cpu=self._request.cpu,
            start=(lambda teacher: start_from(*start, teacher, recipe.student)) if start else None,
            trackers=trackers,
            on_batch=self._reporter.progress,
            on_entry=self._reporter.judged,
            command=self._command,
            prepared=self._prepare(recipe),
        )

    def _train(self, recipe: Recipe, out: Path) -> None:
        run = self._new_run(recipe, out, trackers=self._request.trackers)
        with _stopping(run):
            run.train()

    def _finish(self, runs: list[tuple[str, Recipe, Path]]) -> Judged:
        """Export the best student and the passage encoder, and judge what was exported."""
        request, reporter = self._request, self._reporter
        if request.judged:
            family, recipe, run = runs[-1]
            run = self._rank(recipe, run)
        else:
            family, recipe, run = max(runs, key=lambda one: _agreement(one[2]))
        if len(runs) > 1 and not request.judged:
            said = ", ".join(f"{of} {_agreement(out):.1%}" for of, _, out in runs)
            reporter.say(f"Agreement with the teacher on held-out texts: {said}. The {family} student is kept.")
        reporter.say("Exporting and checking the models.")
        if not self._checked.no_passages:
            export_teacher(recipe, request.passage_out.name, request.passage_out, [])
        report = json.loads((self._folder / "texts" / REPORT).read_text(encoding="utf-8"))
        sources = [
            {"source": f"files of the maker: {kind}", "texts": count, "terms": "the maker's"}
            for kind, count in report["training"].items()
            if count
        ]
        export_student(run, recipe, request.out, [], command=f"`{self._command}`", sources=sources)
        judged = judge(request, self._prepare(recipe), family, reporter, self._passed())
        judged.write(self._folder / "result.json")
        return judged

    def _rank(self, recipe: Recipe, run: Path) -> Path:
        """Let the student learn to rank by the judgements; returns the folder of what came of it."""
        self._reporter.say("Learning from the judged queries.")
        stage2 = read_stage2(recipe.path)
        # Training looks the passages' vectors up by their texts, so the teacher reads each passage once.
        cache = self._prepare(recipe).cache
        Mining(recipe, stage2, stage2.mining(NEGATIVES), run, self._accelerator, cache=cache).mine()
        self._reporter.say("The negatives are there. The student is trained on them.")
        Contrast(recipe, stage2, stage2.training(RANKED), run, self._accelerator).train()
        return run / RANKED


def _claim(request: Request) -> None:
    """Make the folder of the run, or check that it belongs to the same request."""
    path = request.folder / "request.json"
    asked = request.identity()
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        if others := [name for name in asked if asked[name] != before.get(name)]:
            raise TrainingError(
                f"{request.folder} holds a run with another {', '.join(others)}: choose another folder with --run, or "
                "delete this one"
            )
        return
    if request.folder.is_dir() and any(request.folder.iterdir()):
        raise TrainingError(f"{request.folder} holds files of something else: choose another folder with --run")
    request.folder.mkdir(parents=True, exist_ok=True)
    _write(path, asked)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def _agreement(run: Path) -> float:
    """The agreement of the student that a finished run kept."""
    last = json.loads((run / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    return overall({name: value for name, value in last.items() if isinstance(value, float)}) or 0.0


@contextmanager
def _stopping(run: Run) -> Iterator[None]:
    """Let an interrupt or a termination end a run after its batch, with a checkpoint."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        run.stop()

    try:
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:
        # Not in the main thread, so signals are somebody else's.
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
