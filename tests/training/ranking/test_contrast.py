"""Contrastive training: the loss, what is frozen stays to the bit, ties hold, kills do not matter, processes add up."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("accelerate", reason="training needs accelerate")

from accelerate.state import AcceleratorState  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from torch import Tensor  # noqa: E402

from tests.training import tiny  # noqa: E402
from training.data import Group, Passage, write_groups  # noqa: E402
from training.ranking import contrast, round_loop  # noqa: E402
from training.ranking.contrast_data import Batch, Groups, draw  # noqa: E402
from training.ranking.contrast_passages import with_teacher  # noqa: E402
from training.ranking.recipe import ContrastRecipe  # noqa: E402
from training.ranking.round_loop import contrastive_loss, share  # noqa: E402
from training.recipe import read_recipe  # noqa: E402
from training.teacher.about import about  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def no_accelerator_left() -> Iterator[None]:
    """What other tests run must not be in the precision of the last one here."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def write_groups_of(collection: Path, path: Path, *, negatives: int = 4) -> None:
    """Groups whose negatives are the next passages of the collection."""
    corpus = [json.loads(line) for line in (collection / "corpus.jsonl").read_text().splitlines()]
    queries = [json.loads(line)["text"] for line in (collection / "queries.jsonl").read_text().splitlines()]
    passages = [Passage(record["_id"], record["title"], record["text"]) for record in corpus]
    groups = []
    for number, query in enumerate(queries):
        others = [passages[(number + 1 + other) % len(passages)] for other in range(negatives)]
        groups.append(Group(f"q{number}", query, (passages[number],), tuple(others)))
    write_groups(path, groups)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contrast")
    tiny.write_cocondenser(folder / "teacher")
    tiny.write_cocondenser(folder / "teacher-without-dropout", dropout=0.0)
    tiny.write_collection(folder / "collection")
    write_groups_of(folder / "collection", folder / "groups.jsonl")
    return folder


def recipe(
    tmp_path: Path,
    folder: Path,
    *,
    family: str = "rnn",
    settings: str = "",
    teacher: str = "teacher",
    rate: str = "1e-3",
    development: float = 0.1,
) -> Path:
    rounds = f'[[contrast]]\nname = "one"\ngroups = ["{folder / "groups.jsonl"}"]\nbatch = 16\nnegatives = 2\n'
    rounds += f"rate = {rate}\ndevelopment = {development}\n{settings}\n"
    path = tiny.write_recipe(
        tmp_path / "tiny.toml",
        folder / teacher,
        folder / "collection",
        student=tiny.STUDENTS[family],
        rounds=rounds,
    )
    tiny.start_student(path, tmp_path / "run")
    return path


def train(path: Path, out: Path, *arguments: str) -> dict[str, Tensor]:
    # accelerate keeps the precision of its first use for the whole process.
    AcceleratorState._reset_state(reset_partial_state=True)
    contrast.main([str(path), *arguments, "--out", str(out), "--cpu", "--threads", "1"])
    return load_file(out / "one" / "student.safetensors")


def entries(run: Path) -> list[dict[str, Any]]:
    """The log of the round."""
    return [json.loads(line) for line in (run / "one" / "log.jsonl").read_text().splitlines()]


def test_the_loss_of_a_query_is_the_cross_entropy_of_its_positive() -> None:
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    passages = torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, 3.0]])
    barred = torch.tensor([[False, False, False], [True, False, False]])
    batch = Batch(["a", "b"], [Passage("", "", "x")] * 3, torch.tensor([0, 2]), barred)
    first = -math.log(math.exp(2 / 0.5) / (math.exp(2 / 0.5) + math.exp(1 / 0.5) + math.exp(0)))
    second = -math.log(math.exp(3 / 0.5) / (math.exp(1 / 0.5) + math.exp(3 / 0.5)))
    assert float(contrastive_loss(queries, passages, batch, 0.5)) == pytest.approx((first + second) / 2)


