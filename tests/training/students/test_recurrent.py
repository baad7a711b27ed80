"""RNN(l, f) is the paper's, step by step, and its table is tied, trained or free."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from tests.training.students.making import RECIPES, some_ids, trained  # noqa: E402
from training.student_recipes import RNNRecipe  # noqa: E402
from training.students import PaperRNN, build  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def gelu(x: np.ndarray) -> np.ndarray:
    from math import erf

    return np.asarray(x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2))))


@pytest.mark.parametrize("name", ["RNN(1, 0)", "RNN(2, 1), free table, projected"])
def test_the_paper_s_student_is_a_fold_written_by_hand(name: str, dot_teacher: TorchTeacher) -> None:
    recipe = RECIPES[name]
    assert isinstance(recipe, RNNRecipe)
    student = trained(recipe, dot_teacher)
    weight = {key: tensor.detach().double().numpy() for key, tensor in student.state_dict().items()}
    ids, _ = some_ids(dot_teacher)
    states = [np.zeros(recipe.hidden) for _ in range(recipe.layers)]
    for token in ids[1].tolist():
        x = weight["words.weight"][token]
        for layer, h in enumerate(states):
            from_input = weight[f"gru.weight_ih_l{layer}"] @ x + weight[f"gru.bias_ih_l{layer}"]
            from_state = weight[f"gru.weight_hh_l{layer}"] @ h + weight[f"gru.bias_hh_l{layer}"]
            reset_in, update_in, new_in = np.split(from_input, 3)
            reset_state, update_state, new_state = np.split(from_state, 3)
            reset, update = sigmoid(reset_in + reset_state), sigmoid(update_in + update_state)
            new = np.tanh(new_in + reset * new_state)
            states[layer] = x = (1 - update) * new + update * h
    for layer in range(recipe.feed_forward):
        inner = gelu(weight[f"layers.{layer}.up.weight"] @ x + weight[f"layers.{layer}.up.bias"])
        x = x + weight[f"layers.{layer}.down.weight"] @ inner + weight[f"layers.{layer}.down.bias"]
        x = (x - x.mean()) / np.sqrt(x.var() + 1e-12)
        x = x * weight[f"layers.{layer}.norm.weight"] + weight[f"layers.{layer}.norm.bias"]
    if recipe.hidden != dot_teacher.dim:
        x = weight["projection.weight"] @ x + weight["projection.bias"]
    found = student(ids[1:2], torch.tensor([9]))[0].detach().numpy()
    np.testing.assert_allclose(found, x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("table", "same", "moves"), [("tied", True, False), ("trained", True, True), ("free", False, True)]
)
def test_the_paper_s_table_is_tied_trained_or_free(teacher: TorchTeacher, table: str, same: bool, moves: bool) -> None:
    student = build(RNNRecipe(hidden=32, table=table), teacher, np.ones(1))
    assert isinstance(student, PaperRNN)
    assert torch.equal(student.words.weight, teacher.word_embeddings()) == same
    student(*some_ids(teacher)).sum().backward()
    assert (student.words.weight.grad is not None) == moves
