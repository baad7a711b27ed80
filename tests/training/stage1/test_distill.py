"""Stage 1: every family learns, and a run that was killed at any moment ends with the weights of one that was not."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("accelerate", reason="training needs accelerate")

from accelerate import Accelerator  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from tests.training.conftest import sentence  # noqa: E402
from tests.training.tiny import write_cocondenser  # noqa: E402
from training.recipe import StageRecipe, read_recipe  # noqa: E402
from training.stage1 import distill  # noqa: E402
from training.stage1.optimizers import set_rates  # noqa: E402
from training.students import load_student  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402

ROOT = Path(__file__).parents[3]

STUDENTS = {
    "static": 'family = "static"',
    "residual-gru": "hidden = 24\nlayers = 2",
    "rnn": 'family = "rnn"\nhidden = 24\nfeed_forward = 1\ntable = "trained"',
    "causal": 'family = "causal"\nlayers = 2\ntable = "trained"',
    "transformer": 'family = "transformer"\nlayers = 1',
}

#: Everything that is random or kept between batches, at once.
ALL = """
warmup = 3
clip = 1.0
weight_decay = 0.01
fresh_rate = [3e-3, 1e-3]
truncated = 0.3
curriculum = true
[stages.objectives]
cosine = {}
relational = { weight = 0.1, temperature = 0.2 }
scores = { weight = 0.1, limit = 64, count = 16, nearest = 4 }
prefix = { weight = 0.3, cut = 0.5 }
"""


def write_recipe(
    folder: Path,
    teacher: Path,
    student: str,
    *,
    stage: str = "",
    epochs: int = 2,
    texts: int = 260,
    more: str = 'keep = "last"',
) -> Path:
    """A recipe over made-up texts, in ``folder``."""
    rng = random.Random(1)
    lines = list(dict.fromkeys(sentence(rng) for _ in range(4 * texts)))[:texts]
    (folder / "texts.tsv").write_text("".join(f"docs\t{line}\n" for line in lines))
    path = folder / "tiny.toml"
    path.write_text(
        f"""
name = "tiny"
seed = 3
cache = "{folder / "vectors"}"
development = 0.1
{more}

[teacher]
id = "{teacher}"

[student]
{student}

[[stages]]
name = "one"
files = ["{folder / "texts.tsv"}"]
epochs = {epochs}
batch = 16
rate = [3e-3, 1e-4]
table_rate = [3e-3, 1e-4]
{stage}
"""
    )
    return path


def train(recipe: Path, out: Path) -> dict[str, Any]:
    distill.main([str(recipe), "--out", str(out), "--threads", "1"])
    return load_file(out / "student.safetensors")


def entries(out: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in one.items() if key != "seconds"} for one in found]


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_comes_closer_to_its_teacher(name: str, teacher_folder: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, teacher_folder, STUDENTS[name], epochs=4)
    train(recipe, tmp_path / "run")
    log = entries(tmp_path / "run")
    assert [one["stage"] for one in log] == ["start"] + ["one"] * 4
    assert log[-1]["texts cosine"] > log[0]["texts cosine"]
    assert log[-1]["loss"] < log[1]["loss"]
    assert load_student(tmp_path / "run").family == read_recipe(recipe).student.family


def test_a_teacher_of_dot_products_is_met_in_length_too(tmp_path: Path) -> None:
    folder = write_cocondenser(tmp_path / "teacher")
    recipe = write_recipe(tmp_path, folder, 'family = "transformer"\nlayers = 1\nresidual = true', epochs=4)
    train(recipe, tmp_path / "run")
    log = entries(tmp_path / "run")
    assert log[-1]["loss"] < 0.8 * log[1]["loss"]
    teacher, student = TorchTeacher(str(folder)), load_student(tmp_path / "run")
    ids = torch.tensor([teacher.tokenizer("boil egg", add_special_tokens=False)["input_ids"]])
    length = student(ids, torch.tensor([ids.shape[1]])).norm().item()
    assert length == pytest.approx(float(np.linalg.norm(teacher.encode(["boil egg"]))), rel=0.2)


def test_what_stands_still_does_not_move_by_a_bit(teacher_folder: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, teacher_folder, 'family = "causal"\nlayers = 1', stage="weight_decay = 0.1")
    state = train(recipe, tmp_path / "run")
    words = TorchTeacher(str(teacher_folder)).word_embeddings()
    assert torch.equal(state["trunk.words.weight"], words)


def test_no_epoch_leaves_the_student_as_it_starts(teacher_folder: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, teacher_folder, STUDENTS["static"], epochs=0)
    state = train(recipe, tmp_path / "run")
    assert torch.equal(state["table.weight"], TorchTeacher(str(teacher_folder)).token_vectors())


# Kills.


class Killed(BaseException):
    """Stands for a kill between two batches: nothing catches it."""


@pytest.mark.parametrize("name", STUDENTS)
def test_a_run_goes_on_after_a_kill_with_the_same_weights_and_log(
    name: str, teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distill, "_CHECKPOINT_SECONDS", 0.0)
    recipe = write_recipe(tmp_path, teacher_folder, STUDENTS[name], stage=ALL)
    whole = train(recipe, tmp_path / "whole")
    original, count = distill.Run._batch, 0

    def dying(self: distill.Run, *arguments: Any) -> float:
        nonlocal count
        count += 1
        if count in (2, 9, 21, 30):
            raise Killed
        return original(self, *arguments)

    save = distill.Run._save

    def rarely(self: distill.Run, optimizers: Any) -> None:
        # So that some batches have to be repeated.
        if count % 4 == 0:
            save(self, optimizers)

    with monkeypatch.context() as patch:
        patch.setattr(distill.Run, "_batch", dying)
        patch.setattr(distill.Run, "_save", rarely)
        for _ in range(4):
            with pytest.raises(Killed):
                train(recipe, tmp_path / "killed")
    assert_same(train(recipe, tmp_path / "killed"), whole)
    assert entries(tmp_path / "killed") == entries(tmp_path / "whole")
    assert not list((tmp_path / "killed").glob("checkpoint*"))


_CHILD = """
import sys
from training import distill

