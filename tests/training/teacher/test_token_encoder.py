"""Vectors of single tokens: they are those of each token alone, whatever the model, and a gradient goes through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from tests.training import tiny  # noqa: E402
from training.commands import token_vectors  # noqa: E402
from training.students import load_student  # noqa: E402
from training.teacher import token_encoder  # noqa: E402
from training.teacher.token_encoder import (  # noqa: E402
    TokenEncoder,
    block_mask,
    largest_difference,
    reads_leftwards,
    token_table,
)
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402

#: Decoders that turn positions in different ways: rotated, and added.
DECODERS = ("llama", "gpt2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokens")
    tiny.write_cocondenser(folder / "bert")
    for kind in DECODERS:
        tiny.write_decoder(folder / kind, kind)
    return folder


def alone(teacher: TorchTeacher, prompt: str) -> np.ndarray[Any, Any]:
    before, after = teacher.special_ids(prompt)
    return np.concatenate([teacher.encode_ids([[*before, token, *after]]) for token in range(len(teacher.tokenizer))])


@pytest.mark.parametrize("kind", ["bert", *DECODERS])
@pytest.mark.parametrize("pooling", ["cls", "mean", "last"])
@pytest.mark.parametrize("prompt", ["", "read the file "])
def test_all_tokens_together_have_the_vectors_of_each_alone(
    folder: Path, kind: str, pooling: str, prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several sequences, the last of them short.
    monkeypatch.setattr(token_encoder, "_BLOCKS", 30)
    teacher = TorchTeacher(str(folder / kind), pooling=pooling, max_length=32, normalize=pooling == "mean")
    table = token_table(teacher, prompt)
    np.testing.assert_allclose(table.numpy(), alone(teacher, prompt), atol=1e-5)
    assert largest_difference(teacher, table, prompt) < 1e-5


def test_a_token_sees_the_prompt_and_its_own_block() -> None:
    seen = block_mask(2, 2, 2).int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1, 1],
    ]


def test_which_models_share_their_prompt_is_found_by_trying(folder: Path) -> None:
    assert not reads_leftwards(TorchTeacher(str(folder / "bert")))
    for kind in DECODERS:
        assert reads_leftwards(TorchTeacher(str(folder / kind)))


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_a_gradient_through_shared_prompts_is_that_of_tokens_alone(folder: Path, kind: str) -> None:
    teacher = TorchTeacher(str(folder / kind), pooling="last")
    teacher.model.requires_grad_(True)
    encoder = TokenEncoder(teacher, ("walk ", ""))
    ids = torch.tensor([[0, 7], [1, 9], [0, 11], [1, 7]])
    weight = torch.randn(4, teacher.dim, generator=torch.Generator().manual_seed(1))
    gradients = []
    for parts in ([ids], ids.split(1)):
        teacher.model.zero_grad()
        vectors = torch.cat([encoder(part, torch.full((len(part),), 2)) for part in parts])
        (vectors * weight).sum().backward()
        gradients.append([one.grad.clone() for one in teacher.model.parameters() if one.grad is not None])
    for together, apart in zip(*gradients, strict=True):
        torch.testing.assert_close(together, apart, atol=2e-4, rtol=1e-3)


def test_the_command_writes_a_student_of_the_table(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.write_collection(tmp_path / "collection")
    path = tiny.write_recipe(tmp_path / "tiny.toml", folder / "bert", tmp_path / "collection")
    token_vectors.main([str(path), str(tmp_path / "run"), "--check", "--threads", "1"])
    printed = capsys.readouterr().out
    assert "tokens of bert" in printed
    assert "largest difference" in printed
    teacher = TorchTeacher(str(folder / "bert"))
    student = load_student(tmp_path / "run")
    first, second = (
        teacher.encode_ids([[*teacher.special_ids()[0], token, *teacher.special_ids()[1]]]) for token in (7, 9)
    )
    found = student(torch.tensor([[7, 9]]), torch.tensor([2])).detach().numpy()
    np.testing.assert_allclose(found, (first + second) / 2, atol=1e-5)
