"""Students: the fast path equals the slow path, and each family is what its paper or its teacher says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from safetensors.torch import save_file  # noqa: E402

from tests.training.tiny import write_cocondenser  # noqa: E402
from training.student_recipes import (  # noqa: E402
    CausalRecipe,
    ResidualGRURecipe,
    RNNRecipe,
    StaticRecipe,
    StudentRecipe,
    TransformerRecipe,
)
from training.students import (  # noqa: E402
    Causal,
    PaperRNN,
    ResidualGRU,
    Student,
    TruncatedTransformer,
    build,
    load_student,
    save_student,
)
from training.students.files import student_class  # noqa: E402
from training.students.rounding import RoundedLinear, rounded_state, set_rounding  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402

RECIPES = {
    "static": StaticRecipe(),
    "static with a layer": StaticRecipe(readout=24),
    "residual GRU": ResidualGRURecipe(hidden=24),
    "residual GRU of two layers": ResidualGRURecipe(hidden=24, layers=2),
    "RNN(1, 0)": RNNRecipe(hidden=32),
    "RNN(2, 1), free table, projected": RNNRecipe(hidden=20, layers=2, feed_forward=1, inner=40, table="free"),
    "causal": CausalRecipe(layers=2),
    "causal, looking ahead": CausalRecipe(layers=2, ahead=True),
    "causal, four bits": CausalRecipe(layers=2, feed_forward_bits=4),
    "causal, trained table": CausalRecipe(layers=1, table="trained"),
    "transformer": TransformerRecipe(layers=2),
    "transformer with token vectors": TransformerRecipe(teacher_layers=(1,), residual=True),
}
FOLDS = [name for name, recipe in RECIPES.items() if student_class(recipe.family).folds]


@pytest.fixture(scope="module")
def teacher(teacher_folder: Path) -> TorchTeacher:
    return TorchTeacher(str(teacher_folder))


@pytest.fixture(scope="module")
def dot_teacher(tmp_path_factory: pytest.TempPathFactory) -> TorchTeacher:
    """coCondenser's form: [CLS], not normalised."""
    return TorchTeacher(str(write_cocondenser(tmp_path_factory.mktemp("dot") / "teacher")))


def trained(recipe: StudentRecipe, teacher: TorchTeacher) -> Student:
    """A student whose weights are no longer those of its start."""
    torch.manual_seed(1)
    student = build(recipe, teacher, np.arange(teacher.model.config.vocab_size) + 1)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return student.eval()


def some_ids(teacher: TorchTeacher, *, seed: int = 2) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([1, 9, 2, 5, 9])
    return torch.randint(5, teacher.model.config.vocab_size, (5, 9), generator=generator), lengths


@pytest.mark.parametrize("name", FOLDS)
def test_the_embedding_after_each_token_is_that_of_the_tokens_so_far(
    name: str, teacher: TorchTeacher, dot_teacher: TorchTeacher
) -> None:
    for source in (teacher, dot_teacher):
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


def test_what_is_learnt_of_unfinished_text_leaves_the_read_out_of_whole_text_alone(teacher: TorchTeacher) -> None:
    student = trained(RECIPES["causal, looking ahead"], teacher)
    loss: Any = student.ahead(*some_ids(teacher)).square().sum()
    loss.backward()
    assert isinstance(student, Causal)
    assert student.guess is not None
    assert student.guess.weight.grad is not None
    assert student.readout.weight.grad is None


def test_the_read_out_of_unfinished_text_can_learn_alone(teacher: TorchTeacher) -> None:
    student = trained(RECIPES["causal, looking ahead"], teacher)
    ids, lengths = some_ids(teacher)
    whole, after_each = student.whole_and_ahead(ids, lengths, alone=True)
    cut = student.ahead(ids, lengths, alone=True)
    for found, expected in zip((whole, after_each), student.whole_and_ahead(ids, lengths), strict=True):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(cut, student.ahead(ids, lengths))
    loss: Any = after_each.square().sum() + cut.square().sum()
    loss.backward()
    learning = {name for name, parameter in student.named_parameters() if parameter.grad is not None}
    assert learning == {"guess.weight"}
    assert whole.requires_grad


