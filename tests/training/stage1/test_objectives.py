"""Objectives: each against the same thing written with loops, and zero where the student is its teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")

from torch import nn  # noqa: E402

from training.data import Example  # noqa: E402
from training.recipe import (  # noqa: E402
    OBJECTIVES,
    BatchObjective,
    Objective,
    PlainObjective,
    PrefixObjective,
    ScoresObjective,
    StageRecipe,
)
from training.stage1.objectives import Objectives, distance, nearest_passages, token_characters  # noqa: E402
from training.stage1.texts import Texts  # noqa: E402
from training.student_recipes import ResidualGRURecipe, TransformerRecipe  # noqa: E402
from training.students import Student, build  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from training.teacher.vectors import VectorCache  # noqa: E402

TEXTS = ["boil egg", "walk", "read file line now", "rain sun cat", "zebra dog walk home fast", "open the file", "egg"]


@pytest.fixture(scope="module")
def teacher(teacher_folder: Path) -> TorchTeacher:
    return TorchTeacher(str(teacher_folder))


@pytest.fixture(scope="module")
def cache(teacher: TorchTeacher, tmp_path_factory: pytest.TempPathFactory) -> VectorCache:
    cache = VectorCache(tmp_path_factory.mktemp("vectors"), teacher)
    cache.fill(TEXTS)
    return cache


@pytest.fixture(scope="module")
def texts(teacher: TorchTeacher, cache: VectorCache) -> Texts:
    return Texts([Example("s", text) for text in TEXTS], teacher, cache, 30)


@pytest.fixture(scope="module")
def student(teacher: TorchTeacher) -> Student:
    torch.manual_seed(1)
    student = build(ResidualGRURecipe(hidden=16), teacher, np.ones(teacher.model.config.vocab_size)).eval()
    with torch.no_grad():
        student.get_parameter("readout.weight").normal_(std=0.05)
    return student


def prepared(texts: Texts, teacher: TorchTeacher, cache: VectorCache, **objectives: Objective) -> Objectives:
    stage = StageRecipe("one", (), 1, objectives=objectives)
    return Objectives(stage, texts, np.arange(len(texts)), teacher, cache, 7)


def value(objectives: Objectives, student: Any, *, seed: int = 3) -> float:
    rows = np.arange(len(TEXTS))
    with torch.no_grad():
        return float(objectives(student, rows, np.random.default_rng(seed)))


class Perfect(nn.Module):
    """Gives the teacher's own vectors of the texts, in their order."""

    folds = False
    similarity = "cosine"

    def __init__(self, targets: np.ndarray) -> None:
        super().__init__()
        self.targets = torch.from_numpy(targets.astype(np.float32))

    def forward(self, ids: Any, lengths: Any) -> Any:
        assert len(ids) == len(lengths) == len(self.targets)
        return self.targets


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name not in ("prefix", "infonce")])
def test_a_student_that_is_its_teacher_loses_nothing(
    name: str, texts: Texts, teacher: TorchTeacher, cache: VectorCache, student: Student
) -> None:
    objectives = prepared(texts, teacher, cache, **{name: OBJECTIVES[name]()})
    assert value(objectives, Perfect(texts.targets)) == pytest.approx(0, abs=1e-5)
    assert value(objectives, student) > 1e-4


def softmax(scores: np.ndarray) -> np.ndarray:
    shifted = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(-1, keepdims=True))


def vectors_of(student: Student, texts: Texts) -> tuple[np.ndarray, np.ndarray]:
    ids, lengths, targets = texts.tensors(np.arange(len(texts)))
    with torch.no_grad():
        return student(ids, lengths).double().numpy(), targets.double().numpy()


def test_the_plain_ones(texts: Texts, teacher: TorchTeacher, cache: VectorCache, student: Student) -> None:
    found, targets = vectors_of(student, texts)
    cosine = (found * targets).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(targets, axis=1)
    assert value(prepared(texts, teacher, cache, cosine=PlainObjective()), student) == pytest.approx(
        1 - cosine.mean(), abs=1e-5
    )
    assert value(prepared(texts, teacher, cache, mse=PlainObjective()), student) == pytest.approx(
        ((found - targets) ** 2).mean(), rel=1e-4
    )


