"""From a multilingual teacher to a student and a passage encoder with a vocabulary of their own, by every family."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("onnx", reason="training needs onnx")

import typeahead  # noqa: E402
from tests.training.architectures import write_teacher  # noqa: E402
from tests.training.tiny import write_collection  # noqa: E402
from tests.training.unigram import TEXTS, write_unigram_teacher  # noqa: E402
from training.commands import vocabulary  # noqa: E402
from training.exporting import export  # noqa: E402
from training.guided import making  # noqa: E402
from training.guided.checks import check  # noqa: E402
from training.guided.reporting import Reporter  # noqa: E402
from training.guided.request import Request  # noqa: E402
from training.ranking.round_folders import open_teacher  # noqa: E402
from training.recipe import read_recipe  # noqa: E402
from training.stage1 import distill  # noqa: E402
from training.students import load_student  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from training.teacher.vectors import VectorCache  # noqa: E402
from typeahead.encoders.transformer import TransformerEncoder  # noqa: E402
from typeahead.errors import TrainingError  # noqa: E402
from typeahead.models.golden import cosines  # noqa: E402

STUDENTS = {
    "static": "",
    "residual-gru": "hidden = 16",
    "rnn": "hidden = 32",
    "causal": "layers = 1",
    "transformer": "layers = 1",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher, texts, and a vocabulary of 150 tokens."""
    folder = tmp_path_factory.mktemp("own")
    write_unigram_teacher(folder / "teacher")
    rng = random.Random(2)
    words = [word for text in TEXTS for word in text.split()]
    texts = dict.fromkeys(" ".join(rng.sample(words, rng.randrange(1, 6))) for _ in range(200))
    (folder / "texts.tsv").write_text("".join(f"made/mixed\t{text}\n" for text in texts))
    (folder / "all.tsv").write_text("".join(f"made/all\t{text}\n" for text in TEXTS))
    files = [str(folder / name) for name in ("texts.tsv", "all.tsv")]
    vocabulary.main([str(folder / "teacher"), str(folder / "words"), "--size", "150", "--texts", *files])
    return folder


def recipe_of(folder: Path, family: str, out: Path) -> Path:
    path = out / "recipe.toml"
    path.write_text(
        f"""
name = "own"
seed = 3
cache = "{folder / "vectors"}"
development = 0.1

[teacher]
id = "{folder / "teacher"}"

[student]
family = "{family}"
max_tokens = 40
vocabulary = "{folder / "words"}"
{STUDENTS[family]}

[[stages]]
name = "all"
files = ["{folder / "texts.tsv"}"]
epochs = 1
batch = 64

[stages.objectives]
cosine = {{}}
prefix = {{ weight = 0.3 }}
"""
    )
    return path


@pytest.mark.parametrize("family", STUDENTS)
def test_a_student_of_any_family_is_trained_and_exported(folder: Path, tmp_path: Path, family: str) -> None:
    path = recipe_of(folder, family, tmp_path)
    run, out = tmp_path / "run", tmp_path / "model"
    distill.main([str(path), "--out", str(run), "--threads", "1", "--cpu"])
    export.main(["student", str(path), str(run), str(out)])
    encoder = typeahead.load(out)
    assert encoder.tokenizer.vocabulary_size == 150
    assert "vocabulary: 150 of the teacher's tokens" in (out / "README.md").read_text()
    expected = export.encode_with_student(load_student(run), export.precise_teacher(read_recipe(path)), TEXTS)
    assert cosines(encoder.encode(TEXTS), expected).min() > 0.99
    if not isinstance(encoder, TransformerEncoder):
        session = encoder.session()
        for text in TEXTS:
            for end in range(0, len(text) + 1, 3):
                session.update(text[:end])
            session.update(text)
            np.testing.assert_array_equal(session.embedding, encoder.encode([text])[0])


def test_it_learns_the_vectors_that_the_teacher_has_by_its_own_tokens(folder: Path, tmp_path: Path) -> None:
    recipe = read_recipe(recipe_of(folder, "static", tmp_path))
    run = distill.Run(recipe, tmp_path / "run", threads=1, cpu=True)
    teacher = TorchTeacher.of(recipe.teacher)
    assert run.texts.flat.max() < 150
    expected = teacher.encode(run.texts.texts, prompt="query: ")
    np.testing.assert_allclose(run.texts.targets, expected, atol=1e-3)
    # One cache serves students of all vocabularies.
    assert VectorCache(Path(recipe.cache), teacher).get(run.texts.texts, prompt="query: ").shape == expected.shape