distill._CHECKPOINT_SECONDS = 0.0
save = distill.Run._save

def saying(self, optimizers):
    save(self, optimizers)
    print("saved", flush=True)

distill.Run._save = saying
distill.main(sys.argv[1:])
"""


def child(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_kill_9_costs_nothing_but_time(teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distill, "_CHECKPOINT_SECONDS", 0.0)
    recipe = write_recipe(tmp_path, teacher_folder, STUDENTS["residual-gru"], stage=ALL)
    whole = train(recipe, tmp_path / "whole")
    for checkpoints in (1, 7):
        process = child(str(recipe), "--out", str(tmp_path / "killed"), "--threads", "1")
        assert process.stdout is not None
        with process:
            said = [process.stdout.readline() for _ in range(checkpoints + 1)]
            while said[-1] and said.count("saved\n") < checkpoints:
                said.append(process.stdout.readline())
            process.kill()
        assert process.returncode == -signal.SIGKILL, said
        assert (tmp_path / "killed" / "checkpoint.pt").is_file()
    assert_same(train(recipe, tmp_path / "killed"), whole)
    assert entries(tmp_path / "killed") == entries(tmp_path / "whole")


def test_a_kill_just_before_the_end_leaves_the_weights(
    teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write_recipe(tmp_path, teacher_folder, STUDENTS["static"])

    def dying(*_arguments: Any, **_options: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(distill, "save_student", dying)
        with pytest.raises(Killed):
            train(recipe, tmp_path / "run")
    assert_same(train(recipe, tmp_path / "run"), train(recipe, tmp_path / "whole"))


def test_a_run_ends_with_its_best_weights_and_never_below_its_start(teacher_folder: Path, tmp_path: Path) -> None:
    # A rate at which everything is lost at once.
    recipe = write_recipe(tmp_path, teacher_folder, STUDENTS["static"], more="")
    recipe.write_text(recipe.read_text().replace("table_rate = [3e-3, 1e-4]", "table_rate = [9.0, 9.0]"))
    kept = train(recipe, tmp_path / "best")
    log = entries(tmp_path / "best")
    assert log[1]["texts agreement"] < log[0]["texts agreement"]
    assert log[-1] == {**log[0], "stage": "kept: start"}
    text = recipe.read_text().replace('name = "tiny"', 'name = "tiny"\nkeep = "last"')
    recipe.write_text(text)
    last = train(recipe, tmp_path / "last")
    assert not torch.equal(last["table.weight"], kept["table.weight"])
    assert entries(tmp_path / "last")[-1]["stage"] == "one"
    assert not list((tmp_path / "best").glob("best*"))


def test_a_stage_can_be_a_number_of_batches(teacher_folder: Path, tmp_path: Path) -> None:
    stage = "batches = 22\nevaluate_every = 8\n"
    recipe = write_recipe(tmp_path, teacher_folder, STUDENTS["static"], epochs=1, stage=stage)
    train(recipe, tmp_path / "run")
    assert [one.get("batches") for one in entries(tmp_path / "run")][:4] == [None, 8, 16, 22]


def test_a_run_that_is_asked_to_stop_goes_on_later(teacher_folder: Path, tmp_path: Path) -> None:
    path = write_recipe(tmp_path, teacher_folder, STUDENTS["residual-gru"])
    recipe = read_recipe(path)
    seen: list[int] = []

    def on_batch(stage: str, done: int, total: int) -> None:
        assert (stage, total) == ("one", 30)
        seen.append(done)
        if done == 7:
            run.stop()

    run = distill.Run(recipe, tmp_path / "run", threads=1, cpu=True, on_batch=on_batch)
    with pytest.raises(distill.Stopped):
        run.train()
    assert seen[-1] == 7
    assert_same(train(path, tmp_path / "run"), train(path, tmp_path / "whole"))


def test_rates_rise_first_and_fall_after() -> None:
    stage = StageRecipe("one", ("x",), epochs=1)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([{"params": [parameter], "rates": [1.0, 0.1]}])
    rates = []
    for batch in range(400):
        set_rates([optimizer], stage, batch, 400)
        rates.append(optimizer.param_groups[0]["lr"])
    assert np.argmax(rates) == 19
    assert rates[0] == pytest.approx(1 / 20, rel=1e-3)
    assert rates[-1] == pytest.approx(0.1, rel=1e-3)
    assert (stage.warmed(100_000), StageRecipe("one", ("x",), warmup=0).warmed(100_000)) == (200, 0)


def test_a_finished_run_is_not_trained_again(
    teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, teacher_folder, STUDENTS["static"])
    first = train(recipe, tmp_path / "run")
    monkeypatch.setattr(distill.Run, "_batch", None)
    assert_same(train(recipe, tmp_path / "run"), first)
    assert "already finished" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["recipe", "texts"])
def test_a_checkpoint_of_something_else_is_refused(
    teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    recipe = write_recipe(tmp_path, teacher_folder, STUDENTS["static"])
    monkeypatch.setattr(distill, "save_student", _killed)
    with pytest.raises(Killed):
        train(recipe, tmp_path / "run")
    if change == "recipe":
        recipe.write_text(recipe.read_text().replace("seed = 3", "seed = 4"))
    else:
        with (tmp_path / "texts.tsv").open("a") as file:
            file.write("docs\tanother text\n")
    with pytest.raises(ValueError, match="--out"):
        train(recipe, tmp_path / "run")


def _killed(*_arguments: Any, **_options: Any) -> None:
    raise Killed


# What is written down, precision, several processes, prefixes.


def test_a_run_writes_its_recipe_and_figures_for_people(teacher_folder: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, teacher_folder, STUDENTS["static"], more="typed = [0.5]")
    train(recipe, tmp_path / "run")
    text = (tmp_path / "run" / "LOG.md").read_text()
    assert "# tiny" in text
    assert 'family = "static"' in text
    assert "texts agreement at 50%" in text
    assert text.count("\n| one") == 2


def test_other_precisions_are_refused(teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(tmp_path, teacher_folder, STUDENTS["static"], more='precision = "fp16"')
    with pytest.raises(ValueError, match="fp16"):
        train(recipe, tmp_path / "run")
    recipe = write_recipe(tmp_path, teacher_folder, STUDENTS["static"])
    monkeypatch.setattr(Accelerator, "mixed_precision", "fp8")
    with pytest.raises(ValueError, match="fp8"):
        train(recipe, tmp_path / "run")


def test_bfloat16_trains_to_nearly_the_same(teacher_folder: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, teacher_folder, STUDENTS["causal"])
    train(recipe, tmp_path / "precise")
    recipe.write_text(recipe.read_text().replace("seed = 3", 'seed = 3\nprecision = "bf16"'))
    process = child(str(recipe), "--out", str(tmp_path / "mixed"), "--threads", "1")
    _, error = process.communicate()
    assert process.returncode == 0, error
    precise, mixed = (entries(tmp_path / name)[-1] for name in ("precise", "mixed"))
    assert mixed["loss"] == pytest.approx(precise["loss"], rel=0.1)
    assert mixed["loss"] != precise["loss"]
    assert all(
        tensor.dtype == torch.float32 for tensor in load_file(tmp_path / "mixed" / "student.safetensors").values()
    )


@pytest.mark.parametrize("name", ["causal", "static"])
def test_two_processes_train_what_one_trains(name: str, teacher_folder: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, teacher_folder, STUDENTS[name], epochs=1, texts=120)
    whole = train(recipe, tmp_path / "one")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "training.stage1.distill", str(recipe), "--out", str(tmp_path / "two"), "--threads", "1", "--cpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "- processes: 2\n" in (tmp_path / "two" / "LOG.md").read_text()
    found = load_file(tmp_path / "two" / "student.safetensors")
    for name, tensor in whole.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=2e-4, msg=name)
    assert len(entries(tmp_path / "two")) == 2


def test_the_prefix_objective_moves_unfinished_text_towards_the_whole(teacher_folder: Path, tmp_path: Path) -> None:
    cosines: dict[str, Any] = {}
    student = "hidden = 48"
    for name, stage in (("plain", ""), ("prefix", "[stages.objectives]\ncosine = {}\nprefix = { weight = 1.0 }")):
        folder = tmp_path / name
        folder.mkdir()
        recipe = write_recipe(folder, teacher_folder, student, stage=stage, epochs=6)
        train(recipe, folder / "run")
        teacher, trained = TorchTeacher(str(teacher_folder)), load_student(folder / "run")
        texts = [line.split("\t")[1] for line in (folder / "texts.tsv").read_text().splitlines()]
        texts = [text for text in texts if len(text.split()) == 6]
        ids = torch.tensor(teacher.tokenizer(texts, add_special_tokens=False)["input_ids"])
        with torch.inference_mode():
            after = trained.prefixes(ids, torch.full((len(ids),), ids.shape[1]))
        targets = torch.from_numpy(teacher.encode(texts))
        cosines[name] = (after * targets.unsqueeze(1)).sum(2).mean(0)
    # After one, two and three of six words; at the end the two are alike.
    assert (cosines["prefix"][:3] > cosines["plain"][:3]).all()
    assert cosines["prefix"][-1].item() == pytest.approx(cosines["plain"][-1].item(), abs=0.005)


def test_a_stage_rounds_weights_of_four_bits_unless_it_says_not_to(teacher_folder: Path, tmp_path: Path) -> None:
    found = {}
    for name, bits, stage in (("eight", 8, ""), ("four", 4, ""), ("later", 4, "rounded = false")):
        folder = tmp_path / name
        folder.mkdir()
        student = f'family = "causal"\nlayers = 1\nfeed_forward_bits = {bits}'
        found[name] = train(write_recipe(folder, teacher_folder, student, stage=stage), folder / "run")
    assert_same(found["later"], found["eight"])
    apart = {name for name, tensor in found["four"].items() if not torch.equal(tensor, found["eight"][name])}
    assert "trunk.layers.0.up.weight" in apart
    assert load_student(tmp_path / "four" / "run").settings["trunk"]["feed_forward_bits"] == 4


def test_what_is_learnt_alone_changes_nothing_of_whole_text(teacher_folder: Path, tmp_path: Path) -> None:
    weights = []
    for number, prefix in enumerate(("", "prefix = { cut = 0.5, alone = true }")):
        folder = tmp_path / str(number)
        folder.mkdir()
        stage = f"[stages.objectives]\ncosine = {{}}\n{prefix}"
        student = 'family = "causal"\nlayers = 1\nahead = true'
        weights.append(train(write_recipe(folder, teacher_folder, student, stage=stage), folder / "run"))
    guesses = [one.pop("guess.weight") for one in weights]
    assert not guesses[0].any()
    assert guesses[1].any()
    assert_same(*weights)