def test_a_passage_that_is_relevant_to_a_query_is_not_its_negative(tmp_path: Path) -> None:
    shared, other = Passage("s", "", "shared"), Passage("o", "", "other")
    groups = [Group("1", "one", (shared,), (other,)), Group("2", "two", (shared,), (other,))]
    write_groups(tmp_path / "g.jsonl", groups)
    one = ContrastRecipe("one", ("g",), negatives=1, development=0.0)
    batch = Groups([tmp_path / "g.jsonl"], one, 0).batch(np.array([0, 1]), 0)
    assert [passage.id for passage in batch.passages] == ["s", "o", "s", "o"]
    assert batch.target.tolist() == [0, 2]
    assert batch.barred.tolist() == [[False, False, True, False], [True, False, False, False]]


def test_what_is_drawn_of_a_group_changes_with_the_epoch_and_is_the_same_for_a_seed() -> None:
    passages = [Passage(str(n), "", str(n)) for n in range(20)]
    group = Group("q", "q", tuple(passages[:3]), tuple(passages[3:]))
    drawn = [draw(group, 5, seed) for seed in range(30)]
    assert {positive.id for positive, _ in drawn} == {"0", "1", "2"}
    assert all(len({passage.id for passage in negatives}) == 5 for _, negatives in drawn)
    assert len({tuple(passage.id for passage in negatives) for _, negatives in drawn}) > 20
    assert draw(group, 5, 7) == drawn[7]
    assert len(draw(group, 99, 0)[1]) == 17


def test_an_epoch_has_every_query_once_but_for_those_that_are_held_out(folder: Path) -> None:
    one = ContrastRecipe("one", ("g",), batch=16, development=0.1)
    groups = Groups([folder / "groups.jsonl", folder / "groups.jsonl"], one, 0)
    held_out = groups.development(1000)
    assert 0 < len(held_out) < 50
    for epoch in range(2):
        rows = np.concatenate(groups.batches(epoch)).tolist()
        assert sorted(rows) == sorted(set(rows))
        assert len(rows) == len(groups) == 180 - len(held_out)
        assert not {groups[row].query for row in rows} & {group.query for group in held_out}
    assert groups.batches(0)[0].tolist() != groups.batches(1)[0].tolist()


@pytest.mark.parametrize("count", [1, 7, 16])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_the_shares_of_all_processes_are_the_whole_in_order(count: int, processes: int) -> None:
    items = list(range(count))
    assert [item for process in range(processes) for item in items[share(count, process, processes)]] == items


@pytest.mark.parametrize("family", ["rnn", "causal", "transformer"])
def test_a_frozen_encoder_and_the_table_tied_to_it_do_not_move_by_one_bit(
    tmp_path: Path, folder: Path, family: str
) -> None:
    path = recipe(tmp_path, folder, family=family, settings='passages = "frozen"\nchunk = 5\nweight_decay = 0.1')
    before = TorchTeacher(str(folder / "teacher"))
    start = load_file(tmp_path / "run" / "student.safetensors")
    held: list[contrast.Contrast] = []
    original = contrast.Contrast.train

    def keep(self: contrast.Contrast) -> None:
        held.append(self)
        original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contrast.Contrast, "train", keep)
        found = train(path, tmp_path / "run")
    (run,) = held
    after = run.passages.teacher.model.state_dict()
    for name, tensor in before.model.state_dict().items():
        if not name.startswith("pooler."):
            assert after[name].numpy().tobytes() == tensor.numpy().tobytes(), name
    words = next(name for name in found if name.endswith("words.weight"))
    table = before.model.get_input_embeddings().weight.detach().numpy()
    assert found[words].numpy().tobytes() == start[words].numpy().tobytes() == table.tobytes()
    assert any(not torch.equal(found[name], start[name]) for name in found), "the student has learnt"
    assert not run.passages.teacher.model.training, "dropout would make it another encoder"
    assert not (tmp_path / "run" / "one" / "passages").exists()


