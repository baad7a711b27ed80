"""Teachers: what their files say is how they are run, and sentence-transformers is the oracle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from safetensors.torch import load_file, save_file  # noqa: E402

from tests.training.architectures import MOST_TOKENS, TOKENIZERS, write_teacher  # noqa: E402
from tests.training.tiny import write_cocondenser  # noqa: E402
from training.recipe import TeacherRecipe  # noqa: E402
from training.teacher import settings  # noqa: E402
from training.teacher.settings import Settings, read_settings, settings_of  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402

TEXTS = ["boil egg", "a", "walk home " * 40, "zebra, 12 cats!"]


def variant(source: Path, folder: Path, **files: dict[str, Any]) -> Path:
    """A copy of a teacher's folder with some JSON files changed: ``a__b`` stands for ``a/b.json``."""
    shutil.copytree(source, folder)
    for name, entries in files.items():
        path = folder / (name.replace("__", "/") + ".json")
        before = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps(before | entries))
    return folder


def test_a_plain_folder_is_a_retriever_as_cocondenser_s_is(tmp_path: Path) -> None:
    folder = write_cocondenser(tmp_path / "teacher")
    teacher = TorchTeacher(str(folder))
    assert (teacher.pooling, teacher.normalize, teacher.similarity, teacher.max_length) == ("cls", False, "dot", 32)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    inputs = transformers.AutoTokenizer.from_pretrained(folder)(
        TEXTS, padding=True, truncation=True, max_length=32, return_tensors="pt"
    )
    with torch.inference_mode():
        expected = model(**inputs).last_hidden_state[:, 0]
    np.testing.assert_allclose(teacher.encode(TEXTS), expected, rtol=1e-4, atol=1e-5)
    assert np.linalg.norm(teacher.encode(TEXTS), axis=1).min() > 2


@pytest.mark.parametrize("mode", ["mean", "cls", "last"])
def test_prompts_and_pooling_of_a_folder_are_those_of_sentence_transformers(
    teacher_folder: Path, tmp_path: Path, mode: str
) -> None:
    library = pytest.importorskip("sentence_transformers", reason="the oracle is sentence-transformers")
    names = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
    modes = {f"pooling_mode_{name}": name == names[mode] for name in names.values()}
    prompts = {"query": "read: ", "document": "file: "}
    folder = variant(
        teacher_folder,
        tmp_path / "teacher",
        config_sentence_transformers={"prompts": prompts, "similarity_fn_name": "cosine"},
    )
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **modes}))
    teacher, reference = TorchTeacher(str(folder)), library.SentenceTransformer(str(folder), device="cpu")
    assert (teacher.query_prompt, teacher.passage_prompt, teacher.pooling) == ("read: ", "file: ", mode)
    for prompt, expected in (
        (teacher.query_prompt, reference.encode_query(TEXTS)),
        (teacher.passage_prompt, reference.encode_document(TEXTS)),
        ("", reference.encode(TEXTS)),
    ):
        np.testing.assert_allclose(teacher.encode(TEXTS, prompt=prompt), expected, atol=1e-5)


def test_what_is_given_counts_more_than_what_the_files_say(teacher_folder: Path) -> None:
    recipe = TeacherRecipe(str(teacher_folder), query_prompt="query: ", passage_prompt="passage: ", normalize=False)
    teacher = TorchTeacher.of(recipe)
    assert (teacher.query_prompt, teacher.passage_prompt, teacher.normalize) == ("query: ", "passage: ", False)
    assert (teacher.pooling, teacher.max_length) == ("mean", 32)
    np.testing.assert_allclose(
        teacher.encode(["boil egg"], prompt="query: "), teacher.encode(["query: boil egg"]), atol=1e-6
    )


