"""A recipe: the TOML file that states everything a training run depends on."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from training.checking import Count, HeldOut, Natural, NotNegative, OneOf, Positive, Share, SomeShare
from training.data.judged import split_kind
from training.data.texts import KINDS
from training.entries import RecipeError, bases_of, read_entries, take
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
    dtype: Annotated[str, OneOf("float32", "bfloat16", "float16")] = "float32"
    pooling: Annotated[str, OneOf("mean", "cls", "last")] | None = None
    #: The teacher cuts a text after this many word pieces, special tokens included.
    max_length: Count | None = None
    normalize: bool | None = None
    similarity: Annotated[str, OneOf("cosine", "dot")] | None = None
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

    weight: NotNegative = 1.0


@dataclass(frozen=True)
class BatchObjective:
    """``infonce`` (pick the own teacher vector out of the batch's) or ``relational`` (the batch's Gram matrix).

    Similarities are divided by ``temperature``. With several processes, each one's part counts as a batch.
    """

    weight: NotNegative = 1.0
    temperature: Positive = 0.07


@dataclass(frozen=True)
class ScoresObjective:
    """``scores`` (KL divergence) or ``margin`` (margin-MSE): the teacher's scores of a fixed set of passages.

    Each text is compared on the teacher's ``nearest`` passages, and on ``count`` others that are drawn for each batch.
    """

    weight: NotNegative = 1.0
    temperature: Positive = 0.05
    #: A file of passages; "" uses texts of the stage itself as passages.
    passages: str = ""
    #: The size of the set of passages; 0 for the whole file.
    limit: Natural = 4096
    count: Natural = 1024
    nearest: Natural = 0


@dataclass(frozen=True)
class PrefixObjective:
    """``prefix``: unfinished text already points at the teacher's vector of the whole text.

    This uses the embedding after each token but the last. It also uses, for a share ``cut`` of the texts, the embedding
    of the text cut after a random character and tokenised again. Each is weighted by the share typed, to the ``power``.
    """

    weight: NotNegative = 1.0
    power: NotNegative = 1.0
    cut: Share = 0.25
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
    epochs: Natural = 1
    #: If not 0, the stage has this many batches instead, in as many passes as they take.
    batches: Natural = 0
    #: Batches between two readings of the development split; 0 for one at the end of each pass.
    evaluate_every: Natural = 0
    #: How many texts of each file to take, in the order of ``files``; 0, or no limits at all, for all texts.
    limits: tuple[Natural, ...] = ()
    #: The share of these texts to take, drawn once.
    share: SomeShare = 1.0
    batch: Count = 256
    #: Learning rates at the start and the end of the stage, with a cosine in between: of tables, of all other weights,
    #: and of those other weights that start from nothing while the rest start from the teacher (None: ``rate``).
    table_rate: tuple[NotNegative, NotNegative] = (1e-3, 1e-4)
    rate: tuple[NotNegative, NotNegative] = (1e-3, 1e-4)
    fresh_rate: tuple[NotNegative, NotNegative] | None = None
    #: Batches over which the rates rise from zero; by default a twentieth of the stage, and 200 at most. Without them
    #: the first batches undo what a student starts with.
    warmup: Natural | None = None
    weight_decay: NotNegative = 0.0
    #: The largest gradient norm of all weights but tables; 0 for no limit.
    clip: NotNegative = 0.0
    #: What the student learns, by name. The default is "cosine", or "mse" for a teacher that uses the dot product.
    objectives: Mapping[str, Objective] = field(default_factory=dict)
    #: The longest texts to take, in tokens; 0 for the student's ``max_tokens``.
    max_tokens: Natural = 0
    #: The share of the texts that are also used cut after a random word. The target is the teacher's vector of the cut.
    truncated: Share = 0.0
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
    seed: Natural
    cache: str
    #: The share of the texts held out for the development split, file by file.
    development: HeldOut
    teacher: TeacherRecipe
    student: StudentRecipe
    stages: tuple[StageRecipe, ...]
    path: Path
    #: "no" or "bf16"; "" leaves it to ``accelerate launch``.
    precision: Annotated[str, OneOf(*PRECISIONS)] = ""
    #: Shares of the characters after which the development split also judges unfinished texts.
    typed: tuple[SomeShare, ...] = ()
    #: Files of texts to judge by, each instead of a share of the training texts.
    held_out: tuple[str, ...] = ()
    #: The weights that a run ends with: the "best" by the development split, or the "last".
    keep: Annotated[str, OneOf(*KEEP)] = "best"
    #: SHA-256 of all entries, including those of the base.
    sha256: str = ""
    #: The same of the recipe that this one is based on, and of that one's base.
    bases: tuple[str, ...] = ()


def _stage(values: Any, path: Path, number: int) -> StageRecipe:
    if not isinstance(values, Mapping):
        raise RecipeError(f"{path} [[stages]]: stage {number} is not a table")
    where = f"{path} [[stages]] {values.get('name', number)!r}"
    given = values.get("objectives", {})
    if not isinstance(given, Mapping):
        raise RecipeError(f"{where}: objectives is not a table")
    objectives = {}
    for name, entries in given.items():
        if name not in OBJECTIVES:
            raise RecipeError(f"{where}: objective {name!r} is not one of {', '.join(OBJECTIVES)}")
        objectives[name] = take(OBJECTIVES[name], entries, f"{where} [objectives.{name}]")
    stage = take(StageRecipe, {**values, "objectives": objectives}, where)
    if not stage.files:
        raise RecipeError(f"{where}: files is empty")
    if stage.limits and len(stage.limits) != len(stage.files):
        raise RecipeError(f"{where}: {len(stage.limits)} limits for {len(stage.files)} files")
    return stage


def _stage1(path: Path) -> dict[str, Any]:
    """The entries of a file without those of stage 2, which :mod:`training.ranking.recipe` reads."""
    stage2 = ("data", "mine", "contrast", "light")
    return {name: value for name, value in read_entries(path).items() if name not in stage2}


def _digest(entries: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def read_recipe(path: Path) -> Recipe:
    """Read a recipe. It may build on another one beside it: ``base = "FILE.toml"``.

    Raises:
        RecipeError: an entry is unknown or missing, of another type, out of range, or makes no sense. The message names
            file, table and entry.
    """
    data = _stage1(path)
    for name in ("teacher", "student", "stages"):
        if name not in data:
            raise RecipeError(f"{path}: {name} missing")
    if not isinstance(data["stages"], list):
        raise RecipeError(f"{path}: stages is not a list of tables: write [[stages]]")
    read = {
        "teacher": take(TeacherRecipe, data["teacher"], f"{path} [teacher]"),
        "student": student_recipe(data["student"], f"{path} [student]"),
        "stages": tuple(_stage(stage, path, number) for number, stage in enumerate(data["stages"], 1)),
    }
    bases = tuple(_digest(_stage1(base)) for base in bases_of(path))
    recipe = take(Recipe, data | read | {"path": path, "sha256": _digest(data), "bases": bases}, str(path))
    _check(recipe)
    return recipe


def _check(recipe: Recipe) -> None:
    """Raise ``RecipeError`` for entries that do not fit together."""
    path = recipe.path
    if not recipe.name.strip() or "/" in recipe.name:
        raise RecipeError(f"{path}: name = {recipe.name!r} is not a name: the run's folder is called so")
    if recipe.student.max_tokens < 1:
        raise RecipeError(f"{path} [student]: max_tokens = {recipe.student.max_tokens} is not at least 1")
    for stage in recipe.stages:
        prefix = stage.objectives.get("prefix")
        if isinstance(prefix, PrefixObjective) and prefix.alone and not recipe.student.guesses:
            raise RecipeError(
                f"{path} [[stages]] {stage.name!r}: prefix can learn alone only in a second read-out: set ahead = true "
                "in [student], in a family that has one"
            )


def check_files(recipe: Recipe) -> None:
    """Check that what a recipe of stage 1 reads is there, before any work.

    Raises:
        RecipeError: a file of texts, a file of passages or the teacher's folder does not exist.
    """
    where = recipe.path
    for stage in recipe.stages:
        sources = [("files", file) for file in stage.files]
        sources += [
            (f"objectives.{name}.passages", objective.passages)
            for name, objective in stage.objectives.items()
            if isinstance(objective, ScoresObjective) and objective.passages
        ]
        for entry, source in sources:
            if not (path := split_kind(source, KINDS, "")[1]).exists():
                raise RecipeError(f"{where} [[stages]] {stage.name!r}: {entry}: there is no {path}")
    for source in recipe.held_out:
        if not (path := split_kind(source, KINDS, "")[1]).exists():
            raise RecipeError(f"{where}: held_out: there is no {path}")
    check_teacher(recipe)


def check_teacher(recipe: Recipe) -> None:
    """Raise ``RecipeError`` if the teacher is a folder that does not exist. A hub id is not looked up."""
    teacher = recipe.teacher.path()
    local = teacher.startswith((".", "/", "~")) or teacher.count("/") > 1 or teacher.endswith("/")
    if local and not Path(teacher).is_dir():
        raise RecipeError(f"{recipe.path} [teacher]: id: there is no folder {teacher}")