def test_weights_add_up(texts: Texts, teacher: TorchTeacher, cache: VectorCache, student: Student) -> None:
    one = value(prepared(texts, teacher, cache, cosine=PlainObjective()), student)
    other = value(prepared(texts, teacher, cache, mse=PlainObjective()), student)
    both = prepared(texts, teacher, cache, cosine=PlainObjective(weight=2.0), mse=PlainObjective(weight=0.5))
    assert value(both, student) == pytest.approx(2 * one + 0.5 * other, rel=1e-5)


def test_infonce_is_the_cross_entropy_of_the_own_vector(
    texts: Texts, teacher: TorchTeacher, cache: VectorCache, student: Student
) -> None:
    found, targets = vectors_of(student, texts)
    expected = -np.log(np.diag(softmax(found @ targets.T / 0.07))).mean()
    objectives = prepared(texts, teacher, cache, infonce=BatchObjective(temperature=0.07))
    assert value(objectives, student) == pytest.approx(expected, rel=1e-3)


def test_the_relational_loss_compares_gram_matrices_without_their_diagonals(
    texts: Texts, teacher: TorchTeacher, cache: VectorCache, student: Student
) -> None:
    found, targets = vectors_of(student, texts)
    total = 0.0
    for row in range(len(texts)):
        others = [other for other in range(len(texts)) if other != row]
        expected = softmax(targets[others] @ targets[row] / 0.2)
        got = softmax(found[others] @ found[row] / 0.2)
        total += float((expected * np.log(expected / got)).sum())
    objectives = prepared(texts, teacher, cache, relational=BatchObjective(temperature=0.2))
    assert value(objectives, student) == pytest.approx(total / len(texts), rel=1e-3)
    turned = Perfect(texts.targets.astype(np.float64) @ np.linalg.qr(np.random.default_rng(1).normal(size=(32, 32)))[0])
    assert value(objectives, turned) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(("count", "nearest"), [(0, 2), (4, 0), (5, 3)])
def test_scores_and_margins_are_those_of_the_frozen_passages(
    texts: Texts, teacher: TorchTeacher, cache: VectorCache, student: Student, tmp_path: Path, count: int, nearest: int
) -> None:
    passages = ["boil water", "the cat", "a file is read", "sun", "walk the dog"]
    (tmp_path / "passages.tsv").write_text("".join(f"s\t{text}\n" for text in passages))
    options = ScoresObjective(
        temperature=0.1, passages=str(tmp_path / "passages.tsv"), limit=0, count=count, nearest=nearest
    )
    vectors = teacher.encode(passages).astype(np.float16).astype(np.float64)
    found, targets = vectors_of(student, texts)
    drawn = np.sort(np.random.default_rng(3).choice(5, count, replace=False, shuffle=False))
    divergence, margin = 0.0, 0.0
    for got, expected in zip(found, targets, strict=True):
        near = np.argsort(-(vectors @ expected), kind="stable")[:nearest]
        candidates = vectors[[*near, *drawn]]
        p, q = softmax(candidates @ expected / 0.1), softmax(candidates @ got / 0.1)
        divergence += float((p * np.log(p / q)).sum())
        errors = candidates @ got - candidates @ expected
        margin += float(np.mean([(a - b) ** 2 for a in errors for b in errors]))
    for name, expected in (("scores", divergence), ("margin", margin)):
        objectives = prepared(texts, teacher, cache, **{name: options})
        assert value(objectives, student) == pytest.approx(expected / len(texts), rel=2e-3)


def test_without_a_file_texts_of_the_stage_stand_for_passages(
    texts: Texts, teacher: TorchTeacher, cache: VectorCache, student: Student
) -> None:
    objectives = prepared(texts, teacher, cache, scores=ScoresObjective(limit=4, count=1024))
    assert value(objectives, student) > 0
    assert value(objectives, student, seed=1) == pytest.approx(value(objectives, student, seed=2), rel=1e-6)


def test_the_nearest_passages_are_those_of_an_exact_search(texts: Texts) -> None:
    passages = torch.randn(50, 32, generator=torch.Generator().manual_seed(1))
    rows = np.array([4, 1, 2])
    nearest = nearest_passages(texts, rows, passages, 6)
    for row in rows:
        order = np.argsort(-(passages.numpy() @ texts.targets[row].astype(np.float32)))[:6]
        assert sorted(nearest[row].tolist()) == sorted(order.tolist())


# Prefixes.