def test_special_tokens_and_prompt_frame_the_tokens_of_a_text(teacher_folder: Path) -> None:
    teacher = TorchTeacher(str(teacher_folder), query_prompt="read a file: ")
    for prompt in (None, "", "walk: "):
        before, after = teacher.special_ids(prompt)
        used = teacher.query_prompt if prompt is None else prompt
        for text in ("boil egg", "a", "zebra"):
            middle = teacher.tokenizer(text, add_special_tokens=False)["input_ids"]
            assert [before + middle + after] == teacher.token_ids([text], used)


def test_settings_of_other_folders(teacher_folder: Path, tmp_path: Path) -> None:
    assert read_settings(teacher_folder) == Settings("mean", 32, True, "")
    assert settings_of(str(teacher_folder), {}) == Settings("mean", 32, True, "cosine")
    newer = variant(teacher_folder, tmp_path / "newer", **{"1_Pooling__config": {"pooling_mode_mean_tokens": False}})
    (newer / "1_Pooling" / "config.json").write_text(json.dumps({"embedding_dimension": 32, "pooling_mode": "cls"}))
    assert read_settings(newer).pooling == "cls"
    default = {"prompts": {"search": "find: "}, "default_prompt_name": "search"}
    prompted = variant(teacher_folder, tmp_path / "default", config_sentence_transformers=default)
    assert read_settings(prompted).query_prompt == read_settings(prompted).passage_prompt == "find: "


def without_normalize(source: Path, folder: Path, **described: Any) -> Path:
    """A copy of a teacher's folder without the module that divides by the length."""
    folder = variant(source, folder, config_sentence_transformers=described)
    modules = json.loads((folder / "modules.json").read_text())[:2]
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def test_a_folder_that_does_not_normalise_is_searched_by_dot_product(teacher_folder: Path, tmp_path: Path) -> None:
    folder = without_normalize(teacher_folder, tmp_path / "dot")
    assert settings_of(str(folder), {}) == Settings("mean", 32, False, "dot")


@pytest.mark.parametrize("stated", ["by the files", "by the recipe"])
def test_vectors_that_compare_by_cosine_have_length_one(stated: str, teacher_folder: Path, tmp_path: Path) -> None:
    described = {"similarity_fn_name": "cosine"} if stated == "by the files" else {}
    folder = without_normalize(teacher_folder, tmp_path / "teacher", **described)
    teacher = TorchTeacher(str(folder), similarity=None if described else "cosine")
    assert (teacher.similarity, teacher.normalize) == ("cosine", True)
    np.testing.assert_allclose(teacher.encode(TEXTS), TorchTeacher(str(teacher_folder)).encode(TEXTS), atol=1e-6)


def test_what_a_recipe_says_of_normalisation_decides_the_similarity(teacher_folder: Path, tmp_path: Path) -> None:
    folder = str(without_normalize(teacher_folder, tmp_path / "teacher", similarity_fn_name="cosine"))
    for given, expected in (
        ({"normalize": False}, (False, "dot")),
        ({"normalize": True}, (True, "cosine")),
        ({"similarity": "dot"}, (False, "dot")),
        ({"normalize": True, "similarity": "dot"}, (True, "cosine")),
    ):
        found = settings_of(folder, given)
        assert (found.normalize, found.similarity) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"1_Pooling__config": {"pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True}}, "pooling"),
        ({"1_Pooling__config": {"pooling_mode_cls_token": True}}, "pooling"),
        (
            {
                "1_Pooling__config": {"include_prompt": False},
                "config_sentence_transformers": {"prompts": {"query": "q: "}},
            },
            "prompt",
        ),
        ({"config_sentence_transformers": {"similarity_fn_name": "euclidean"}}, "euclidean"),
    ],
)
def test_what_cannot_be_computed_is_refused(
    teacher_folder: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        TorchTeacher(str(variant(teacher_folder, tmp_path / "teacher", **change)))


def test_a_module_that_is_not_known_is_named(teacher_folder: Path, tmp_path: Path) -> None:
    folder = variant(teacher_folder, tmp_path / "dense")
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ValueError, match="Dense"):
        TorchTeacher(str(folder))


