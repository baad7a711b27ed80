"""Whether a run was made by the recipe, and with the teacher, that it is exported by."""

from __future__ import annotations

from pathlib import Path

from training.recipe import Recipe
from training.students import Student
from training.students.files import STUDENT, read_metadata
from training.teacher.torch_teacher import TorchTeacher

_SHOWN = 12


def check_origin(run: Path, student: Student, recipe: Recipe, teacher: TorchTeacher) -> None:
    """Check that the student in ``run`` belongs to ``recipe`` and to ``teacher``, the recipe's teacher.

    A round of stage 2 may also be exported by a recipe that is based on its own: the recipe in its folder differs from
    that one in the teacher.

    Raises:
        ValueError: another recipe or another teacher made it. The message names both.
    """
    path = run / STUDENT if run.is_dir() else run
    made = read_metadata(path)
    if "run" not in made:
        _check_sizes(run, student, teacher)
    recipe_sha256, _, rest = made.get("run", "").partition(" ")
    teacher_key = rest.partition(" ")[0]
    if teacher_key and teacher_key != teacher.key(recipe.teacher.dtype):
        raise ValueError(
            f"{run} was made with another teacher than {recipe.teacher.id}, the one of {recipe.path}, or with other "
            f"settings of it. {_made(run)}"
        )
    known = {recipe.sha256, *(recipe.bases if "round" in made else ())}
    if recipe_sha256 and recipe.sha256 and recipe_sha256 not in known:
        raise ValueError(
            f"{run} was made by another recipe ({recipe_sha256[:_SHOWN]}) than {recipe.path} "
            f"({recipe.sha256[:_SHOWN]}), or by an earlier version of it. {_made(run)}"
        )


def _check_sizes(run: Path, student: Student, teacher: TorchTeacher) -> None:
    """All that can be checked of a student whose file does not say what made it: older versions wrote those."""
    state = student.state_dict()
    tables = [state[name] for name in ("table.weight", "words.weight", "trunk.words.weight") if name in state]
    found = (len(tables[0]) if tables else 0, student.dim)
    expected = (int(teacher.model.config.vocab_size) if tables else 0, teacher.dim)
    if found != expected:
        raise ValueError(
            f"{run} has a student of {found[0]:,} tokens and {found[1]} dimensions, but {teacher.name} has "
            f"{expected[0]:,} and {expected[1]}: another teacher made it. {_made(run)}"
        )


def _made(run: Path) -> str:
    """What the run's own log says of its recipe and teacher, and what to do."""
    log = (run if run.is_dir() else run.parent) / "LOG.md"
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    name = next((line[2:] for line in lines if line.startswith("# ")), "")
    teacher = next((line.partition(": ")[2] for line in lines if line.startswith("- teacher: ")), "")
    said = f"{log} says recipe {name!r}, teacher {teacher!r}; " if name and teacher else ""
    return f"{said}export it by the recipe that made it"
