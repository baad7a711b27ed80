"""The causal student, exported: its graphs over a key-value cache equal PyTorch over the whole text."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("onnx", reason="training needs onnx")

import typeahead  # noqa: E402
from tests.training.conftest import WORDS  # noqa: E402
from training.exporting import export  # noqa: E402
from training.exporting.card import student_card  # noqa: E402
from training.exporting.graphs_causal import quantize_blocks  # noqa: E402
from training.recipe import Recipe, read_recipe  # noqa: E402
from training.student_recipes import CausalRecipe  # noqa: E402
from training.students import Causal, save_student  # noqa: E402
from training.students.rounding import rounded  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from training.weight_blocks import block_of  # noqa: E402
from typeahead.encoders.causal import CausalEncoder  # noqa: E402
from typeahead.models.golden import Golden, cosines  # noqa: E402

TEXTS = ["boil", "boil egg", "rain sun cat dog walk home read file", "xyz", " ".join(WORDS)]


@pytest.fixture
def recipe(recipe_path: Path) -> Recipe:
    return dataclasses.replace(read_recipe(recipe_path), student=CausalRecipe(layers=2))


@pytest.fixture
def student(recipe: Recipe) -> Causal:
    """Untrained but for a read-out that reads something."""
    teacher = TorchTeacher.of(recipe.teacher)
    torch.manual_seed(3)
    student = Causal.start(recipe.student, teacher, np.arange(1, teacher.model.config.vocab_size + 1))
    torch.nn.init.normal_(student.readout.weight, 0, 0.1)
    return student.eval()


@pytest.fixture(
    params=[
        {},
        {"feed_forward_bits": 4},
        {"feed_forward_bits": 4, "attention_bits": 4},
        {"own_words": False},
        {"mean": False},
    ],
    ids=str,
)
def any_student(request: pytest.FixtureRequest, student: Causal) -> Causal:
    """The student, or one of four bits or of one table with the same weights."""
    own = {name: value for name, value in request.param.items() if name == "mean"}
    trunk = {name: value for name, value in request.param.items() if name != "mean"}
    other = Causal.empty(student.settings | own | {"trunk": student.settings["trunk"] | trunk})
    state = student.state_dict()
    if other.table is None:
        del state["table.weight"]
    if other.projection is not None:
        del state["trunk.words.weight"]
        state |= {f"projection.{name}": weight for name, weight in other.projection.state_dict().items()}
    other.load_state_dict(state)
    return other.eval()


def exported(student: Causal, recipe: Recipe, folder: Path) -> CausalEncoder:
    run = folder / "run"
    run.mkdir()
    save_student(student, run / "student.safetensors")
    (run / "log.jsonl").write_text(json.dumps({"stage": "start"}) + "\n")
    export.export_student(run, recipe, folder / "model", ())
    encoder = typeahead.load(folder / "model")
    assert isinstance(encoder, CausalEncoder)
    return encoder


def test_the_exported_step_equals_pytorch(any_student: Causal, recipe: Recipe, tmp_path: Path) -> None:
    student = any_student
    encoder = exported(student, recipe, tmp_path)
    expected = export.encode_with_student(student, TorchTeacher.of(recipe.teacher), TEXTS)
    assert cosines(encoder.encode(TEXTS), expected).min() > 0.998
    precise = CausalEncoder(encoder.config, tmp_path / "model", variant="-float32")
    assert cosines(precise.encode(TEXTS), expected).min() > 0.9995
    golden = Golden.read(tmp_path / "model")
    assert golden.agreement(encoder.encode(golden.texts)) > 0.9999
    session = encoder.session()
    for text in TEXTS:
        session.update(text)
        np.testing.assert_array_equal(session.embedding, encoder.encode([text])[0])


def test_every_prefix_has_the_embedding_that_training_gave_it(student: Causal, recipe: Recipe, tmp_path: Path) -> None:
    encoder = exported(student, recipe, tmp_path)
    tokens = encoder.tokenizer.encode(TEXTS[2])
    with torch.inference_mode():
        expected = student.prefixes(torch.tensor([tokens]), torch.tensor([len(tokens)]))[0].numpy()
    states = [encoder.start()]
    embeddings = []
    for token in tokens:
        states, embedding = encoder.step(states, np.array((token,), np.int64))  # type: ignore[assignment]
        embeddings.append(embedding[0])
    assert cosines(np.array(embeddings), expected).min() > 0.998


def test_shared_input_embeddings_start_as_the_closest_to_the_teachers(recipe: Recipe, tmp_path: Path) -> None:
    teacher = TorchTeacher.of(recipe.teacher)
    shared = CausalRecipe(layers=2, table="shared")
    student = Causal.start(shared, teacher, np.ones(teacher.model.config.vocab_size, np.int64))
    assert student.projection is not None
    assert student.table is not None
    words, vectors = teacher.word_embeddings(), student.table.weight
    with torch.no_grad():
        error = (student.projection(vectors) - words).pow(2).sum()
        # A teacher has more tokens than dimensions, so there is an error, and any other product has a larger one.
        assert 0 < error < words.sub(words.mean(0)).pow(2).sum()
        student.projection.weight.add_(0.01 * torch.randn_like(student.projection.weight))
        assert (student.projection(vectors) - words).pow(2).sum() > error
        # The start of every text counts most.
        first = student.start_ids[0]
    again = Causal.start(shared, teacher, np.ones(teacher.model.config.vocab_size, np.int64))
    assert again.projection is not None
    with torch.no_grad():
        distances = (again.projection(vectors) - words).norm(dim=1)
    assert distances[first] < distances.median()
    exported(again.eval(), dataclasses.replace(recipe, student=shared), tmp_path)
    assert not (tmp_path / "model" / "words.safetensors").exists()


def test_where_unfinished_text_is_going_is_what_training_gave_it(recipe: Recipe, tmp_path: Path) -> None:
    teacher = TorchTeacher.of(recipe.teacher)
    torch.manual_seed(3)
    looking = CausalRecipe(layers=2, ahead=True)
    student = Causal.start(looking, teacher, np.arange(1, teacher.model.config.vocab_size + 1)).eval()
    assert student.guess is not None
    for layer in (student.readout, student.guess):
        torch.nn.init.normal_(layer.weight, 0, 0.1)
    encoder = exported(student, dataclasses.replace(recipe, student=looking), tmp_path)
    assert encoder.readouts == 2
    for text in TEXTS:
        tokens = torch.tensor([encoder.tokenizer.encode(text)])
        with torch.inference_mode():
            expected = student.ahead(tokens, torch.tensor([tokens.shape[1]])).numpy()
        assert cosines(encoder.encode_ahead([text]), expected)[0] > 0.998
    assert cosines(encoder.encode(TEXTS), encoder.encode_ahead(TEXTS)).min() < 0.99
    session = encoder.session()
    session.update(TEXTS[1])
    np.testing.assert_array_equal(session.ahead, encoder.encode_ahead(TEXTS[1:2])[0])
    np.testing.assert_array_equal(session.embedding, encoder.encode(TEXTS[1:2])[0])


def test_a_text_may_be_as_long_as_the_teachers_and_no_longer(student: Causal, recipe: Recipe, tmp_path: Path) -> None:
    encoder = exported(student, recipe, tmp_path)
    assert encoder.max_tokens == 30
    longest, longer = encoder.encode(["egg " * 30, "egg " * 31])
    np.testing.assert_array_equal(longest, longer)
    expected = export.encode_with_student(student, TorchTeacher.of(recipe.teacher), ["egg " * 30])
    assert cosines(longest[None], expected)[0] > 0.998


def test_the_card_says_what_the_student_is(student: Causal, recipe: Recipe, tmp_path: Path) -> None:
    exported(student, recipe, tmp_path)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "A causal query encoder" in card
    assert "2 of the teacher's layers" in card
    assert "Weights are int8, run by" in card
    four = dataclasses.replace(recipe, student=CausalRecipe(layers=2, feed_forward_bits=4))
    assert "Weights are int8, those of feed-forward layers of four bits, run by" in student_card(
        four, tmp_path / "run", ()
    )
    all_four = dataclasses.replace(recipe, student=CausalRecipe(feed_forward_bits=4, attention_bits=4))
    assert "those of feed-forward layers and attention of four bits" in student_card(all_four, tmp_path / "run", ())


@pytest.mark.parametrize(("inputs", "block"), [(384, 128), (1536, 128), (64, 64), (96, 32), (48, 16), (312, 16)])
def test_blocks_divide_a_row_or_are_filled_with_zeros(inputs: int, block: int) -> None:
    weight = np.random.default_rng(0).normal(size=(inputs, 10)).astype(np.float32)
    assert block_of(inputs) == block
    quantized, scale = quantize_blocks(weight)
    assert quantized.shape == (10, -(-inputs // block), block)
    restored = ((quantized.astype(np.float32) - 128) * scale[:, :, None]).reshape(10, -1)
    np.testing.assert_allclose(restored[:, :inputs].T, weight, atol=float(scale.max()) / 2 + 1e-6)
    assert not restored[:, inputs:].any()


@pytest.mark.parametrize(("inputs", "block"), [(384, 64), (1536, 64), (96, 32), (312, 16)])
def test_four_bits_are_levels_of_the_largest_and_training_sees_them(inputs: int, block: int) -> None:
    weight = np.random.default_rng(0).normal(size=(inputs, 10)).astype(np.float32)
    weight[:block, 0] = 0
    weight[0, 1], weight[1, 1] = 5, -5
    assert block_of(inputs, 4) == block
    packed, scale = quantize_blocks(weight, 4)
    assert packed.shape == (10, -(-inputs // block), block // 2)
    assert packed.dtype == np.uint8
    levels = np.stack([packed & 15, packed >> 4], -1).reshape(*packed.shape[:2], block).astype(np.float32) - 8
    restored = (levels * scale[:, :, None]).reshape(10, -1)
    assert not restored[:, inputs:].any()
    restored = restored[:, :inputs].T
    np.testing.assert_array_equal(rounded(torch.from_numpy(weight.T.copy())).numpy().T, restored)
    padded = np.pad(weight.T, ((0, 0), (0, -inputs % block))).reshape(10, -1, block)
    furthest = np.take_along_axis(padded, np.abs(padded).argmax(2)[:, :, None], 2)[:, :, 0]
    np.testing.assert_allclose(levels.min(2), np.where(furthest, -8, 0))
    np.testing.assert_allclose(-8 * scale, furthest, atol=1e-10)
    # Half a level, but on the other side of zero, which has one level less.
    wide = np.repeat(scale, block, axis=1)[:, :inputs].T
    most = np.where(weight * wide > 0, 1.0, 0.5) * np.abs(wide)
    assert (np.abs(restored - weight) <= most + 1e-6).all()