def test_a_hub_id_is_read_as_its_folder_would_be(teacher_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def download(name: str, **_options: Any) -> str:
        asked.append(name)
        return str(teacher_folder)

    monkeypatch.setattr(settings, "snapshot_download", download)
    assert settings_of("someone/some-model", {}) == settings_of(str(teacher_folder), {})
    assert asked == ["someone/some-model"]


def test_a_pooler_that_the_files_lack_is_of_no_account(teacher_folder: Path, tmp_path: Path) -> None:
    folder = variant(teacher_folder, tmp_path / "teacher")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: tensor for name, tensor in weights.items() if not name.startswith("pooler.")},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    first, second = TorchTeacher(str(folder)), TorchTeacher(str(folder))
    assert first.key() == second.key() != TorchTeacher(str(teacher_folder)).key()
    np.testing.assert_array_equal(first.encode(TEXTS), TorchTeacher(str(teacher_folder)).encode(TEXTS))


def test_weights_that_are_missing_are_an_error(teacher_folder: Path, tmp_path: Path) -> None:
    folder = variant(teacher_folder, tmp_path / "teacher")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: tensor for name, tensor in weights.items() if ".layer.1." not in name},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(ValueError, match=r"layer\.1\."):
        TorchTeacher(str(folder))


def test_token_vectors_are_kept_for_each_prompt(teacher_folder: Path, tmp_path: Path) -> None:
    plain, prompted = TorchTeacher(str(teacher_folder)), TorchTeacher(str(teacher_folder), query_prompt="read: ")
    first, second = plain.token_vectors(tmp_path), prompted.token_vectors(tmp_path)
    assert len(list(tmp_path.glob("tokens-*"))) == 2
    assert not torch.allclose(first, second, atol=1e-2)
    word = plain.tokenizer.convert_tokens_to_ids("boil")
    np.testing.assert_allclose(first[word], plain.encode(["boil"])[0], atol=1e-5)
    np.testing.assert_allclose(second[word], prompted.encode(["boil"], prompt="read: ")[0], atol=1e-5)
    again = TorchTeacher(str(teacher_folder))
    again.encode_ids = None  # type: ignore[method-assign,assignment]
    assert torch.equal(again.token_vectors(tmp_path), first)


def test_bfloat16_is_close(teacher_folder: Path) -> None:
    precise, rounded = TorchTeacher(str(teacher_folder)), TorchTeacher(str(teacher_folder), dtype="bfloat16")
    assert (precise.encode(TEXTS) * rounded.encode(TEXTS)).sum(1).min() > 0.999
    assert precise.key() != rounded.key()
    torch.testing.assert_close(rounded.word_embeddings(), precise.word_embeddings(), rtol=0, atol=0)


def test_a_teacher_whose_code_is_on_the_hub_is_refused_before_its_weights_are_read(
    teacher_folder: Path, tmp_path: Path
) -> None:
    config = json.loads((teacher_folder / "config.json").read_text())
    for changes, message in (
        ({"auto_map": {"AutoModel": "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel"}}, "ALiBi"),
        ({"model_type": "not-there-yet"}, "has no code for the model type 'not-there-yet': upgrade transformers"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config | changes))
        with pytest.raises(ValueError, match=message) as caught:
            TorchTeacher(str(tmp_path))
        assert str(caught.value).startswith(str(tmp_path))


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_text_is_cut_where_the_teachers_positions_end(kind: str, tmp_path: Path) -> None:
    folder = write_teacher(tmp_path / kind, kind)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 512}))
    teacher = TorchTeacher(str(folder))
    assert teacher.max_length == MOST_TOKENS
    ids = teacher.token_ids(["egg " * 400])
    assert len(ids[0]) == MOST_TOKENS
    assert np.isfinite(teacher.encode_ids(ids)).all()