def test_the_teacher_is_exported_as_a_passage_encoder_with_this_vocabulary(folder: Path, tmp_path: Path) -> None:
    path = recipe_of(folder, "static", tmp_path)
    export.main(["teacher", str(path), str(tmp_path / "passages")])
    encoder = typeahead.load(tmp_path / "passages")
    assert encoder.tokenizer.vocabulary_size == 150
    assert "vocabulary: 150 of the teacher's tokens" in (tmp_path / "passages" / "README.md").read_text()
    own = export.precise_teacher(read_recipe(path))
    assert cosines(encoder.encode(TEXTS), own.encode(TEXTS, prompt="passage: ")).min() > 0.99


def test_stage_2_says_that_it_needs_the_teachers_vocabulary(folder: Path, tmp_path: Path) -> None:
    path = recipe_of(folder, "static", tmp_path)
    with path.open("a") as file:
        file.write(f'[data]\ncollection = "{tmp_path}"\n[[mine]]\nname = "hard"\nby = "teacher"\n')
    with pytest.raises(ValueError, match="stage 2 tokenizes queries as the teacher does"):
        open_teacher(read_recipe(path), tmp_path, "teacher", torch.device("cpu"))


def test_the_table_shows_each_language(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vocabulary.main([str(folder / "teacher"), str(tmp_path), "--size", "150", "--texts", str(folder / "all.tsv")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "150 of 266 tokens"
    name, before, after, *unknown = lines[-1].split("\t")
    assert name == "all"
    assert 1 <= float(before) < float(after) < 5
    assert unknown == ["0.000%", "0.000%"]


def test_a_size_that_is_too_small_is_refused_in_a_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="A vocabulary of 20 is too small"):
        vocabulary.main([str(folder / "teacher"), str(tmp_path), "--size", "20", "--texts", str(folder / "all.tsv")])


def test_a_guided_training_cuts_the_vocabulary_and_another_one_continues_with_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("\n".join(TEXTS) + "\n")

    def asked(name: str, **more: Any) -> Request:
        given: dict[str, Any] = {"queries": (str(tmp_path / "log.txt"),), "minutes": 0.7, "threads": 1, "cpu": True}
        out, run = tmp_path / "models" / name, tmp_path / "runs" / name
        return Request(
            **{"teacher": str(folder / "teacher"), "out": out, "run": run, "family": "static", **given, **more}
        )

    first = asked("first", vocabulary=150)
    with Reporter() as reporter:
        making.make(first, reporter)
    model = typeahead.load(first.out)
    assert model.tokenizer.vocabulary_size == typeahead.load(first.passage_out).tokenizer.vocabulary_size == 150
    # A run that is continued finds the vocabulary as it was.
    with Reporter() as reporter:
        making.make(first, reporter)
    second = asked("second", start=str(first.out))
    with Reporter() as reporter:
        making.make(second, reporter)
    again = typeahead.load(second.out)
    assert [again.tokenizer.encode(text) for text in TEXTS] == [model.tokenizer.encode(text) for text in TEXTS]
    # A few batches change a tiny student a lot.
    assert cosines(again.encode(TEXTS), model.encode(TEXTS)).min() > 0.7


def test_what_does_not_go_with_a_vocabulary_of_its_own_is_said_at_once(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("read\n")
    judged = tmp_path / "judged"
    write_collection(judged)

    def problem(**more: Any) -> str:
        given = {"teacher": str(folder / "teacher"), "out": tmp_path / "out", "queries": (str(tmp_path / "log.txt"),)}
        with pytest.raises(TrainingError) as raised:
            check(Request(**{**given, **more}))
        return str(raised.value)

    assert "below zero" in problem(vocabulary=-1)
    assert "--judged does not go with a vocabulary of 150 tokens" in problem(vocabulary=150, judged=str(judged))
    write_teacher(tmp_path / "bytes", "roberta")
    assert "only Unigram and WordPiece can be cut" in problem(teacher=str(tmp_path / "bytes"), vocabulary=30)
