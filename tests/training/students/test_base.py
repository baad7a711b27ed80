"""What holds for students of every family: the fast path equals the slow path, and padding does not matter."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from tests.training.students.making import FOLDS, RECIPES, fits, some_ids, trained  # noqa: E402
from training.students import build  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402


@pytest.mark.parametrize("name", FOLDS)
def test_the_embedding_after_each_token_is_that_of_the_tokens_so_far(
    name: str, teacher: TorchTeacher, dot_teacher: TorchTeacher
) -> None:
    for source in (teacher, dot_teacher):
        if not fits(RECIPES[name], source):
            continue
        student = trained(RECIPES[name], source)
        ids, lengths = some_ids(source)
        with torch.inference_mode():
            found = student.prefixes(ids, lengths)
            for row, length in enumerate(lengths.tolist()):
                for end in range(1, length + 1):
                    alone = student(ids[row : row + 1, :end], torch.tensor([end]))[0]
                    torch.testing.assert_close(found[row, end - 1], alone, rtol=1e-4, atol=1e-5)
        assert found.isfinite().all()


@pytest.mark.parametrize("name", FOLDS)
def test_where_text_is_going_is_said_after_each_token_and_beside_what_it_is(name: str, teacher: TorchTeacher) -> None:
    student = trained(RECIPES[name], teacher)
    ids, lengths = some_ids(teacher)
    with torch.inference_mode():
        whole, after_each = student.whole_and_ahead(ids, lengths)
        torch.testing.assert_close(whole, student(ids, lengths), rtol=1e-4, atol=1e-5)
        for end in range(1, 10):
            rows = lengths >= end
            ahead = student.ahead(ids[rows, :end], torch.full((int(rows.sum()),), end))
            torch.testing.assert_close(after_each[rows, end - 1], ahead, rtol=1e-4, atol=1e-5)
        apart = (student.ahead(ids, lengths) - whole).abs().max()
    assert (apart > 0.01) == ("ahead" in name)


@pytest.mark.parametrize("name", RECIPES)
def test_an_embedding_does_not_depend_on_padding_or_on_other_texts(name: str, teacher: TorchTeacher) -> None:
    student = trained(RECIPES[name], teacher)
    ids, lengths = some_ids(teacher)
    with torch.inference_mode():
        together = student(ids, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone = student(ids[row : row + 1, :length], torch.tensor([length]))[0]
            torch.testing.assert_close(together[row], alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(5))


@pytest.mark.parametrize("name", RECIPES)
def test_trained_parameters_are_sparse_or_dense_and_fresh_ones_are_dense(name: str, teacher: TorchTeacher) -> None:
    student = trained(RECIPES[name], teacher)
    ids, lengths = some_ids(teacher)
    student(ids, lengths).square().sum().backward()
    trained_ones = {id(one) for one in student.parameters() if one.requires_grad}
    sparse, dense = student.sparse_parameters(), student.dense_parameters()
    assert {id(one) for one in sparse} | {id(one) for one in dense} == trained_ones
    assert len(sparse) + len(dense) == len(trained_ones)
    assert {id(one) for one in student.fresh_parameters()} <= {id(one) for one in dense}
    assert all(one.grad is None or one.grad.is_sparse for one in sparse)
    assert all(one.grad is None or not one.grad.is_sparse for one in dense)


@pytest.mark.parametrize("name", RECIPES)
def test_mixed_precision_is_close_and_gives_float32(name: str, teacher: TorchTeacher) -> None:
    student = trained(RECIPES[name], teacher)
    ids, lengths = some_ids(teacher)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        mixed = student(ids, lengths)
    with torch.inference_mode():
        exact = student(ids, lengths)
    assert mixed.dtype == torch.float32
    assert (mixed * exact).sum(1).min() > 0.998


def test_a_student_that_is_no_fold_says_so(teacher: TorchTeacher) -> None:
    with pytest.raises(TypeError, match="not a fold"):
        trained(RECIPES["transformer"], teacher).prefixes(*some_ids(teacher))


@pytest.mark.parametrize(
    "name",
    [
        "static",
        "static with a layer",
        "residual GRU",
        "residual GRU with a layer",
        "causal",
        "transformer with token vectors",
    ],
)
def test_a_student_starts_as_the_weighted_mean_of_single_token_outputs(name: str, teacher: TorchTeacher) -> None:
    torch.manual_seed(0)
    counts = np.arange(teacher.model.config.vocab_size)
    student = build(RECIPES[name], teacher, counts)
    before, after = teacher.special_ids()
    tokens = [7, 30, 12]
    vectors = np.concatenate([teacher.encode_ids([[*before, token, *after]]) for token in tokens])
    weights = np.array([1e-3 / (1e-3 + counts[token] / counts.sum()) for token in tokens])
    expected = (weights[:, None] * vectors).sum(0)
    found = student(torch.tensor([tokens]), torch.tensor([3]))[0].detach().numpy()
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-5)


# ST(k).


def test_what_a_teacher_of_dot_products_gives_keeps_its_length(dot_teacher: TorchTeacher) -> None:
    for recipe in RECIPES.values():
        if not fits(recipe, dot_teacher):
            continue
        student = build(recipe, dot_teacher, np.ones(dot_teacher.model.config.vocab_size))
        assert student.similarity == "dot"
        lengths = student(*some_ids(dot_teacher)).norm(dim=1)
        assert not torch.allclose(lengths, torch.ones(5), atol=1e-2)
