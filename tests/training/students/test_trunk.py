"""The trunk: with all layers of a teacher, it is the teacher, whatever the architecture."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")

from tests.training.architectures import HEADS, MOST_TOKENS, TOKENIZERS, tiny_model  # noqa: E402
from training.architectures import architecture_of  # noqa: E402
from training.students.trunk import FARTHEST, Trunk  # noqa: E402

#: Above all special ids, and none of them the padding's.
FIRST = 5


def trunk_of(model: Any, picked: Any = None, **options: Any) -> Trunk:
    teacher: Any = SimpleNamespace(model=model, precise_model=lambda: model)
    return Trunk.of_teacher(teacher, picked, **options).eval()


def teachers_outputs(model: Any, ids: Any, lengths: Any) -> Any:
    """What the library computes, with the padding that it asks for."""
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    padded = ids.masked_fill(mask == 0, model.config.pad_token_id)
    with torch.inference_mode():
        return model(input_ids=padded, attention_mask=mask).last_hidden_state


def outputs(trunk: Trunk, *arguments: Any, **options: Any) -> Any:
    with torch.inference_mode():
        return trunk(*arguments, **options)


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("lengths", [[7], [9, 1, 4], [MOST_TOKENS, 150]])
def test_all_layers_of_a_teacher_are_the_teacher(kind: str, lengths: list[int]) -> None:
    model = tiny_model(kind)
    trunk = trunk_of(model)
    ids = torch.randint(FIRST, 40, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(1))
    counts = torch.tensor(lengths)
    found, expected = outputs(trunk, ids, counts), teachers_outputs(model, ids, counts)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(found[row, :length], expected[row, :length], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_under_a_causal_mask_a_token_sees_what_is_before_it_as_the_teachers_last_token_does(kind: str) -> None:
    # Of one layer, the last token's output is the same: in more layers the others have seen what follows them.
    model = tiny_model(kind, num_hidden_layers=1)
    trunk = trunk_of(model)
    ids = torch.randint(FIRST, 40, (1, MOST_TOKENS), generator=torch.Generator().manual_seed(1))
    found = outputs(trunk, ids, causal=True)[0]
    for length in (1, 2, 40, MOST_TOKENS):
        expected = teachers_outputs(model, ids[:, :length], torch.tensor([length]))[0, -1]
        torch.testing.assert_close(found[length - 1], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_picked_layers_stand_in_the_recipes_order(kind: str) -> None:
    model = tiny_model(kind)
    numbers = (2, 0)
    if kind == "modernbert":
        # Its first layer reads the embeddings' norm, so it cannot stand elsewhere.
        with pytest.raises(ValueError, match="must be first"):
            trunk_of(model, numbers)
        numbers = (2, 1)
    trunk = trunk_of(model, numbers)
    whole = trunk_of(model)
    assert trunk.settings["layers"] == 2
    for own, number in enumerate(numbers):
        for name, tensor in trunk.layers[own].state_dict().items():
            assert torch.equal(tensor, whole.layers[number].state_dict()[name])


@pytest.mark.parametrize("activation", ["relu", "gelu_new", "gelu_pytorch_tanh"])
def test_activations_are_the_teachers(activation: str) -> None:
    model = tiny_model("bert", hidden_act=activation)
    ids, lengths = torch.arange(FIRST, 20)[None], torch.tensor([15])
    found = outputs(trunk_of(model), ids, lengths)
    torch.testing.assert_close(found, teachers_outputs(model, ids, lengths), rtol=1e-4, atol=1e-5)
    assert (found - outputs(trunk_of(tiny_model("bert")), ids, lengths)).abs().max() > 1e-4


def test_relative_biases_are_the_teachers_at_every_distance_and_learn() -> None:
    model = tiny_model("mpnet")
    trunk = trunk_of(model)
    assert trunk.relative is not None
    length = 2 * FARTHEST + 80
    expected = model.encoder.compute_position_bias(torch.empty(1, length, 1))[0]
    found = trunk._biases(length)
    assert found is not None
    assert torch.equal(found, expected)
    assert trunk.relative.shape == (HEADS, 257)
    trunk(torch.arange(FIRST, 20)[None], causal=True).square().sum().backward()
    assert trunk.relative.grad is not None
    # No key is to the right of a query.
    assert trunk.relative.grad[:, 128 - 14 : 129].abs().min() > 0
    assert not trunk.relative.grad[:, 129:].any()


def test_a_trunk_saved_before_there_were_other_architectures_is_a_bert() -> None:
    old: dict[str, Any] = {
        "vocabulary": 9,
        "width": 8,
        "layers": 1,
        "heads": 2,
        "inner": 16,
        "positions": 4,
        "epsilon": 1e-12,
    }
    trunk = Trunk(**old, train_words=False, feed_forward_bits=8)
    assert trunk.relative is None
    assert trunk.settings["activation"] == "gelu"
    assert Trunk(**trunk.settings).state_dict().keys() == trunk.state_dict().keys()


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_trunk_may_have_only_the_strongest_units(kind: str) -> None:
    model = tiny_model(kind)
    whole = trunk_of(model)
    half = whole.settings["inner"] // 2
    dropped = torch.randperm(2 * half, generator=torch.Generator().manual_seed(1))[:half]
    part = architecture_of(model.config.to_dict()).parts["down"][0]
    layers = architecture_of(model.config.to_dict()).layers
    with torch.no_grad():
        for number in range(whole.settings["layers"]):
            model.get_submodule(f"{layers}.{number}.{part}").weight[:, dropped] = 0
    # What nothing reads can go.
    ids = torch.randint(FIRST, 40, (2, 9), generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([9, 9])
    cut = trunk_of(model, inner=half)
    assert cut.settings["inner"] == half
    torch.testing.assert_close(outputs(cut, ids, lengths), teachers_outputs(model, ids, lengths), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="units"):
        trunk_of(model, inner=2 * half + 1)
