"""``python -m training.commands.table RECIPE… --out FOLDER``: one table of several recipes, from training to latency.

The command trains what is not trained yet and exports it. It evaluates all int8 students on each ``--collection``, in
one run over the float32 teacher's vectors, and times them side by side on ``--queries``. Then it prints the table, and
writes its figures to ``FOLDER/table.json``. A recipe with rounds of stage 2 is evaluated on its own collection, before
and after them. Run it on an otherwise idle machine, because it takes the times at its end. After a kill, the same
command continues.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.commandline import run
from training.exporting import export
from training.ranking import contrast, mine
from training.ranking.recipe import Stage2, read_stage2
from training.ranking.recipe import check_files as check_rounds
from training.ranking.round_folders import PASSAGES, next_round
from training.recipe import Recipe, check_files, read_recipe
from training.stage1 import distill
from training.students.files import STUDENT
from typeahead.cli import main as typeahead_main
from typeahead.models.folder import find
from typeahead.tables import report

Row = dict[str, Any]

#: Table 1 of *Extremely efficient online query encoding for dense retrieval*: percent of the teacher's MRR@10 on MS
#: MARCO's development queries, after both stages.
PAPER = {
    "rnn-1-0": 92.9,
    "rnn-1-1": 94.8,
    "rnn-2-0": 94.5,
    "rnn-2-1": 95.5,
    "st-1": 94.8,
    "st-2": 97.4,
    "st-3": 97.1,
    "st-4": 97.6,
}
_MEASURE = "nDCG@10"
_TEACHER = "teacher"


@dataclass(frozen=True)
class Trained:
    """A recipe with a finished run and its model folders: of stage 1, and of the last round of stage 2, if any."""

    recipe: Recipe
    stage2: Stage2
    distilled: Path
    contrasted: Path | None
    #: The folder of the passage encoder that ``contrasted`` was trained against, or of the teacher.
    passages: str


def recipes_of(paths: Sequence[Path]) -> list[Path]:
    """The recipes among files and folders, without any ``common.toml``, on which others build.

    Raises:
        ValueError: there are none.
    """
    found = []
    for path in paths:
        inside = sorted(path.glob("*.toml")) if path.is_dir() else [path]
        found += [one for one in inside if one.name != "common.toml"]
    if not found:
        raise ValueError(f"no recipes in {', '.join(map(str, paths))}")
    return found


def train(path: Path, out: Path, threads: int) -> Trained:
    """Run all stages of a recipe, or those that are left, and export the results."""
    recipe, stage2 = read_recipe(path), read_stage2(path)
    run = out / recipe.name
    command = [str(path), "--out", str(run), "--threads", str(threads)]
    distill.main(command)
    # Mining and training in turns, because each builds on the other.
    while (mining := next_round(run, stage2.mine)) or next_round(run, stage2.contrast):
        if mining:
            mine.main(command)
        if next_round(run, stage2.contrast):
            contrast.main(command)
    distilled = _exported(path, run)
    if not stage2.contrast:
        return Trained(recipe, stage2, distilled, None, recipe.teacher.path())
    last = run / stage2.contrast[-1].name
    trained_too = (last / PASSAGES).is_dir()
    contrasted = _exported(last / "recipe.toml" if trained_too else path, last)
    passages = str(last / PASSAGES) if trained_too else recipe.teacher.path()
    return Trained(recipe, stage2, distilled, contrasted, passages)


def _exported(recipe: Path, run: Path) -> Path:
    """The model folder of a run, exported again if its student is newer."""
    model = run / "model"
    written = model / "config.json"
    if not written.is_file() or written.stat().st_mtime < (run / STUDENT).stat().st_mtime:
        export.main(["student", str(recipe), str(run), str(model)])
    return model


def _labelled(models: Mapping[str, str]) -> list[str]:
    return [f"{label}={model}" for label, model in models.items()]


def scores(collection: str, passages: str, models: Mapping[str, str], json_file: Path) -> dict[str, float]:
    """nDCG@10 by label, of each model's queries and of the teacher's, over the teacher's float32 vectors."""
    teacher = f"{_TEACHER}=st:{passages}"
    arguments = (collection, "--passage-encoder", teacher, "--query-encoder", *_labelled(models), teacher)
    with redirect_stdout(io.StringIO()):
        status = typeahead_main(["evaluate", "retrieval", *arguments, "--json", str(json_file)])
    if status:
        raise SystemExit(status)
    results = json.loads(json_file.read_text(encoding="utf-8"))["results"]
    return {result["query_encoder"]: result["metrics"][_MEASURE] for result in results}