def test_a_frozen_encoder_that_moved_ends_the_run(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe(tmp_path, folder, settings='passages = "frozen"\nepochs = 1')
    original = contrast.Contrast.step

    def careless(self: contrast.Contrast, batch: Any, step: int) -> Any:
        with torch.no_grad():
            self.passages.teacher.model.embeddings.word_embeddings.weight[7, 0] += 1e-6
        return original(self, batch, step)

    monkeypatch.setattr(contrast.Contrast, "step", careless)
    with pytest.raises(RuntimeError, match="the frozen passage encoder teacher has changed"):
        train(path, tmp_path / "run")
    assert not (tmp_path / "run" / "one" / "student.safetensors").exists()


@pytest.mark.parametrize("family", ["rnn", "causal", "residual-gru"])
def test_an_encoder_that_is_trained_along_keeps_the_student_tied_and_is_a_teacher_again(
    tmp_path: Path, folder: Path, family: str
) -> None:
    path = recipe(tmp_path, folder, family=family, settings="chunk = 7\nepochs = 1\npassage_tokens = 12")
    found = train(path, tmp_path / "run")
    passages = TorchTeacher(str(tmp_path / "run" / "one" / "passages"))
    before = TorchTeacher(str(folder / "teacher"))
    table = passages.model.get_input_embeddings().weight.detach()
    assert not torch.equal(table, before.model.get_input_embeddings().weight)
    if family != "residual-gru":
        words = next(name for name in found if name.endswith("words.weight"))
        assert torch.equal(found[words], table)
    assert (passages.pooling, passages.normalize, passages.similarity) == ("cls", False, "dot")
    again = read_recipe(tmp_path / "run" / "one" / "recipe.toml")
    assert TorchTeacher.of(again.teacher).weights_sha256() == passages.weights_sha256() != before.weights_sha256()
    assert again.student == read_recipe(path).student
    assert again.teacher.called == "teacher-tiny-one"
    known = about(again.teacher)
    assert (known.base, known.licence) == ("teacher", "not stated")


def test_training_ranks_held_out_queries_better(tmp_path: Path, folder: Path) -> None:
    tiny.write_collection(tmp_path / "collection", passages=300)
    write_groups_of(tmp_path / "collection", tmp_path / "groups.jsonl")
    settings = 'epochs = 4\npassages = "frozen"'
    path = recipe(tmp_path, folder, family="static", settings=settings, rate="1e-2", development=0.2)
    path.write_text(path.read_text().replace(str(folder / "groups.jsonl"), str(tmp_path / "groups.jsonl")))
    train(path, tmp_path / "run")
    log = entries(tmp_path / "run")
    assert [entry["stage"] for entry in log] == ["start", "one", "one", "one", "one"]
    assert log[-1]["loss"] < log[1]["loss"]
    assert log[-1]["mrr@10"] > 1.5 * log[0]["mrr@10"]
    assert "# tiny: one" in (tmp_path / "run" / "one" / "LOG.md").read_text()


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.parametrize(("passages", "batches"), [("trained", 0), ("trained", 8), ("frozen", 5)])
def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_weights(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, passages: str, batches: int
) -> None:
    monkeypatch.setattr(round_loop, "CHECKPOINT_EVERY", 3)
    path = recipe(tmp_path, folder, settings=f'passages = "{passages}"\nchunk = 9\nwarmup = 0.2\nepochs = 2')
    whole = train(path, tmp_path / "run")
    out = tmp_path / "killed"
    tiny.start_student(path, out)
    original, count = contrast.Contrast.step, 0

    def dying(self: contrast.Contrast, batch: Any, step: int) -> Any:
        nonlocal count
        count += 1
        if count > batches:
            raise Killed
        return original(self, batch, step)

    with monkeypatch.context() as patch:
        patch.setattr(contrast.Contrast, "step", dying)
        with pytest.raises(Killed):
            train(path, out)
    resumed = train(path, out)
    assert resumed.keys() == whole.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0, atol=0, msg=name)
    if passages == "trained":
        pair = [TorchTeacher(str(run / "one" / "passages")).weights_sha256() for run in (tmp_path / "run", out)]
        assert pair[0] == pair[1]
    for one, other in zip(entries(tmp_path / "run"), entries(out), strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}


def test_a_checkpoint_of_another_round_is_refused(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contrast.Contrast, "train", lambda _: None)
    path = recipe(tmp_path, folder)
    contrast.main([str(path), "--out", str(tmp_path / "run"), "--cpu"])
    other = recipe(tmp_path, folder, settings="epochs = 7")
    with pytest.raises(ValueError, match="begun with other settings"):
        contrast.main([str(other), "--out", str(tmp_path / "run"), "--cpu"])


