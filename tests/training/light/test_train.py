"""LightRetriever's training: its losses by hand, its look-up as served, and whole runs on a tiny model."""

from __future__ import annotations

import json
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
from scipy.sparse import csr_array  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import typeahead  # noqa: E402
from tests.server.fakes import MeanEncoder  # noqa: E402
from tests.training import tiny  # noqa: E402
from tests.training.ranking.test_contrast import write_groups_of  # noqa: E402
from training.exporting import export  # noqa: E402
from training.light import evaluate, sparse_passages  # noqa: E402
from training.light import train as light  # noqa: E402
from training.light.model import SPARSE, mean_of_tokens, token_counts  # noqa: E402
from training.light.sparse_head import HEAD, SparseHead  # noqa: E402
from training.light.sparse_passages import SparsePassages  # noqa: E402
from training.light.train import LightRun, alignment  # noqa: E402
from training.ranking import round_loop  # noqa: E402
from training.ranking.recipe import read_stage2  # noqa: E402
from training.ranking.round_loop import accelerator_of  # noqa: E402
from training.recipe import read_recipe  # noqa: E402
from training.students import Static, load_student  # noqa: E402
from training.teacher.token_encoder import token_table  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from typeahead.encoders.static import StaticEncoder  # noqa: E402
from typeahead.index import Document, build_index, open_index  # noqa: E402
from typeahead.verify import verify_folder  # noqa: E402


@pytest.fixture(autouse=True)
def no_accelerator_left() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("light")
    tiny.write_cocondenser(folder / "bert")
    tiny.write_cocondenser(folder / "plain", dropout=0.0)
    tiny.write_cocondenser(folder / "masked", head=True, dropout=0.0)
    tiny.write_decoder(folder / "llama", "llama")
    tiny.write_collection(folder / "collection")
    write_groups_of(folder / "collection", folder / "groups.jsonl")
    return folder


def recipe(
    tmp_path: Path,
    folder: Path,
    *,
    teacher: str = "bert",
    pooling: str = "",
    settings: str = "",
    epochs: int = 1,
    name: str = "tiny",
) -> Path:
    rounds = f'[[light]]\nname = "one"\ngroups = ["{folder / "groups.jsonl"}"]\nbatch = 16\nnegatives = 2\n'
    rounds += f"rate = 5e-3\nhead_rate = 1e-2\ntemperature = 0.5\ndevelopment = 0.1\nepochs = {epochs}\n{settings}\n"
    path = tiny.write_recipe(tmp_path / f"{name}.toml", folder / teacher, folder / "collection", rounds=rounds)
    if pooling:
        path.write_text(path.read_text().replace("[teacher]", f'[teacher]\npooling = "{pooling}"'))
    return path


def train(path: Path, out: Path, *arguments: str) -> list[dict[str, Any]]:
    """Train, and return the log's entries."""
    AcceleratorState._reset_state(reset_partial_state=True)
    light.main([str(path), *arguments, "--out", str(out), "--cpu", "--threads", "1"])
    return [json.loads(line) for line in (out / "one" / "log.jsonl").read_text().splitlines()]


def tensors(out: Path) -> dict[str, Tensor]:
    """All that a run leaves."""
    found: dict[str, Tensor] = {}
    for path in sorted((out / "one").rglob("*.safetensors")):
        found |= {f"{path.name}/{name}": tensor for name, tensor in load_file(path).items()}
    return found


def test_a_query_is_the_mean_that_a_static_student_takes_of_the_table() -> None:
    table = torch.randn(9, 4, generator=torch.Generator().manual_seed(3))
    tokens = [[1, 5, 5], [2], [8, 0]]
    for similarity in ("cosine", "dot"):
        student = Static(table, torch.zeros(9), similarity=similarity)
        padded = torch.tensor([[1, 5, 5], [2, 0, 0], [8, 0, 0]])
        expected = student(padded, torch.tensor([3, 1, 2]))
        torch.testing.assert_close(mean_of_tokens(table, tokens, normalize=similarity == "cosine"), expected)


def test_a_sparse_query_counts_its_tokens() -> None:
    assert token_counts([[3, 1, 3], [0]], 4, "count").toarray().tolist() == [[0, 1, 0, 2], [1, 0, 0, 0]]
    assert token_counts([[3, 1, 3], [0]], 4, "set").toarray().tolist() == [[0, 1, 0, 1], [1, 0, 0, 0]]


def test_alignment_is_the_kl_divergence_over_what_is_not_barred() -> None:
    scores, targets = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(4))
    barred = torch.zeros(3, 5, dtype=torch.bool)
    library = nn.functional.kl_div(scores.log_softmax(1), targets.softmax(1), reduction="batchmean")
    torch.testing.assert_close(alignment(scores, targets, barred), library)
    barred[:, 2] = True
    kept = [0, 1, 3, 4]
    without = alignment(scores[:, kept], targets[:, kept], barred[:, kept])
    torch.testing.assert_close(alignment(scores, targets, barred), without)
    assert float(alignment(targets, targets, barred)) == pytest.approx(0, abs=1e-6)
    scores.requires_grad_(True)
    (gradient,) = torch.autograd.grad(alignment(scores, targets, barred), scores)
    assert torch.isfinite(gradient).all()
    assert (gradient[:, 2] == 0).all()


