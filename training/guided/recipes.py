"""The recipes of a guided training: what a person would write by hand after reading about the shipped ones."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.entries import take
from training.gathering.gathered import DEVELOPMENT, TRAINING
from training.guided.checks import Checked
from training.guided.plan import HIDDEN, READOUT, bits, has_bfloat16
from training.guided.request import FAMILIES, Request
from training.guided.sizes import student_entries
from training.guided.toml import to_toml
from training.recipe import TeacherRecipe

#: Texts of a batch. Small batches learn more from few texts.
BATCH = 128
#: How often a stage is judged by the development split.
_JUDGED = 6
#: Rates at the start and the end of the stage, by family: of tables, of the rest, and of what starts from nothing. They
#: are those of the recipes of the shipped encoders.
_RATES: Mapping[str, Mapping[str, list[float]]] = {
    "static": {"table_rate": [3e-3, 5e-5], "rate": [1e-3, 2e-5]},
    "gru": {"table_rate": [2e-3, 3e-5], "rate": [1e-3, 1e-5]},
    "causal": {"table_rate": [3e-3, 3e-5], "rate": [3e-4, 3e-6], "fresh_rate": [1e-3, 1e-5]},
}
#: The rate at which a student learns to rank. It took a student from 94.4 to 100.8% of its teacher on pages that it was
#: trained on, and the paper's, 5e-6, to 95.2% (training/README.md).
_RANKING_RATE = 1e-4
#: Queries of a step that are encoded together.
_CHUNK = 16
#: The rounds in which it does: negatives that its own search finds, then the training.
NEGATIVES, RANKED = "near", "ranked"
#: The part of those rates at which a finished student is tuned.
_TUNED = 0.4


def write_recipe(
    request: Request,
    checked: Checked,
    family: str,
    *,
    name: str,
    batches: int,
    max_tokens: int,
    ranking_passes: int = 0,
) -> Path:
    """Write the recipe of a student into the folder of the run, as ``NAME.toml``, and return its path.

    Args:
        request: what is asked.
        checked: what the checks found.
        family: a key of :data:`~training.guided.request.FAMILIES`.
        name: of the recipe's file.
        batches: how many batches to train.
        max_tokens: the longest text, in tokens.
        ranking_passes: passes over the judged queries, if there are any.
    """
    path = request.folder / f"{name}.toml"
    entries = {
        "name": request.name,
        "seed": request.seed,
        "cache": str(request.folder / "teacher-vectors"),
        "development": 0.0,
        "held_out": [str(request.folder / "texts" / DEVELOPMENT)],
        **({"precision": "bf16"} if has_bfloat16() else {}),
        "teacher": _teacher(request, checked),
        "student": {**_student(checked, family), **_vocabulary(request, checked), "max_tokens": max_tokens},
        "stages": [_stage(request, checked, family, batches)],
    }
    ranked = name == "student" and request.judged
    text = to_toml(entries | (_ranking(request.judged, max(ranking_passes, 1)) if ranked else {}))
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return path


def teacher_recipe(request: Request, checked: Checked) -> TeacherRecipe:
    """The teacher as all recipes of a run state it. The keys of its cached vectors depend on that."""
    return take(TeacherRecipe, _teacher(request, checked), "[teacher]")


def _teacher(request: Request, checked: Checked) -> dict[str, Any]:
    # A folder is named in full, because the recipe may be run from elsewhere; a link keeps the name that people know.
    given = checked.facts.id
    id_ = os.path.abspath(given) if Path(given).is_dir() else given  # noqa: PTH100  (resolve() follows links)
    return {
        "id": id_,
        "name": checked.facts.name,
        "dtype": "bfloat16" if has_bfloat16() else "float32",
        **{name: value for name, value in request.settings.items() if value is not None},
    }


def _student(checked: Checked, family: str) -> dict[str, Any]:
    if checked.start:
        return student_entries(*checked.start)
    found: dict[str, Any] = {"family": FAMILIES[family]}
    if family == "static":
        return {**found, "readout": READOUT}
    if family == "gru":
        return {**found, "hidden": HIDDEN, "readout": READOUT}
    feed_forward, attention = bits(checked.facts.layer_weights)
    # Under a causal mask, [CLS] sees no other token.
    pooled = 0.0 if checked.facts.settings.pooling == "cls" else 0.5
    return {
        **found,
        "layers": checked.facts.layers,
        "pooled": pooled,
        "ahead": True,
        "feed_forward_bits": feed_forward,
        "attention_bits": attention,
    }


def _vocabulary(request: Request, checked: Checked) -> dict[str, Any]:
    return {"vocabulary": str(request.vocabulary_folder)} if checked.cut else {}


def _ranking(judged: str, passes: int) -> dict[str, Any]:
    """The tables of stage 2. The passages' vectors stay as they are, so an index does, too."""
    return {
        "data": {"collection": str(Path(judged).resolve()), "split": "train"},
        "mine": [{"name": NEGATIVES, "by": "distilled", "depth": 100, "negatives": 15}],
        "contrast": [
            {
                "name": RANKED,
                "groups": [f"mine:{NEGATIVES}"],
                "passages": "frozen",
                "epochs": passes,
                # Queries of similar length are encoded together: padding would take longer than encoding them twice.
                "chunk": _CHUNK,
                "rate": _RANKING_RATE,
                "warmup": 0.1,
                "development": 0.05,
            }
        ],
    }


def _stage(request: Request, checked: Checked, family: str, batches: int) -> dict[str, Any]:
    factor = _TUNED if checked.start else 1.0
    rates = {name: [factor * rate for rate in pair] for name, pair in _RATES[family].items()}
    loss = "cosine" if checked.facts.settings.similarity == "cosine" else "mse"
    objectives: dict[str, Any] = {loss: {}}
    if family == "causal":
        # The second read-out learns where unfinished text is going, and the first loses nothing by it.
        objectives["prefix"] = {"weight": 0.3, "cut": 0.15, "alone": True}
    return {
        "name": family,
        "files": [str(request.folder / "texts" / TRAINING)],
        "batches": batches,
        "evaluate_every": max(1, -(-batches // _JUDGED)),
        "batch": BATCH,
        "clip": 1.0,
        **rates,
        "objectives": objectives,
    }
