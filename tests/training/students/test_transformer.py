"""Students cut from the teacher: causal(k) with its two read-outs, and ST(k)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from tests.training.students.making import RECIPES, some_ids, trained  # noqa: E402
from training.student_recipes import CausalRecipe, TransformerRecipe  # noqa: E402
from training.students import Causal, TruncatedTransformer, build  # noqa: E402
from training.students.rounding import RoundedLinear, rounded_state, set_rounding  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402


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


@pytest.mark.parametrize(("name", "count"), [("causal, four bits", 4), ("causal, four bits in attention too", 8)])
def test_a_student_of_four_bits_is_one_of_eight_bits_whose_weights_are_rounded(
    name: str, count: int, teacher: TorchTeacher
) -> None:
    student = trained(RECIPES[name], teacher)
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
    assert len(layers) == count
    for layer in layers:
        # A gradient passes as if there were no rounding behind it.
        torch.testing.assert_close(student.get_submodule(layer).weight.grad, plain.get_submodule(layer).weight.grad)


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


def test_a_teacher_that_no_trunk_computes_is_named(teacher_folder: Path, tmp_path: Path) -> None:
    swish = TorchTeacher(str(six_layers(tmp_path / "swish", teacher_folder, hidden_act="silu")))
    with pytest.raises(ValueError, match="silu"):
        build(CausalRecipe(layers=1), swish, np.ones(1))