def test_a_student_of_four_bits_is_one_of_eight_bits_whose_weights_are_rounded(teacher: TorchTeacher) -> None:
    student = trained(RECIPES["causal, four bits"], teacher)
    plain = trained(RECIPES["causal"], teacher)
    ids, lengths = some_ids(teacher)
    rounded = student(ids, lengths)
    set_rounding(student, on=False)
    torch.testing.assert_close(student(ids, lengths), plain(ids, lengths))
    plain.load_state_dict(rounded_state(student))
    torch.testing.assert_close(rounded, plain(ids, lengths))
    assert (rounded - student(ids, lengths)).abs().max() > 1e-3
    set_rounding(student, on=True)
    student.zero_grad()
    student(ids, lengths).square().sum().backward()
    plain(ids, lengths).square().sum().backward()
    layers = [name for name, module in student.named_modules() if isinstance(module, RoundedLinear)]
    assert len(layers) == 4
    for name in layers:
        # A gradient passes as if there were no rounding behind it.
        torch.testing.assert_close(student.get_submodule(name).weight.grad, plain.get_submodule(name).weight.grad)


def test_a_causal_student_may_start_with_its_teachers_pooling(teacher: TorchTeacher, dot_teacher: TorchTeacher) -> None:
    recipe = CausalRecipe(layers=2, pooled=0.5)
    counts = np.arange(teacher.model.config.vocab_size) + 1
    student, plain = (build(one, teacher, counts) for one in (recipe, RECIPES["causal"]))
    assert isinstance(student, Causal)
    last, mean = student.readout.weight.detach().chunk(2, dim=1)
    assert not last.any()
    assert torch.equal(mean, 0.5 * torch.eye(student.dim))
    assert all(
        torch.equal(plain.state_dict()[name], one)
        for name, one in student.state_dict().items()
        if name != "readout.weight"
    )
    with pytest.raises(ValueError, match=r"does not pool \[CLS\]"):
        build(recipe, dot_teacher, counts)


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
def test_a_saved_student_is_the_same_without_its_teacher(name: str, teacher: TorchTeacher, tmp_path: Path) -> None:
    student = trained(RECIPES[name], teacher)
    save_student(student, tmp_path / "student.safetensors", metadata={"run": "of today"})
    again = load_student(tmp_path)
    assert type(again) is type(student)
    assert again.settings == student.settings
    ids, lengths = some_ids(teacher)
    with torch.inference_mode():
        torch.testing.assert_close(again(ids, lengths), student(ids, lengths), rtol=0, atol=0)
    names = [[id(parameter) for parameter in one.sparse_parameters()] for one in (student, again)]
    assert len(names[0]) == len(names[1])


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


def test_the_first_version_s_files_without_metadata_are_of_the_residual_gru(
    teacher: TorchTeacher, tmp_path: Path
) -> None:
    student = trained(RECIPES["residual GRU"], teacher)
    names = ["table.weight", "log_weights.weight", "readout.weight"]
    names += [f"gru.{kind}_{side}_l0" for kind in ("weight", "bias") for side in ("ih", "hh")]
    state = student.state_dict()
    assert sorted(state) == sorted(names)
    save_file(state, tmp_path / "student.safetensors")
    ids, lengths = some_ids(teacher)
    with torch.inference_mode():
        assert torch.equal(load_student(tmp_path)(ids, lengths), student(ids, lengths))


# What each family starts from.


@pytest.mark.parametrize("name", ["static", "residual GRU", "causal", "transformer with token vectors"])
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