def test_unfinished_text_is_compared_with_the_vector_of_the_whole(
    texts: Texts, teacher: TorchTeacher, cache: VectorCache, student: Student
) -> None:
    characters = token_characters(teacher.tokenizer).numpy()
    _, targets = vectors_of(student, texts)
    total = 0.0
    for row, ids in enumerate(texts.ids):
        typed = characters[ids].cumsum() / characters[ids].sum()
        weighted = 0.0
        for end in range(1, len(ids)):
            with torch.no_grad():
                found = student(torch.from_numpy(ids[:end].astype(np.int64))[None], torch.tensor([end]))[0]
            weighted += typed[end - 1] ** 2 * (1 - float(found.numpy() @ targets[row] / np.linalg.norm(targets[row])))
        if len(ids) > 1:
            total += weighted / (typed[:-1] ** 2).sum()
    objectives = prepared(texts, teacher, cache, prefix=PrefixObjective(power=2.0, cut=0.0))
    assert value(objectives, student) == pytest.approx(total / len(texts), rel=1e-3)


@pytest.mark.parametrize("tokens", [True, False])
def test_a_word_that_is_cut_is_tokenised_again(
    texts: Texts, teacher: TorchTeacher, cache: VectorCache, student: Student, tokens: bool
) -> None:
    objectives = prepared(texts, teacher, cache, prefix=PrefixObjective(cut=1.0, tokens=tokens))
    rows = np.arange(len(texts))
    # Truncation that an earlier call left behind would shorten nothing here, but padding would.
    teacher.token_ids(TEXTS)
    with torch.no_grad():
        step = objectives._run(student, rows, np.random.default_rng(5))
    assert len(step.cut_rows) == len(texts)
    assert step.cut_share.min() > 0
    assert step.cut_share.max() < 1
    for row, share, vector in zip(step.cut_rows.tolist(), step.cut_share.tolist(), step.cut_vectors, strict=True):
        cut = TEXTS[row][: round(share * len(TEXTS[row]))]
        ids = teacher.tokenizer(cut, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            torch.testing.assert_close(vector, student(ids, torch.tensor([ids.shape[1]]))[0], rtol=1e-4, atol=1e-5)
    weights = step.cut_share
    wanting = distance(step.cut_vectors, step.targets[step.cut_rows], "cosine")
    if not tokens:
        assert value(objectives, student, seed=5) == pytest.approx(float((weights * wanting).sum() / weights.sum()))


def test_a_student_that_is_no_fold_learns_from_cuts_alone(
    texts: Texts, teacher: TorchTeacher, cache: VectorCache
) -> None:
    whole = build(TransformerRecipe(layers=1), teacher, np.ones(1)).eval()
    with_tokens = prepared(texts, teacher, cache, prefix=PrefixObjective(cut=0.5, tokens=True))
    without = prepared(texts, teacher, cache, prefix=PrefixObjective(cut=0.5, tokens=False))
    assert value(with_tokens, whole) == pytest.approx(value(without, whole)) != 0


def test_what_is_random_in_a_batch_comes_from_its_generator(
    texts: Texts, teacher: TorchTeacher, cache: VectorCache, student: Student
) -> None:
    objectives = prepared(texts, teacher, cache, prefix=PrefixObjective(cut=0.5), scores=ScoresObjective(count=2))
    assert (
        value(objectives, student, seed=1) == value(objectives, student, seed=1) != value(objectives, student, seed=2)
    )


def test_a_token_stands_for_its_characters_and_the_blank_before_it(teacher: TorchTeacher) -> None:
    characters = token_characters(teacher.tokenizer)
    ids = teacher.tokenizer.convert_tokens_to_ids(["boil", "##b", "a", "[UNK]"])
    assert characters[ids].tolist() == [5, 1, 2, 1]


def test_nothing_said_is_cosine_or_for_dot_products_mse(
    texts: Texts, teacher: TorchTeacher, cache: VectorCache, student: Student
) -> None:
    cosine = prepared(texts, teacher, cache, cosine=PlainObjective())
    assert value(prepared(texts, teacher, cache), student) == value(cosine, student)
    dot = TorchTeacher(teacher.path, normalize=False)
    mse = prepared(texts, dot, cache, mse=PlainObjective())
    assert value(prepared(texts, dot, cache), student) == value(mse, student)