def on_collections(models: Mapping[str, str], passages: str, collections: Sequence[Path], out: Path) -> list[Row]:
    """For each model, the percentage of the teacher's nDCG@10 that it keeps, by collection, and the mean."""
    rows: list[Row] = [{} for _ in models]
    for collection in collections:
        found = scores(str(collection), passages, models, out / f"{collection.name}.json")
        for row, label in zip(rows, models, strict=True):
            row[f"{collection.name} %"] = 100 * found[label] / found[_TEACHER]
    for row in rows:
        if row:
            row["mean %"] = sum(row.values()) / len(row)
    return rows


def on_its_own(run: Trained, out: Path) -> Row:
    """The nDCG@10 of a run with rounds of stage 2 on its own collection, before and after them."""
    if run.contrasted is None or run.stage2.data is None:
        return {}
    models = {"stage 1": str(run.distilled), "stage 2": str(run.contrasted)}
    found = scores(run.stage2.data.collection, run.passages, models, out / f"{run.recipe.name}.json")
    row: Row = {f"teacher's {_MEASURE}": found[_TEACHER]}
    for label in models:
        row |= {f"{label} {_MEASURE}": found[label], f"{label} %": 100 * found[label] / found[_TEACHER]}
    return row


def times(queries: Path, models: Mapping[str, str], repetitions: int | None, out: Path) -> list[Row]:
    """For each model, the 50th and 95th percentiles of its last word and of its whole query, in microseconds."""
    json_file = out / "latency.json"
    # In a process of its own, free of what training left behind.
    command = [sys.executable, "-m", "typeahead", "evaluate", "latency", str(queries), "--json", str(json_file)]
    command += ["--repetitions", str(repetitions)] if repetitions else []
    command += ["--query-encoder", *_labelled(models)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found = json.loads(json_file.read_text(encoding="utf-8"))["latency"]["latencies"]
    by_label = {one["label"]: one for one in found}
    return [
        {f"{what} {point} µs": by_label[label][what][point] for what in ("online", "full") for point in ("p50", "p95")}
        for label in models
    ]


def size(model: str) -> float:
    """The size of a model's folder without its card, in megabytes."""
    return sum(path.stat().st_size for path in find(model).iterdir() if path.suffix != ".md") / 1e6


def measure(runs: Sequence[Trained], options: argparse.Namespace) -> list[Row]:
    """The rows of the table.

    Raises:
        ValueError: there are collections and several teachers, but only one index.
    """
    also, collections, out = options.also, options.collection, options.out
    models = {run.recipe.name: str(run.distilled) for run in runs} | {name: name for name in also}
    rows: list[Row] = [{"query encoder": label, "MB": size(model)} for label, model in models.items()]
    teachers = sorted({run.recipe.teacher.path() for run in runs})
    if collections and len(teachers) > 1:
        raise ValueError(f"--collection needs recipes with the same teacher; these have {', '.join(teachers)}")
    parts = [on_collections(models, teachers[0], collections, out)]
    parts.append([on_its_own(run, out) for run in runs] + [{} for _ in also])
    parts.append([{"paper %": PAPER.get(label, "")} if models.keys() & PAPER.keys() else {} for label in models])
    if options.queries:
        parts.append(times(options.queries, models, options.repetitions, out))
    return [
        row | {key: value for part in more for key, value in part.items()}
        for row, *more in zip(rows, *parts, strict=True)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.commands.table", description=__doc__.split("\n\n")[0])
    parser.add_argument("recipes", type=Path, nargs="+", metavar="RECIPE", help="recipes, or folders of them")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--collection", type=Path, nargs="+", default=[], help="judged collections")
    parser.add_argument("--queries", type=Path, help="queries to time, one per line; the last column of a TSV file")
    parser.add_argument("--repetitions", type=int, help="see typeahead evaluate latency")
    parser.add_argument("--also", nargs="+", default=[], metavar="MODEL", help="existing models to add as rows")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads for training")
    options = parser.parse_args(arguments)
    runs = []
    for path in (found := recipes_of(options.recipes)):
        check_files(read_recipe(path))
        check_rounds(read_stage2(path))
    for path in found:
        print(path, flush=True)
        runs.append(train(path, options.out, options.threads))
    rows = measure(runs, options)
    report("Table", rows, json_path=options.out / "table.json")


if __name__ == "__main__":
    run(main)