def six_layers(folder: Path, source: Path, **changes: Any) -> Path:
    """A BERT of six layers with the tokenizer and the modules of ``source``."""
    shutil.copytree(source, folder)
    config = transformers.BertConfig.from_pretrained(source)
    for name, value in {"num_hidden_layers": 6, **changes}.items():
        setattr(config, name, value)
    torch.manual_seed(4)
    transformers.BertModel(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("pooling", "normalize", "prompt"), [("mean", True, ""), ("cls", False, ""), ("last", True, "read: ")]
)
def test_all_layers_of_the_teacher_are_the_teacher(
    teacher_folder: Path, tmp_path: Path, pooling: str, normalize: bool, prompt: str
) -> None:
    folder = six_layers(tmp_path / "six", teacher_folder)
    teacher = TorchTeacher(
        str(folder), pooling=pooling, normalize=normalize, similarity="cosine" if normalize else "dot",
        query_prompt=prompt,
    )  # fmt: skip
    student = build(TransformerRecipe(layers=6), teacher, np.ones(1)).eval()
    texts = ["boil", "boil egg", "walk home fast now rain", "zebra file"]
    ids = [teacher.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    lengths = torch.tensor([len(one) for one in ids])
    padded = torch.zeros(len(ids), int(lengths.max()), dtype=torch.int64)
    for row, one in enumerate(ids):
        padded[row, : len(one)] = torch.tensor(one)
    with torch.inference_mode():
        found = student(padded, lengths).numpy()
    np.testing.assert_allclose(found, teacher.encode(texts, prompt=prompt), rtol=1e-4, atol=2e-6)


def test_fewer_layers_are_the_teacher_s_first_ones_whatever_its_precision(teacher_folder: Path, tmp_path: Path) -> None:
    folder = six_layers(tmp_path / "six", teacher_folder)
    precise, rounded = TorchTeacher(str(folder)), TorchTeacher(str(folder), dtype="bfloat16")
    recipe = TransformerRecipe(layers=2)
    first, second = (build(recipe, source, np.ones(1)).state_dict() for source in (precise, rounded))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name])
    config = transformers.BertConfig.from_pretrained(folder, num_hidden_layers=2)
    reference = transformers.BertModel.from_pretrained(folder, config=config).eval()
    student = build(recipe, precise, np.ones(1)).eval()
    assert isinstance(student, TruncatedTransformer)
    ids = torch.tensor([[2, 9, 14, 20, 3]])
    with torch.inference_mode():
        expected = reference(input_ids=ids).last_hidden_state.mean(1)
        found = student(ids[:, 1:-1], torch.tensor([3]))
    torch.testing.assert_close(found, torch.nn.functional.normalize(expected, dim=1), rtol=1e-4, atol=2e-6)


def test_layers_that_the_teacher_has_not_are_named(teacher: TorchTeacher) -> None:
    with pytest.raises(ValueError, match="has 2"):
        build(TransformerRecipe(layers=3), teacher, np.ones(1))


def test_a_teacher_that_is_no_bert_with_gelu_is_named(teacher_folder: Path, tmp_path: Path) -> None:
    relu = TorchTeacher(str(six_layers(tmp_path / "relu", teacher_folder, hidden_act="relu")))
    with pytest.raises(ValueError, match="relu"):
        build(CausalRecipe(layers=1), relu, np.ones(1))


def test_an_unknown_family_is_named(teacher: TorchTeacher) -> None:
    with pytest.raises(ValueError, match="mamba"):
        build(StudentRecipe(family="mamba"), teacher, np.ones(1))


# RNN(l, f) against the equations of the paper.


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


def test_what_a_teacher_of_dot_products_gives_keeps_its_length(dot_teacher: TorchTeacher) -> None:
    for recipe in RECIPES.values():
        student = build(recipe, dot_teacher, np.ones(dot_teacher.model.config.vocab_size))
        assert student.similarity == "dot"
        lengths = student(*some_ids(dot_teacher)).norm(dim=1)
        assert not torch.allclose(lengths, torch.ones(5), atol=1e-2)


def test_the_settings_are_json(teacher: TorchTeacher) -> None:
    for recipe in RECIPES.values():
        settings = trained(recipe, teacher).settings
        assert json.loads(json.dumps(settings)) == settings


def test_the_shipped_student_s_class_takes_what_it_took() -> None:
    student = ResidualGRU(torch.randn(11, 8), torch.zeros(11), hidden=6)
    assert student(torch.tensor([[1, 2]]), torch.tensor([2])).shape == (1, 8)
    assert student.input_weight.shape == (18, 8)