@pytest.mark.parametrize(("teacher", "pooling"), [("plain", "mean"), ("masked", "mean"), ("llama", "last")])
def test_it_learns_to_find_passages_by_look_up_and_by_counts(
    tmp_path: Path, folder: Path, teacher: str, pooling: str
) -> None:
    path = recipe(tmp_path, folder, teacher=teacher, pooling=pooling, epochs=12)
    log = train(path, tmp_path / "run")
    assert [entry["stage"] for entry in log] == ["start", *["one"] * 12]
    assert log[-1]["loss"] < 0.8 * log[1]["loss"]
    assert log[-1]["look-up mrr@10"] > 2 * log[0]["look-up mrr@10"]
    # A random model passes its tokens on, so that a table tied in begins where others arrive.
    if teacher != "plain":
        assert log[-1]["sparse mrr@10"] > log[0]["sparse mrr@10"]
    assert "# tiny: one" in (tmp_path / "run" / "one" / "LOG.md").read_text()


def test_what_it_leaves_is_served_as_it_was_trained(tmp_path: Path, folder: Path) -> None:
    path = recipe(tmp_path, folder, settings='prompts = ["walk home "]\ntop_k = 12\ncounts = "set"')
    train(path, tmp_path / "run")
    run = tmp_path / "run" / "one"
    trained = TorchTeacher(str(run / "passages"))
    table = token_table(trained, "walk home ")
    student = load_student(run)
    assert isinstance(student, Static)
    assert student.table is not None
    torch.testing.assert_close(student.table.weight, table, atol=1e-5, rtol=1e-4)
    assert SparseHead.of(trained).bias.abs().sum() > 0
    assert json.loads((run / "passages" / SPARSE).read_text()) == {"counts": "set", "top_k": 12, "max_tokens": 128}
    assert (run / "passages" / HEAD).is_file()
    export.main(["student", str(run / "recipe.toml"), str(run), str(tmp_path / "model")])
    export.main(["teacher", str(run / "recipe.toml"), str(tmp_path / "model-doc")])
    served = typeahead.load(str(tmp_path / "model"))
    assert isinstance(served, StaticEncoder)
    text = "boil egg fast"
    ids = trained.tokenizer(text, add_special_tokens=False)["input_ids"]
    expected = table[ids].mean(0).numpy()
    found = served.encode([text])[0]
    assert float(found @ expected / np.linalg.norm(found) / np.linalg.norm(expected)) > 0.999
    # The session's state is a sum: what was typed and deleted again leaves no trace.
    session = served.session()
    for typed in ("boil", "boil egg f", "boil egg", text):
        session.update(typed)
    assert session.embedding is not None
    np.testing.assert_allclose(session.embedding, found, atol=1e-5)


def test_each_file_has_the_prompt_that_the_recipe_gives_it(tmp_path: Path, folder: Path) -> None:
    groups = f'"{folder / "groups.jsonl"}"'
    path = recipe(tmp_path, folder, settings='prompts = ["walk ", "read the file "]\nsparse = false')
    text = path.read_text().replace(f"groups = [{groups}]", f"groups = [{groups}, {groups}]")
    path.write_text(text)
    train(path, tmp_path / "run")
    run = tmp_path / "run" / "one"
    trained = TorchTeacher(str(run / "passages"))
    for student, prompt in ((run, "walk "), (run / "prompt-1", "read the file ")):
        found = load_student(student)
        assert isinstance(found, Static)
        assert found.table is not None
        torch.testing.assert_close(found.table.weight, token_table(trained, prompt), atol=1e-5, rtol=1e-4)


def test_chunks_have_the_gradient_of_the_whole_batch(tmp_path: Path, folder: Path) -> None:
    found: list[dict[str, Tensor]] = []
    for chunk in (0, 7):
        settings = f"chunk = {chunk}\ndimensions = [32, 8]"
        path = recipe(tmp_path, folder, teacher="masked", settings=settings, name=f"chunk-{chunk}")
        AcceleratorState._reset_state(reset_partial_state=True)
        read, stage2 = read_recipe(path), read_stage2(path)
        run = LightRun(read, stage2, stage2.light[0], tmp_path / f"run-{chunk}", accelerator_of(read, cpu=True))
        run.train()
        rows = run.groups.batches(0)[0]
        run.modes(train=True)
        run.optimizer.param_groups[0]["lr"] = run.optimizer.param_groups[1]["lr"] = 0.0
        run.step(run.groups.batch(rows, 0), 5)
        found.append({name: one.grad for name, one in run.model.named_parameters() if one.grad is not None})
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, atol=1e-4, rtol=1e-2, msg=name)


