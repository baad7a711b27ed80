"""The rounds of stage 2 in a run's folder: where each keeps its results, and which is next.

::

    runs/NAME/                      stage 1: student.safetensors
    runs/NAME/ROUND/negatives.jsonl a round of mining, in Tevatron's format
    runs/NAME/ROUND/                a round of training: student.safetensors, log.jsonl, LOG.md. If the passage encoder
                                    was trained: passages/, a folder like the teacher's, and recipe.toml, the recipe
                                    with that folder as its teacher, which exports the student
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from training.data.judged import Judged
from training.ranking.recipe import DISTILLED, TEACHER, ContrastRecipe, DataRecipe, MineRecipe, Stage2
from training.recipe import Recipe
from training.students import Student, load_student
from training.students.files import STUDENT
from training.teacher.torch_teacher import TorchTeacher
from typeahead.storage.sums import file_sha256

NEGATIVES, PASSAGES = "negatives.jsonl", "passages"


def result_of(run: Path, one: MineRecipe | ContrastRecipe) -> Path:
    """The file that exists once a round is finished."""
    return run / one.name / (NEGATIVES if isinstance(one, MineRecipe) else STUDENT)


def next_round(run: Path, rounds: Sequence[MineRecipe | ContrastRecipe]) -> str | None:
    """The name of the first unfinished round, or None."""
    return next((one.name for one in rounds if not result_of(run, one).is_file()), None)


def open_judged(data: DataRecipe) -> Judged:
    """The judged queries of a recipe."""
    return Judged.open(
        Path(data.collection),
        Path(data.queries) if data.queries else None,
        Path(data.qrels) if data.qrels else None,
        split=data.split,
        relevant_from=data.relevant_from,
    )


def student_path(run: Path, name: str) -> Path:
    """The student of stage 1 or of a round. ``ValueError`` if it has not been trained."""
    path = run / STUDENT if name == DISTILLED else run / name / STUDENT
    if not path.is_file():
        first = "python -m training.stage1.distill" if name == DISTILLED else "python -m training.ranking.contrast"
        raise ValueError(f"there is no {path}: run {first} before this round")
    return path


def open_teacher(
    recipe: Recipe, run: Path, name: str, device: torch.device, *, dtype: str | None = None
) -> TorchTeacher:
    """The passage encoder of a round if it has one, otherwise the recipe's teacher.

    Raises:
        ValueError: the student has a vocabulary of its own, which no round can train yet.
    """
    if recipe.student.vocabulary:
        raise ValueError(
            f"{recipe.path}: stage 2 tokenizes queries as the teacher does, and the student has a vocabulary of its "
            "own: stop after stage 1, or leave out vocabulary in [student]"
        )
    passages = run / name / PASSAGES
    path = str(passages) if name not in (DISTILLED, TEACHER) and passages.is_dir() else recipe.teacher.path()
    return TorchTeacher(path, **recipe.teacher.given(), dtype=dtype or recipe.teacher.dtype, device=device)


def open_models(recipe: Recipe, run: Path, name: str, device: torch.device) -> tuple[Student | None, TorchTeacher]:
    """The query and passage encoders of a round of mining. There is no student if the teacher encodes both."""
    student = None if name == TEACHER else load_student(student_path(run, name)).to(device)
    return student, open_teacher(recipe, run, name, device)


def fingerprint(recipe: Recipe, stage2: Stage2, one: MineRecipe | ContrastRecipe, run: Path, **more: Any) -> str:
    """Everything that a round's result depends on, as JSON."""
    start = one.by if isinstance(one, MineRecipe) else one.start
    path = run / STUDENT if start == DISTILLED else run / start / STUDENT
    facts: Mapping[str, Any] = {
        "round": asdict(one),
        "data": None if stage2.data is None else asdict(stage2.data),
        # Rounds of earlier versions state it too.
        "separator": " ",
        "seed": recipe.seed,
        "teacher": recipe.teacher.given() | {"id": recipe.teacher.id, "dtype": recipe.teacher.dtype},
        "max_tokens": recipe.student.max_tokens,
        "start": file_sha256(path) if path.is_file() else start,
        **more,
    }
    return json.dumps(facts, sort_keys=True)


def claim(folder: Path, facts: str) -> None:
    """Claim a round's folder. ``ValueError`` if it holds unfinished work with other settings."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "round.json"
    if path.is_file() and path.read_text(encoding="utf-8") != facts:
        raise ValueError(f"{folder} was begun with other settings or models: delete it to start again")
    partial = path.with_suffix(".partial")
    partial.write_text(facts, encoding="utf-8")
    partial.replace(path)


def seed_of(*parts: object) -> int:
    """A 63-bit seed, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "little") >> 1


def command_line(program: str, description: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments that all rounds share, and set PyTorch's threads."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("round", nargs="?", help="name of a round (default: the first unfinished one)")
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/NAME)")
    parser.add_argument("--cpu", action="store_true", help="do not use a GPU")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    # The round may stand after an option.
    options = parser.parse_intermixed_args(arguments)
    logging.basicConfig(format="%(message)s")
    torch.set_num_threads(options.threads)
    return options
