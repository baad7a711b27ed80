"""A recipe: the TOML file that says all that a training run depends on."""

from __future__ import annotations

import importlib.util
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class TeacherRecipe:
    """Which teacher, and how it is run."""

    id: str
    #: A Python package that holds the same folder, as "package:folder"; used where it is installed.
    package: str = ""
    dtype: str = "float32"

    def path(self) -> str:
        """The folder in the package if that is installed, else the id (a folder or a hub id)."""
        package, _, folder = self.package.partition(":")
        found = importlib.util.find_spec(package) if package else None
        if found is not None and found.submodule_search_locations:
            return str(Path(found.submodule_search_locations[0]) / folder)
        return self.id


@dataclass(frozen=True)
class StudentRecipe:
    """The student's size."""

    hidden: int = 512
    #: Training texts of more word pieces, special tokens not counted, are left out.
    max_tokens: int = 96


@dataclass(frozen=True)
class StageRecipe:
    """One pass or several over some texts."""

    name: str
    files: tuple[str, ...]
    epochs: int
    #: Texts taken of each file, in its order; 0, or nothing said, for all.
    limits: tuple[int, ...] = ()
    batch: int = 256
    #: Learning rates at the start of the stage and at its end; in between a cosine.
    table_rate: tuple[float, float] = (1e-3, 1e-4)
    rate: tuple[float, float] = (1e-3, 1e-4)

    #: Weight of the score loss beside the cosine loss, and the temperature of its scores; see training.distill.
    score_weight: float = 0.0
    temperature: float = 0.05

    def sources(self) -> list[tuple[Path, int | None]]:
        """Each file and how many of its texts are taken."""
        limits = self.limits or (0,) * len(self.files)
        return [(Path(file), limit or None) for file, limit in zip(self.files, limits, strict=True)]


@dataclass(frozen=True)
class Recipe:
    """The whole file."""

    name: str
    seed: int
    cache: str
    #: Share of the texts that is held out for the development split.
    development: float
    teacher: TeacherRecipe
    student: StudentRecipe
    stages: tuple[StageRecipe, ...]
    path: Path


def _take(kind: type[T], values: dict[str, Any], where: str) -> T:
    unknown = set(values) - {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown:
        raise ValueError(f"{where}: unknown {', '.join(sorted(unknown))}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; ``ValueError`` names an unknown or missing entry."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        return _take(
            Recipe,
            data
            | {
                "teacher": _take(TeacherRecipe, data["teacher"], f"{path} [teacher]"),
                "student": _take(StudentRecipe, data["student"], f"{path} [student]"),
                "stages": tuple(_take(StageRecipe, stage, f"{path} [[stages]]") for stage in data["stages"]),
                "path": path,
            },
            str(path),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