def test_an_index_gets_weights_of_tokens_and_a_round_its_figures(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe(tmp_path, folder, teacher="masked", pooling="mean", epochs=12, settings="top_k = 20")
    run = tmp_path / "run"
    train(path, run)
    collection = str(folder / "collection")
    json_path = tmp_path / "figures.json"
    arguments = [
        "--split",
        "train",
        "test",
        "--weight",
        "0.5",
        "--out",
        str(run),
        "--json",
        str(json_path),
        "--threads",
        "1",
    ]
    evaluate.main([str(path), "one", collection, *arguments])
    rows = json.loads((tmp_path / "figures-test.json").read_text())["rows"]
    found = {(row["queries by"], row["setting"]): row["nDCG@10"] for row in rows}
    assert found["both", "sparse weight 0.5"] > 0.2
    assert found["look-up", ""] > 0.1
    assert {"whole queries", "look-up", "counts of tokens", "both"} == {system for system, _ in found}
    assert len(found) == len(rows) == 2 + 1 + 1 + 2 * 4 + 6
    assert (tmp_path / "figures-train.json").is_file()

    # The same passages as an index, whose vectors are of no account here.
    documents = [
        Document(one["_id"], one["title"], one["text"])
        for one in map(json.loads, (folder / "collection" / "corpus.jsonl").read_text().splitlines())
    ]
    build_index(documents, tmp_path / "index", MeanEncoder())
    sparse_passages.main([str(run / "one" / "passages"), str(tmp_path / "index"), "--threads", "1"])
    assert "weights a passage" in capsys.readouterr().out
    assert verify_folder(tmp_path / "index").wrong == ()
    encoder = SparsePassages(run / "one" / "passages")
    weights = encoder.encode([one.passage for one in documents])
    assert np.diff(weights.indptr).max() <= 20
    query = "boil egg fast egg"
    ids = encoder.teacher.tokenizer(query, add_special_tokens=False)["input_ids"]
    scores = weights.toarray()[:, ids].sum(axis=1)
    with open_index(tmp_path / "index", lexical="sparse") as index:
        assert index.sparse is not None
        best = index.sparse.search(query, 5)
    assert [row for row, _ in best] == np.argsort(-scores, kind="stable")[:5].tolist()
    np.testing.assert_allclose([score for _, score in best], -np.sort(-scores)[:5], rtol=1e-5)


def test_the_largest_weights_of_each_row_are_kept() -> None:
    weights = csr_array(np.array([[0, 3, 1, 2], [0, 0, 0, 1], [0, 0, 0, 0]], np.float32))
    assert evaluate.largest(weights, 2).toarray().tolist() == [[0, 3, 0, 2], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_a_folder_without_a_head_has_no_sparse_passages(folder: Path) -> None:
    with pytest.raises(ValueError, match="no head of a sparse encoder"):
        SparsePassages(folder / "bert")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("dense = false\nsparse = false", "set dense or sparse"),
        ('passages = "frozen"', "passages must be 'trained'"),
        ('start = "two"', "neither 'teacher' nor an earlier round"),
        ('counts = "twice"', "counts = 'twice' is not one of 'count', 'set'"),
        ('prompts = ["a", "b"]', "2 prompts for 1 entries of groups"),
        ("flop = 1", "unknown flop"),
    ],
)
def test_a_round_that_makes_no_sense_is_named(tmp_path: Path, folder: Path, line: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_stage2(recipe(tmp_path, folder, settings=line))


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_weights(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(round_loop, "CHECKPOINT_EVERY", 3)
    path = recipe(tmp_path, folder, settings="chunk = 9", epochs=2)
    train(path, tmp_path / "whole")
    original, count = LightRun.step, 0

    def dying(self: LightRun, batch: Any, step: int) -> float:
        nonlocal count
        count += 1
        if count > 5:
            raise Killed
        return original(self, batch, step)

    with monkeypatch.context() as patch:
        patch.setattr(LightRun, "step", dying)
        with pytest.raises(Killed):
            train(path, tmp_path / "killed")
    train(path, tmp_path / "killed")
    whole, resumed = tensors(tmp_path / "whole"), tensors(tmp_path / "killed")
    assert whole.keys() == resumed.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0, atol=0, msg=name)


# peft asks transformers in the older way.
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_with_adapters_the_model_itself_stands_still_until_they_become_part_of_it(tmp_path: Path, folder: Path) -> None:
    pytest.importorskip("peft", reason="adapters need peft")
    path = recipe(tmp_path, folder, teacher="llama", pooling="last", settings="lora_rank = 4", epochs=4)
    log = train(path, tmp_path / "run")
    assert log[-1]["loss"] < log[1]["loss"]
    before, after = TorchTeacher(str(folder / "llama")), TorchTeacher(str(tmp_path / "run" / "one" / "passages"))
    changed = {
        name
        for name, tensor in before.model.state_dict().items()
        if not torch.equal(tensor, after.model.state_dict()[name])
    }
    assert changed
    assert all(name.endswith("proj.weight") for name in changed)
    student = load_student(tmp_path / "run" / "one")
    assert isinstance(student, Static)
    assert student.table is not None
    torch.testing.assert_close(
        student.table.weight,
        token_table(TorchTeacher(str(tmp_path / "run" / "one" / "passages"), pooling="last")),
        atol=1e-5,
        rtol=1e-4,
    )
