"""A recipe: the TOML file that says all that a training run depends on."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class TeacherRecipe:
    """Which teacher, and how it is run. What is not said is read from the teacher's files."""

    id: str
    #: A Python package that holds the same folder, as "package:folder"; used where it is installed.
    package: str = ""
    dtype: str = "float32"
    #: "mean", "cls" or "last".
    pooling: str | None = None
    #: Word pieces, special tokens included, at which it cuts.
    max_length: int | None = None
    normalize: bool | None = None
    #: "cosine" or "dot".
    similarity: str | None = None
    #: What stands before every query and every passage, such as E5's "query: " and "passage: ".
    query_prompt: str | None = None
    passage_prompt: str | None = None

    def given(self) -> dict[str, Any]:
        """The settings that override the teacher's files, as arguments of its class."""
        names = ("pooling", "max_length", "normalize", "similarity", "query_prompt", "passage_prompt")
        return {name: getattr(self, name) for name in names}

    def path(self) -> str:
        """The folder in the package if that is installed, else the id (a folder or a hub id)."""
        package, _, folder = self.package.partition(":")
        found = importlib.util.find_spec(package) if package else None
        if found is not None and found.submodule_search_locations:
            return str(Path(found.submodule_search_locations[0]) / folder)
        return self.id


@dataclass(frozen=True)
class StudentRecipe:
    """Which student, and of which size; see :mod:`training.students`. Each family reads the entries that it has."""

    family: str = "residual-gru"
    #: Units of each GRU.
    hidden: int = 512
    #: Units of the layer behind a static student's mean; 0: the mean alone.
    readout: int = 0
    #: GRUs on top of one another, or layers of the teacher.
    layers: int = 1
    #: Numbers of the teacher's layers, instead of the first ones.
    teacher_layers: tuple[int, ...] = ()
    #: Feed-forward layers of RNN(l, f), and their inner width; 0 for four times ``hidden``.
    feed_forward: int = 0
    inner: int = 0
    #: Input embeddings of "rnn", "causal" and "transformer": "tied" to the passage encoder's, which stand still;
    #: starting there and "trained"; or, for "rnn", "free": random at the start, and trained.
    table: str = "tied"
    #: Whether ST(k) adds its read-out to the weighted mean of token vectors instead of pooling.
    residual: bool = False
    #: How much of the teacher's own pooling "causal" starts with, beside the mean of token vectors; 0 for nothing.
    pooled: float = 0.0
    #: Whether "causal" has a read-out of its own for where unfinished text is going, which "prefix" then trains.
    ahead: bool = False
    #: Bits of the weights of "causal"'s feed-forward layers once exported: 8 or 4. Rounding to four is trained along.
    feed_forward_bits: int = 8
    #: Training texts of more word pieces, special tokens not counted, are left out.
    max_tokens: int = 96


@dataclass(frozen=True)
class PlainObjective:
    """``cosine`` (1 - cosine) or ``mse`` (mean squared error of the entries) to the teacher's vector."""

    weight: float = 1.0


@dataclass(frozen=True)
class BatchObjective:
    """``infonce`` (find the own teacher vector among the batch's) or ``relational`` (the batch's Gram matrix).

    Similarities are divided by ``temperature``. With several processes a batch is each one's part of it.
    """

    weight: float = 1.0
    temperature: float = 0.07


@dataclass(frozen=True)
class ScoresObjective:
    """``scores`` (KL divergence) or ``margin`` (margin-MSE): the teacher's scores of a frozen set of passages.

    Each text is compared on its ``nearest`` passages by the teacher and on ``count`` others, drawn for each batch.
    """

    weight: float = 1.0
    temperature: float = 0.05
    #: A file of passages; "" for texts of the stage itself, which then stand for passages.
    passages: str = ""
    #: How many passages the set has; 0 for all of the file.
    limit: int = 4096
    count: int = 1024
    nearest: int = 0


@dataclass(frozen=True)
class PrefixObjective:
    """``prefix``: unfinished text already points at the teacher's vector of the whole.

    Beside the embedding after each token but the last, that of the text cut at a random character, tokenised again, for
    a share ``cut`` of the texts. Each counts by the share typed to the ``power``.
    """

    weight: float = 1.0
    power: float = 1.0
    cut: float = 0.25
    #: Whether the embedding after each token counts. Families that are no fold have none: they learn from cuts alone.
    tokens: bool = True
    #: Whether the read-out for unfinished text learns alone, and what it reads stays as it is: whole text loses nothing
    #: then. Only for students with ``ahead``.
    alone: bool = False


#: "" is what ``accelerate launch`` says.
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


