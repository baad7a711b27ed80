"""A recipe: the TOML file that states everything a training run depends on."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.entries import bases_of, read_entries, take
from training.families import student_recipe
from training.student_recipes import StudentRecipe


@dataclass(frozen=True)
class TeacherRecipe:
    """Which teacher, and how it runs. What the recipe leaves out is read from the teacher's files."""

    id: str
    #: What cards and indexes call it; "" for the last part of ``id``.
    name: str = ""
    #: A Python package that holds the same folder, as "package:folder". It is used if it is installed.
    package: str = ""
    dtype: str = "float32"
    #: "mean", "cls" or "last".
    pooling: str | None = None
    #: The teacher cuts a text after this many word pieces, special tokens included.
    max_length: int | None = None
    normalize: bool | None = None
    #: "cosine" or "dot".
    similarity: str | None = None
    #: Text before every query and every passage, such as E5's "query: " and "passage: ".
    query_prompt: str | None = None
    passage_prompt: str | None = None

    @property
    def called(self) -> str:
        """The teacher's name, for people: models and indexes are compared by the hash of its weights."""
        return self.name or Path(self.id).name or Path(self.id).resolve().name

    def given(self) -> dict[str, Any]:
        """The settings that override the teacher's files, as arguments for the teacher's class."""
        names = ("pooling", "max_length", "normalize", "similarity", "query_prompt", "passage_prompt")
        return {name: getattr(self, name) for name in names}

    def path(self) -> str:
        """The folder in the package if it is installed; otherwise ``id``, a folder or a hub id."""
        package, _, folder = self.package.partition(":")
        found = importlib.util.find_spec(package) if package else None
        if found is not None and found.submodule_search_locations:
            return str(Path(found.submodule_search_locations[0]) / folder)
        return self.id


@dataclass(frozen=True)
class PlainObjective:
    """``cosine`` or ``mse``: 1 - cosine to the teacher's vector, or the mean squared error of its entries."""

    weight: float = 1.0


@dataclass(frozen=True)
class BatchObjective:
    """``infonce`` (pick the own teacher vector out of the batch's) or ``relational`` (the batch's Gram matrix).

    Similarities are divided by ``temperature``. With several processes, each one's part counts as a batch.
    """

    weight: float = 1.0
    temperature: float = 0.07


@dataclass(frozen=True)
class ScoresObjective:
    """``scores`` (KL divergence) or ``margin`` (margin-MSE): the teacher's scores of a fixed set of passages.

    Each text is compared on the teacher's ``nearest`` passages, and on ``count`` others that are drawn for each batch.
    """

    weight: float = 1.0
    temperature: float = 0.05
    #: A file of passages; "" uses texts of the stage itself as passages.
    passages: str = ""
    #: The size of the set of passages; 0 for the whole file.
    limit: int = 4096
    count: int = 1024
    nearest: int = 0


@dataclass(frozen=True)
class PrefixObjective:
    """``prefix``: unfinished text already points at the teacher's vector of the whole text.

    This uses the embedding after each token but the last. It also uses, for a share ``cut`` of the texts, the embedding
    of the text cut after a random character and tokenised again. Each is weighted by the share typed, to the ``power``.
    """

    weight: float = 1.0
    power: float = 1.0
    cut: float = 0.25
    #: Whether the embedding after each token counts. A family that is not a fold has none and learns from cuts alone.
    tokens: bool = True
    #: Whether only the second read-out learns from this, and nothing that it reads changes: whole text then loses
    #: nothing. Needs a student with ``ahead``.
    alone: bool = False


#: "" leaves it to ``accelerate launch``.
PRECISIONS = ("", "no", "bf16")

Objective = PlainObjective | BatchObjective | ScoresObjective | PrefixObjective

OBJECTIVES: dict[str, type[Objective]] = {
    "cosine": PlainObjective,
    "mse": PlainObjective,
    "infonce": BatchObjective,
    "relational": BatchObjective,
    "scores": ScoresObjective,
    "margin": ScoresObjective,
    "prefix": PrefixObjective,
}


#: The longest warm-up of a stage that states none, in batches.
_LONGEST_WARMUP = 200

#: Which weights a run ends with: the best by the development split, or the last.
KEEP = ("best", "last")


