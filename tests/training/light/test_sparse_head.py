"""Passages as weights of tokens: the same as by a table of all logits, and as by the library's own head."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from torch import Tensor  # noqa: E402

from tests.training import tiny  # noqa: E402
from training.light.sparse_head import HEAD, MaxLogits, SparseHead, flops, keep_largest  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    tiny.write_cocondenser(folder / "plain")
    tiny.write_cocondenser(folder / "masked", head=True)
    tiny.write_decoder(folder / "llama", "llama")
    return folder


def test_the_largest_logits_and_their_gradients_are_those_of_a_whole_table() -> None:
    generator = torch.Generator().manual_seed(2)
    hidden = torch.randn(3, 5, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(11, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(11, generator=generator, dtype=torch.float64, requires_grad=True)
    keep = torch.tensor([[0, 1, 1, 1, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    inputs = (hidden, weight, bias)

    def by_table() -> Tensor:
        logits = hidden @ weight.T + bias
        largest: Tensor = logits.masked_fill(~keep[..., None], -math.inf).amax(1)
        return largest

    found, expected = MaxLogits.apply(hidden, keep, weight, bias), by_table()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(found, expected)
    # As behind a ReLU: some of it is zero.
    gradient = torch.randn(3, 11, generator=generator, dtype=torch.float64).relu()
    for one, other in zip(
        torch.autograd.grad(found, inputs, gradient), torch.autograd.grad(expected, inputs, gradient), strict=True
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", ["masked", "llama"])
def test_the_head_is_that_of_the_language_model(folder: Path, kind: str) -> None:
    teacher = TorchTeacher(str(folder / kind))
    head = SparseHead.of(teacher)
    assert head.tied == (kind == "masked")
    assert not head.fresh
    library = {"masked": transformers.AutoModelForMaskedLM, "llama": transformers.AutoModelForCausalLM}[kind]
    model = library.from_pretrained(folder / kind).eval()
    ids = torch.tensor([[7, 8, 9, 10], [11, 12, 13, 14]])
    with torch.no_grad():
        logits = model(input_ids=ids).logits
        hidden = teacher.model(input_ids=ids).last_hidden_state
        found = head(hidden, torch.ones(2, 4, dtype=torch.bool))
    torch.testing.assert_close(found, logits.amax(1).relu().log1p(), atol=1e-5, rtol=1e-4)
    # With a gradient it takes another way.
    torch.testing.assert_close(head(hidden, torch.ones(2, 4, dtype=torch.bool)).detach(), found, atol=1e-5, rtol=1e-4)
    head.dtype = torch.bfloat16
    with torch.no_grad():
        torch.testing.assert_close(head(hidden, torch.ones(2, 4, dtype=torch.bool)), found, atol=0.05, rtol=0.05)


def test_a_teacher_without_a_head_has_its_table_tied_in_and_begins_sparse(folder: Path) -> None:
    teacher = TorchTeacher(str(folder / "plain"))
    head = SparseHead.of(teacher)
    assert head.tied
    assert head.fresh
    assert head.weight is teacher.model.get_input_embeddings().weight
    hidden = torch.randn(200, teacher.dim, generator=torch.Generator().manual_seed(1))
    before = head(hidden[:, None], torch.ones(200, 1, dtype=torch.bool))
    head.calibrate(hidden)
    after = head(hidden[:, None], torch.ones(200, 1, dtype=torch.bool))
    assert (before > 0).float().mean() > 0.3
    assert 0 < (after > 0).float().mean() < 0.05


@pytest.mark.parametrize("kind", ["plain", "masked", "llama"])
def test_a_head_is_read_back_from_the_folder_of_its_encoder(folder: Path, tmp_path: Path, kind: str) -> None:
    teacher = TorchTeacher(str(folder / kind))
    head = SparseHead.of(teacher)
    with torch.no_grad():
        head.bias.add_(torch.arange(len(head.bias)) / 10)
    teacher.model.save_pretrained(tmp_path)
    teacher.tokenizer.save_pretrained(tmp_path)
    head.save(tmp_path / HEAD)
    again = SparseHead.of(TorchTeacher(str(tmp_path)))
    assert not again.fresh
    hidden, keep = torch.randn(2, 3, teacher.dim), torch.ones(2, 3, dtype=torch.bool)
    torch.testing.assert_close(again(hidden, keep), head(hidden, keep))


def test_the_regulariser_is_the_square_of_each_tokens_mean_weight() -> None:
    assert float(flops(torch.tensor([[1.0, 0.0, 2.0], [3.0, 0.0, 0.0]]))) == pytest.approx(2.0**2 + 1.0**2)


def test_the_largest_weights_are_kept() -> None:
    weights = torch.tensor([[0.0, 3.0, 1.0, 2.0], [0.0, 0.0, 0.0, 1.0]])
    assert keep_largest(weights, 2).tolist() == [[0.0, 3.0, 0.0, 2.0], [0.0, 0.0, 0.0, 1.0]]
    assert keep_largest(weights, 0) is weights