@dataclass(frozen=True)
class StageRecipe:
    """One pass or several over some texts."""

    name: str
    files: tuple[str, ...]
    epochs: int
    #: Texts taken of each file, in its order; 0, or nothing said, for all.
    limits: tuple[int, ...] = ()
    #: The share of these texts that is taken, drawn once.
    share: float = 1.0
    batch: int = 256
    #: Learning rates at the start of the stage and at its end; in between a cosine. Of tables, of all other weights,
    #: and of those among them that start from nothing while others start from the teacher (not said: as the others).
    table_rate: tuple[float, float] = (1e-3, 1e-4)
    rate: tuple[float, float] = (1e-3, 1e-4)
    fresh_rate: tuple[float, float] | None = None
    #: Batches in which the rates rise from zero.
    warmup: int = 0
    weight_decay: float = 0.0
    #: The largest norm of the gradient of all weights but tables; 0 for no bound.
    clip: float = 0.0
    #: What the student learns, by name, with the entries of each; nothing said is "cosine", or "mse" for dot product.
    objectives: Mapping[str, Objective] = field(default_factory=dict)
    #: The longest texts that are taken, in tokens; 0 for the student's ``max_tokens``.
    max_tokens: int = 0
    #: The share of the texts of which a second one is made, cut after a random word; its target is its own.
    truncated: float = 0.0
    #: Whether products see weights of four bits as such, in a student that has any; or in float32 still.
    rounded: bool = True
    #: Whether the batches of the first epoch come in order of length, short ones first.
    curriculum: bool = False

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
    #: "no" or "bf16"; "" for what ``accelerate launch`` says.
    precision: str = ""
    #: Shares of the characters at which the development split also looks at unfinished texts.
    typed: tuple[float, ...] = ()
    #: SHA-256 of all entries, those of the base included.
    sha256: str = ""


def _take(kind: type[T], values: dict[str, Any], where: str) -> T:
    unknown = set(values) - {entry.name for entry in fields(kind)}  # type: ignore[arg-type]
    if unknown:
        raise ValueError(f"{where}: unknown {', '.join(sorted(unknown))}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def _stage(values: dict[str, Any], path: Path) -> StageRecipe:
    objectives = {}
    for name, entries in values.get("objectives", {}).items():
        if name not in OBJECTIVES:
            raise ValueError(f"{path}: objective {name!r} is none of {', '.join(OBJECTIVES)}")
        objectives[name] = _take(OBJECTIVES[name], entries, f"{path} [stages.objectives.{name}]")
    return _take(StageRecipe, values | {"objectives": objectives}, f"{path} [[stages]]")


def read_entries(path: Path) -> dict[str, Any]:
    """The entries of a file over those of its ``base``: tables and stages are merged, all else is replaced."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    base = data.pop("base", None)
    return _merge(read_entries(path.parent / base), data) if base else data


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = below | above
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = _merge(below[key], above[key])
    if "stages" in below and "stages" in above:
        first, second = below["stages"], above["stages"]
        both = [_merge(one, other) for one, other in zip(first, second, strict=False)]
        merged["stages"] = both + first[len(both) :] + second[len(both) :]
    return merged


def read_recipe(path: Path) -> Recipe:
    """Read a recipe, which may build on another one: ``base = "FILE.toml"``, beside it.

    ``ValueError`` names an unknown or missing entry.
    """
    # What training.ranking.recipe reads of the same file is of no account here.
    data = {
        name: value for name, value in read_entries(path).items() if name not in ("data", "mine", "contrast", "light")
    }
    if data.get("precision", "") not in PRECISIONS:
        raise ValueError(f"{path}: precision {data['precision']!r} is none of {PRECISIONS}")
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    try:
        recipe = _take(
            Recipe,
            data
            | {
                "teacher": _take(TeacherRecipe, data["teacher"], f"{path} [teacher]"),
                "student": _take(StudentRecipe, data["student"], f"{path} [student]"),
                "stages": tuple(_stage(stage, path) for stage in data["stages"]),
                "path": path,
                "sha256": digest,
            },
            str(path),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
    if recipe.student.feed_forward_bits not in (4, 8):
        raise ValueError(f"{path} [student]: feed_forward_bits {recipe.student.feed_forward_bits} is neither 4 nor 8")
    for stage in recipe.stages:
        prefix = stage.objectives.get("prefix")
        if isinstance(prefix, PrefixObjective) and prefix.alone and not recipe.student.ahead:
            raise ValueError(f"{path}: stage {stage.name!r}: prefix learns alone only what [student] ahead = true adds")
    return recipe