@dataclass(frozen=True)
class StageRecipe:
    """One or more passes over some texts."""

    name: str
    files: tuple[str, ...]
    #: Passes over the texts.
    epochs: int = 1
    #: If not 0, the stage has this many batches instead, in as many passes as they take.
    batches: int = 0
    #: Batches between two readings of the development split; 0 for one at the end of each pass.
    evaluate_every: int = 0
    #: How many texts of each file to take, in the order of ``files``; 0, or no limits at all, for all texts.
    limits: tuple[int, ...] = ()
    #: The share of these texts to take, drawn once.
    share: float = 1.0
    batch: int = 256
    #: Learning rates at the start and the end of the stage, with a cosine in between: of tables, of all other weights,
    #: and of those other weights that start from nothing while the rest start from the teacher (None: ``rate``).
    table_rate: tuple[float, float] = (1e-3, 1e-4)
    rate: tuple[float, float] = (1e-3, 1e-4)
    fresh_rate: tuple[float, float] | None = None
    #: Batches over which the rates rise from zero; by default a twentieth of the stage, and 200 at most. Without them
    #: the first batches undo what a student starts with.
    warmup: int | None = None
    weight_decay: float = 0.0
    #: The largest gradient norm of all weights but tables; 0 for no limit.
    clip: float = 0.0
    #: What the student learns, by name. The default is "cosine", or "mse" for a teacher that uses the dot product.
    objectives: Mapping[str, Objective] = field(default_factory=dict)
    #: The longest texts to take, in tokens; 0 for the student's ``max_tokens``.
    max_tokens: int = 0
    #: The share of the texts that are also used cut after a random word. The target is the teacher's vector of the cut.
    truncated: float = 0.0
    #: Whether products see four-bit weights rounded, in a student that has any, or still in float32.
    rounded: bool = True
    #: Whether the first epoch's batches come in order of length, the shortest texts first.
    curriculum: bool = False

    def length(self, texts: int) -> tuple[int, int]:
        """The number of batches in a pass over so many texts, and in the whole stage."""
        per_pass = math.ceil(texts / self.batch)
        return per_pass, self.batches or per_pass * self.epochs

    def warmed(self, batches: int) -> int:
        """The number of batches of warm-up, out of so many."""
        return min(_LONGEST_WARMUP, batches // 20) if self.warmup is None else self.warmup

    def sources(self) -> list[tuple[Path, int | None]]:
        """Each file, and how many of its texts to take (None: all)."""
        limits = self.limits or (0,) * len(self.files)
        return [(Path(file), limit or None) for file, limit in zip(self.files, limits, strict=True)]


@dataclass(frozen=True)
class Recipe:
    """The whole file, without the tables of stage 2."""

    name: str
    seed: int
    cache: str
    #: The share of the texts held out for the development split, file by file.
    development: float
    teacher: TeacherRecipe
    student: StudentRecipe
    stages: tuple[StageRecipe, ...]
    path: Path
    #: "no" or "bf16"; "" leaves it to ``accelerate launch``.
    precision: str = ""
    #: Shares of the characters after which the development split also judges unfinished texts.
    typed: tuple[float, ...] = ()
    #: Files of texts to judge by, each instead of a share of the training texts.
    held_out: tuple[str, ...] = ()
    #: The weights that a run ends with: the "best" by the development split, or the "last".
    keep: str = "best"
    #: SHA-256 of all entries, including those of the base.
    sha256: str = ""
    #: The same of the recipe that this one is based on, and of that one's base.
    bases: tuple[str, ...] = ()


def _stage(values: dict[str, Any], path: Path) -> StageRecipe:
    objectives = {}
    for name, entries in values.get("objectives", {}).items():
        if name not in OBJECTIVES:
            raise ValueError(f"{path}: objective {name!r} is not one of {', '.join(OBJECTIVES)}")
        objectives[name] = take(OBJECTIVES[name], entries, f"{path} [stages.objectives.{name}]")
    return take(StageRecipe, values | {"objectives": objectives}, f"{path} [[stages]]")


def _stage1(path: Path) -> dict[str, Any]:
    """The entries of a file without those of stage 2, which :mod:`training.ranking.recipe` reads."""
    stage2 = ("data", "mine", "contrast", "light")
    return {name: value for name, value in read_entries(path).items() if name not in stage2}


def _digest(entries: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def read_recipe(path: Path) -> Recipe:
    """Read a recipe. It may build on another one beside it: ``base = "FILE.toml"``.

    Raises:
        ValueError: an entry is unknown or missing, or makes no sense. The message names it.
    """
    data = _stage1(path)
    if data.get("precision", "") not in PRECISIONS:
        raise ValueError(f"{path}: precision {data['precision']!r} is not one of {PRECISIONS}")
    if data.get("keep", "best") not in KEEP:
        raise ValueError(f"{path}: keep {data['keep']!r} is not one of {KEEP}")
    try:
        read = {
            "teacher": take(TeacherRecipe, data["teacher"], f"{path} [teacher]"),
            "student": student_recipe(data["student"], f"{path} [student]"),
            "stages": tuple(_stage(stage, path) for stage in data["stages"]),
        }
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
    bases = tuple(_digest(_stage1(base)) for base in bases_of(path))
    recipe = take(Recipe, data | read | {"path": path, "sha256": _digest(data), "bases": bases}, str(path))
    for stage in recipe.stages:
        prefix = stage.objectives.get("prefix")
        if isinstance(prefix, PrefixObjective) and prefix.alone and not recipe.student.guesses:
            raise ValueError(
                f"{path}: stage {stage.name!r}: prefix can learn alone only in a second read-out: set ahead = true in "
                "[student], in a family that has one"
            )
    return recipe