def test_texts_that_come_as_token_ids_train_the_same_student(tmp_path: Path, folder: Path) -> None:
    path = recipe(tmp_path, folder, settings='passages = "frozen"\nepochs = 1', teacher="teacher-without-dropout")
    expected = train(path, tmp_path / "run")
    tokenizer = TorchTeacher(str(folder / "teacher")).tokenizer

    def ids(text: str) -> list[int]:
        found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    lines = []
    for line in (folder / "groups.jsonl").read_text().splitlines():
        record = json.loads(line)
        sides = {
            side: [ids(f"{passage['title']} {passage['text']}") for passage in record[f"{side[:-1]}_passages"]]
            for side in ("positives", "negatives")
        }
        lines.append(json.dumps({"query": ids(record["query"]), **sides}))
    (tmp_path / "ids.jsonl").write_text("\n".join(lines) + "\n")
    text = path.read_text().replace(str(folder / "groups.jsonl"), str(tmp_path / "ids.jsonl"))
    path.write_text(text.replace("development = 0.1\n", "development = 0.0\n"))
    tiny.start_student(path, tmp_path / "ids")
    found = train(path, tmp_path / "ids")
    assert found.keys() == expected.keys()


def test_triples_are_written_as_groups_first(tmp_path: Path, folder: Path) -> None:
    lines = [f"boil {n}\tboil egg {n}\twalk home {n}" for n in range(40)]
    (tmp_path / "triples.tsv").write_text("\n".join(lines) + "\n")
    path = recipe(tmp_path, folder, settings='epochs = 1\npassages = "frozen"')
    path.write_text(path.read_text().replace(str(folder / "groups.jsonl"), f"triples:{tmp_path}/triples.tsv"))
    train(path, tmp_path / "run")
    assert len((tmp_path / "run" / "one" / "groups-0.jsonl").read_text().splitlines()) == 40


def test_a_recipe_with_another_teacher_is_the_same_otherwise(tmp_path: Path, folder: Path) -> None:
    path = recipe(tmp_path, folder)
    path.write_text(path.read_text().replace("[teacher]", '[teacher]\npackage = "os:folder"\npooling = "mean"'))
    other = tmp_path / "other" / 'a "folder"'
    other.mkdir(parents=True)
    (other / "recipe.toml").write_text(with_teacher(path, other, "other"))
    before, after = read_recipe(path), read_recipe(other / "recipe.toml")
    assert after.teacher.path() == str(other)
    assert after.teacher.pooling == "mean"
    assert after.student == before.student


def test_bfloat16_products_train_weights_of_float32(tmp_path: Path, folder: Path) -> None:
    path = recipe(tmp_path, folder, settings="epochs = 1\nchunk = 7", teacher="teacher-without-dropout")
    precise = train(path, tmp_path / "run")
    path.write_text('precision = "bf16"\n' + path.read_text())
    tiny.start_student(path, tmp_path / "mixed")
    mixed = train(path, tmp_path / "mixed")
    assert all(tensor.dtype == torch.float32 for tensor in mixed.values())
    losses = [entries(tmp_path / run)[1]["loss"] for run in ("run", "mixed")]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert any(not torch.equal(mixed[name], tensor) for name, tensor in precise.items())


def test_two_processes_end_with_the_weights_of_one(tmp_path: Path, folder: Path) -> None:
    """Both passages and queries are shared out, gradients are added up, and 83 queries make an uneven last batch."""
    path = recipe(tmp_path, folder, settings="epochs = 1\nchunk = 6", rate="1e-4", teacher="teacher-without-dropout")
    expected = train(path, tmp_path / "run")
    out = tmp_path / "two"
    tiny.start_student(path, out)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "training.ranking.contrast", str(path), "--out", str(out), "--cpu", "--threads", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "- processes: 2\n" in (out / "one" / "LOG.md").read_text()
    found = load_file(out / "one" / "student.safetensors")
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=2e-5, msg=lambda m, name=name: f"{name}: {m}")
