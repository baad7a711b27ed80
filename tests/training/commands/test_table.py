"""The table of several recipes: trained, exported, evaluated and timed by one command."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("accelerate", reason="training needs accelerate")
pytest.importorskip("onnx", reason="export needs onnx")
pytest.importorskip("bm25s", reason="mining needs bm25s")
pytest.importorskip("sentence_transformers", reason="the teacher's passages are encoded by sentence-transformers")

from tests.training import tiny  # noqa: E402
from training.commands import table  # noqa: E402
from training.ranking.recipe import read_stage2  # noqa: E402
from training.recipe import read_recipe  # noqa: E402

ROUNDS = """
[[mine]]
name = "bm25"
depth = 30
negatives = 6

[[contrast]]
name = "answers"
groups = ["mine:bm25"]
passages = "frozen"
epochs = 1
rate = 1e-3
negatives = 2
"""


def test_a_table_has_what_each_recipe_keeps_weighs_and_takes(tmp_path: Path, teacher_folder: Path) -> None:
    collection = tiny.write_collection(tmp_path / "pages")
    texts = tmp_path / "texts.tsv"
    queries = [json.loads(line)["text"] for line in (collection / "queries.jsonl").read_text().splitlines()]
    texts.write_text("".join(f"own\t{query}\n" for query in queries))
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    stages = f"""
[[stages]]
name = "one"
files = ["{texts}"]
epochs = 1
batch = 16
"""
    tiny.write_recipe(
        recipes / "common.toml", teacher_folder, collection, student=tiny.STUDENTS["rnn"], stages=stages, rounds=ROUNDS
    )
    (recipes / "rnn-1-1.toml").write_text('base = "common.toml"\nname = "rnn-1-1"\n')
    (recipes / "untrained.toml").write_text('base = "common.toml"\nname = "untrained"\n[[stages]]\nepochs = 0\n')
    out = tmp_path / "runs"
    command = [str(recipes), "--out", str(out), "--threads", "1"]
    command += ["--collection", str(collection), "--queries", str(texts), "--repetitions", "41"]
    table.main(command)
    rows = json.loads((out / "table.json").read_text())["rows"]
    assert [row["query encoder"] for row in rows] == ["rnn-1-1", "untrained"]
    for row in rows:
        assert row["pages %"] == row["mean %"]
        # The same passages and queries, by another way.
        assert row["pages %"] == pytest.approx(row["stage 1 %"])
        assert row["pages %"] == pytest.approx(100 * row["stage 1 nDCG@10"] / row["teacher's nDCG@10"])
        assert row["stage 2 nDCG@10"] != row["stage 1 nDCG@10"]
        assert row["MB"] > 0
        assert 0 < row["online p50 µs"] <= row["online p95 µs"]
        assert 0 < row["full p50 µs"] <= row["full p95 µs"]
    assert [row["paper %"] for row in rows] == [94.8, ""]
    assert rows[0]["pages %"] != rows[1]["pages %"]
    # Again: nothing is trained or exported anew.
    files = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    table.main([*command[:-6], "--also", str(out / "untrained" / "model")])
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")} == files
    rows = json.loads((out / "table.json").read_text())["rows"]
    assert rows[2]["MB"] == rows[1]["MB"]


def test_recipes_of_several_teachers_have_no_collection_in_common(
    tmp_path: Path, teacher_folder: Path, dot_teacher_folder: Path
) -> None:
    runs = []
    for number, teacher in enumerate((teacher_folder, dot_teacher_folder)):
        path = tiny.write_recipe(tmp_path / f"{number}.toml", teacher, tmp_path / "pages")
        path.write_text(path.read_text().replace('name = "tiny"', f'name = "{number}"'))
        recipe, stage2 = read_recipe(path), read_stage2(path)
        runs.append(table.Trained(recipe, stage2, Path("minilm-gru"), None, str(teacher)))
    with pytest.raises(ValueError, match="the same teacher"):
        table.measure(runs, argparse.Namespace(also=[], collection=[tmp_path / "pages"], out=tmp_path))


def test_a_folder_without_a_recipe_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "common.toml").touch()
    with pytest.raises(ValueError, match="no recipes"):
        table.recipes_of([tmp_path])
