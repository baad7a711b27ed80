"""Texts: batches are what a loop over the texts would give, and a stage trains on what its recipe says."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")

from training.data import Example  # noqa: E402
from training.padding import pad  # noqa: E402
from training.recipe import Recipe, StageRecipe, read_recipe  # noqa: E402
from training.stage1.texts import Corpus, Texts  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from training.teacher.vectors import VectorCache  # noqa: E402


@pytest.fixture(scope="module")
def teacher(teacher_folder: Path) -> TorchTeacher:
    return TorchTeacher(str(teacher_folder))


@pytest.fixture
def cache(tmp_path: Path, teacher: TorchTeacher) -> VectorCache:
    return VectorCache(tmp_path / "vectors", teacher)


@pytest.fixture
def texts(teacher: TorchTeacher, cache: VectorCache) -> Texts:
    examples = [Example("s", "boil egg " * (1 + number % 7) + "x" * (number % 5)) for number in range(200)]
    cache.fill([example.text for example in examples])
    return Texts([*examples, Example("s", "")], teacher, cache, 12)


def test_texts_without_a_token_or_with_too_many_are_left_out(texts: Texts) -> None:
    assert len(texts) < 200
    assert texts.lengths.min() >= 1
    assert texts.lengths.max() <= 12
    assert 200 not in texts.kept


def test_a_batch_is_what_a_loop_would_give(texts: Texts, teacher: TorchTeacher) -> None:
    rows = np.array([3, 11, 7, 0])
    ids, lengths, targets = texts.tensors(rows)
    for place, row in enumerate(rows.tolist()):
        expected = teacher.tokenizer(texts.texts[row], add_special_tokens=False)["input_ids"]
        assert ids[place, : lengths[place]].tolist() == expected
        assert not ids[place, lengths[place] :].any()
        assert texts.ids[row].tolist() == expected
        np.testing.assert_allclose(targets[place], teacher.encode([texts.texts[row]])[0], atol=1e-3)
    assert ids.shape[1] == lengths.max()
    together = np.concatenate([np.asarray(one) for one in texts.ids])
    np.testing.assert_array_equal(texts.counts(80), np.bincount(together, minlength=80))


def test_an_epoch_has_each_text_once_in_batches_of_like_length(texts: Texts) -> None:
    rows = np.arange(0, len(texts), 2)
    batches = list(texts.batches(8, np.random.default_rng(1), rows=rows))
    assert sorted(np.concatenate(batches).tolist()) == rows.tolist()
    padding = sum(int(texts.lengths[batch].max()) * len(batch) - int(texts.lengths[batch].sum()) for batch in batches)
    assert padding < 0.1 * texts.lengths[rows].sum()
    again = list(texts.batches(8, np.random.default_rng(1), rows=rows))
    assert all(np.array_equal(one, other) for one, other in zip(batches, again, strict=True))


def test_a_curriculum_goes_from_short_to_long(texts: Texts) -> None:
    batches = list(texts.batches(8, np.random.default_rng(1), by_length=True))
    longest = [int(texts.lengths[batch].max()) for batch in batches]
    assert longest == sorted(longest)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(texts)))


def test_sequences_are_padded_on_the_right() -> None:
    ids, lengths = pad([[5, 6, 7], [8]])
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert lengths.tolist() == [3, 1]


def corpus(recipe: Recipe, teacher: TorchTeacher, cache: VectorCache, *stages: StageRecipe) -> Corpus:
    return Corpus(dataclasses.replace(recipe, stages=stages), teacher, cache)


def test_a_stage_trains_on_its_files_limits_and_lengths(
    recipe_path: Path, tmp_path: Path, teacher: TorchTeacher, cache: VectorCache
) -> None:
    recipe = read_recipe(recipe_path)
    (tmp_path / "others.tsv").write_text("".join(f"s\topen file {number}\n" for number in range(40)))
    both = (str(tmp_path / "texts.tsv"), str(tmp_path / "others.tsv"))
    first = StageRecipe("first", both[:1], 1, limits=(100,))
    second = StageRecipe("second", both, 1, limits=(200, 0), max_tokens=3)
    found = corpus(recipe, teacher, cache, first, second)
    small, large = found.rows(first), found.rows(second)
    lines = [line.split("\t")[1] for line in (tmp_path / "texts.tsv").read_text().splitlines()]
    assert {found.texts.texts[row] for row in small} <= set(lines[:100])
    assert 80 <= len(small) < 100
    assert found.texts.lengths[large].max() == 3
    assert not {found.texts.texts[row] for row in small} & {one.text for one in found.held_out[tmp_path / "texts.tsv"]}
    assert any(found.texts.texts[row].startswith("open file") for row in large)
    half = found.rows(dataclasses.replace(second, share=0.5))
    assert set(half) < set(large)
    assert 0.35 < len(half) / len(large) < 0.65


def test_truncated_texts_are_the_first_words_and_have_targets_of_their_own(
    recipe_path: Path, teacher: TorchTeacher, cache: VectorCache
) -> None:
    recipe = read_recipe(recipe_path)
    plain = dataclasses.replace(recipe.stages[0], limits=(300,))
    more = dataclasses.replace(plain, truncated=0.5)
    found = corpus(recipe, teacher, cache, plain, more)
    whole = {found.texts.texts[row] for row in found.rows(plain)}
    added = [found.texts.texts[row] for row in np.setdiff1d(found.rows(more), found.rows(plain))]
    assert 0.2 * len(whole) < len(added) < 0.5 * len(whole)
    assert all(any(text.startswith(cut + " ") for text in whole) for cut in added)
    rows = np.setdiff1d(found.rows(more), found.rows(plain))[:5]
    expected = teacher.encode([found.texts.texts[row] for row in rows])
    np.testing.assert_allclose(found.texts.targets[rows], expected, atol=1e-3)


def test_other_texts_have_another_digest(texts: Texts, teacher: TorchTeacher, cache: VectorCache) -> None:
    same = Texts([Example("s", text) for text in texts.texts], teacher, cache, 12)
    fewer = Texts([Example("s", text) for text in texts.texts[1:]], teacher, cache, 12)
    assert same.sha256() == texts.sha256() != fewer.sha256()


def test_long_texts_are_counted_and_never_reach_the_teacher(
    recipe_path: Path,
    tmp_path: Path,
    teacher: TorchTeacher,
    cache: VectorCache,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "mixed.tsv"
    long = ["boil egg " * (200 + number) for number in range(30)]
    path.write_text("".join(f"s\t{text}\n" for text in [*long, *(f"boil egg {number}" for number in range(30))]))
    encoded: list[str] = []
    fill = cache.fill

    def recorded(texts: Sequence[str], *, prompt: str = "", label: str = "") -> None:
        encoded.extend(texts)
        fill(texts, prompt=prompt, label=label)

    monkeypatch.setattr(cache, "fill", recorded)
    recipe = read_recipe(recipe_path)
    found = corpus(recipe, teacher, cache, StageRecipe("only", (str(path),), 1))
    assert len(found.texts) + len(found.held_out[path]) == 30
    assert len(encoded) == 30
    assert not {one.text for one in found.of_file[path]} & {text.strip() for text in long}
    most = recipe.student.max_tokens
    assert f"{path}: 30 of 60 texts are left out: they have more than {most} tokens" in caplog.text


def test_a_file_of_nothing_but_long_texts_says_what_to_do(
    recipe_path: Path, tmp_path: Path, teacher: TorchTeacher, cache: VectorCache
) -> None:
    path = tmp_path / "long.tsv"
    path.write_text("".join(f"s\t{'boil egg ' * (200 + number)}\n" for number in range(9)))
    with pytest.raises(ValueError, match=r"no text of .*long\.tsv has 1 to \d+ tokens: cut long texts"):
        corpus(read_recipe(recipe_path), teacher, cache, StageRecipe("only", (str(path),), 1))
