"""A teacher with a student's vocabulary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")

from tests.training.unigram import TEXTS, write_unigram_teacher  # noqa: E402
from training.teacher.cut_teacher import CutTeacher, with_vocabulary  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from training.vocabulary import Vocabulary, cut_vocabulary  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_unigram_teacher(tmp_path_factory.mktemp("unigram") / "teacher")


@pytest.fixture(scope="module")
def teacher(folder: Path) -> TorchTeacher:
    return TorchTeacher(str(folder))


def cut(teacher: TorchTeacher, size: int) -> Vocabulary:
    keep = {number for prompt in ("query: ", "passage: ") for number in teacher.tokenizer(prompt)["input_ids"]}
    return cut_vocabulary(teacher.tokenizer.backend_tokenizer, TEXTS, size, keep=keep)


def test_texts_that_keep_their_tokens_have_the_teachers_vectors(teacher: TorchTeacher) -> None:
    own = CutTeacher(teacher, cut(teacher, 10_000))
    assert len(own.tokenizer) < len(teacher.tokenizer)
    for prompt in ("query: ", "passage: "):
        np.testing.assert_allclose(own.encode(TEXTS, prompt=prompt), teacher.encode(TEXTS, prompt=prompt), atol=1e-6)


def test_its_tables_are_rows_of_the_teachers(teacher: TorchTeacher) -> None:
    vocabulary = cut(teacher, 150)
    own = CutTeacher(teacher, vocabulary)
    rows = torch.from_numpy(vocabulary.rows.astype(np.int64))
    assert torch.equal(own.word_embeddings(), teacher.word_embeddings()[rows])
    torch.testing.assert_close(own.token_vectors(), teacher.token_vectors()[rows], atol=1e-6, rtol=0)
    assert own.model.config.vocab_size == 150 < teacher.model.config.vocab_size


def test_all_weights_but_the_table_are_shared(teacher: TorchTeacher) -> None:
    own = CutTeacher(teacher, cut(teacher, 150))
    assert own.model.encoder.layer[0].output.dense.weight is teacher.model.encoder.layer[0].output.dense.weight
    assert own.model.get_input_embeddings() is not teacher.model.get_input_embeddings()


def test_token_vectors_are_kept_apart_from_the_teachers(teacher: TorchTeacher, folder: Path, tmp_path: Path) -> None:
    whole = teacher.token_vectors(tmp_path)
    first = CutTeacher(TorchTeacher(str(folder)), cut(teacher, 150)).token_vectors(tmp_path)
    again = CutTeacher(TorchTeacher(str(folder)), cut(teacher, 150)).token_vectors(tmp_path)
    other = CutTeacher(TorchTeacher(str(folder)), cut(teacher, 140)).token_vectors(tmp_path)
    assert [len(table) for table in (whole, first, other)] == [teacher.model.config.vocab_size, 150, 140]
    assert torch.equal(first, again)


def test_a_rounded_teacher_gives_students_a_precise_table(teacher: TorchTeacher, folder: Path) -> None:
    vocabulary = cut(teacher, 150)
    rounded = CutTeacher(TorchTeacher(str(folder), dtype="bfloat16"), vocabulary)
    assert torch.equal(rounded.word_embeddings(), CutTeacher(teacher, vocabulary).word_embeddings())
    assert rounded.model.get_input_embeddings().weight.dtype == torch.bfloat16


def test_a_vocabulary_of_another_teacher_is_refused(teacher: TorchTeacher, teacher_folder: Path) -> None:
    with pytest.raises(ValueError, match="was cut from another tokenizer than that of"):
        CutTeacher(TorchTeacher(str(teacher_folder)), cut(teacher, 150))


def test_a_vocabulary_without_the_prompts_pieces_is_refused(teacher: TorchTeacher) -> None:
    without = cut_vocabulary(teacher.tokenizer.backend_tokenizer, TEXTS, 150)
    with pytest.raises(ValueError, match="has other tokens for the prompt"):
        CutTeacher(teacher, without)


def test_no_folder_is_the_teacher_itself(teacher: TorchTeacher, tmp_path: Path) -> None:
    assert with_vocabulary(teacher, "") is teacher
    cut(teacher, 150).save(tmp_path)
    assert isinstance(with_vocabulary(teacher, str(tmp_path)), CutTeacher)
