"""Static tables of others: their own libraries are the oracle, and what does not fit together is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from tokenizers import Tokenizer

import typeahead
from tests.static import (
    TOKENIZER,
    VOCABULARY,
    random_table,
    write_model2vec,
    write_sentence_transformers,
)
from tests.texts import texts
from typeahead.cli import main
from typeahead.encoders.static_import import MAX_TOKENS, import_static
from typeahead.errors import ModelCorrupt, ModelError, ModelNotFound

TEXTS = [
    "how to boil an egg",
    "x",
    "naïve café, 2.5 kg",
    "東京の天気",
    "한국어 검색",
    "👩‍👩‍👧‍👦 family emoji",
    "does exercise lower blood pressure? " * 80,
]

MODEL2VEC: dict[str, tuple[dict[str, np.ndarray], dict[str, Any]]] = {
    "as they are": ({"embeddings": random_table()}, {"normalize": False}),
    "of length 1": ({"embeddings": random_table()}, {"normalize": True}),
    "of 20 tokens": ({"embeddings": random_table()}, {"normalize": True, "max_length": 20}),
    "weighted": (
        {"embeddings": random_table(), "weights": np.random.default_rng(1).random(VOCABULARY).astype(np.float32)},
        {"normalize": True},
    ),
    "of few rows": (
        {
            "embeddings": random_table()[:500],
            "mapping": np.random.default_rng(2).integers(0, 500, VOCABULARY),
            "weights": np.random.default_rng(1).random(VOCABULARY).astype(np.float32),
        },
        {"normalize": False},
    ),
    "in int8": (
        {"embeddings": np.random.default_rng(3).integers(-127, 128, (VOCABULARY, 24)).astype(np.int8)},
        {"normalize": True},
    ),
}


@pytest.mark.parametrize("name", MODEL2VEC)
def test_vectors_are_those_of_model2vec(name: str, tmp_path: Path) -> None:
    model2vec = pytest.importorskip("model2vec", reason="model2vec is the oracle")
    tensors, config = MODEL2VEC[name]
    folder = write_model2vec(tmp_path / "source", tensors, **config)
    theirs = model2vec.StaticModel.from_pretrained(folder)
    ours = import_static(folder, tmp_path / "model")
    assert ours.config.teacher.normalized is config["normalize"]

    @settings(max_examples=30)
    @given(st.lists(texts.filter(lambda text: "[" not in text), min_size=1, max_size=4))
    def check(batch: list[str]) -> None:
        expected = theirs.encode(batch, use_multiprocessing=False)
        np.testing.assert_allclose(ours.encode(batch), expected, rtol=1e-5, atol=1e-5)

    check()
    np.testing.assert_allclose(
        ours.encode(TEXTS), theirs.encode(TEXTS, use_multiprocessing=False), rtol=1e-5, atol=1e-5
    )


def test_float16_rows_differ_from_model2vecs_vectors_by_its_rounding_alone(tmp_path: Path) -> None:
    model2vec = pytest.importorskip("model2vec", reason="model2vec is the oracle")
    folder = write_model2vec(tmp_path / "source", {"embeddings": random_table(dtype=np.float16)}, normalize=False)
    theirs = model2vec.StaticModel.from_pretrained(folder).encode(TEXTS, use_multiprocessing=False)
    assert theirs.dtype == np.float16
    np.testing.assert_allclose(import_static(folder, tmp_path / "model").encode(TEXTS), theirs, atol=2e-3)


@pytest.mark.parametrize(("normalize", "truncation"), [(False, None), (True, None), (True, 16)])
def test_vectors_are_those_of_sentence_transformers(tmp_path: Path, normalize: bool, truncation: int | None) -> None:
    library = pytest.importorskip("sentence_transformers", reason="sentence-transformers is the oracle")
    folder = write_sentence_transformers(tmp_path / "source", normalize=normalize, truncation=truncation)
    theirs = library.SentenceTransformer(str(folder), device="cpu")
    ours = import_static(folder, tmp_path / "model")
    assert ours.max_tokens == (truncation or MAX_TOKENS)
    np.testing.assert_allclose(ours.encode(TEXTS), theirs.encode(TEXTS), rtol=1e-5, atol=1e-5)


def test_an_unknown_word_is_left_out_as_model2vec_does_and_counts_as_sentence_transformers_does(
    tmp_path: Path,
) -> None:
    text, rest = "egg \U00012000", "egg"  # cuneiform, which the vocabulary does not have
    for write, same in ((write_model2vec, True), (write_sentence_transformers, False)):
        encoder = import_static(write(tmp_path / write.__name__), tmp_path / f"{write.__name__}-model")
        one, other = encoder.encode([text, rest])
        assert np.allclose(one, other) is same


def test_a_text_of_unknown_words_alone_has_no_direction(tmp_path: Path) -> None:
    encoder = import_static(write_model2vec(tmp_path / "source", normalize=True), tmp_path / "model")
    session = encoder.session()
    session.update("\U00012000")
    assert not encoder.encode(["\U00012000"]).any()
    assert session.embedding is not None
    assert not session.embedding.any()


def test_an_imported_model_encodes_passages_and_queries_and_says_where_it_is_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_model2vec(tmp_path / "potion", normalize=True)
    out = tmp_path / "models" / "potion-tiny"
    assert main(["models", "import", str(folder), "--out", str(out)]) == 0
    assert "potion-tiny, 30,522 tokens, 24 dimensions" in capsys.readouterr().out
    config = typeahead.load(out).config
    assert (config.name, config.family, config.role, config.teacher.name) == (
        "potion-tiny",
        "static",
        "both",
        "potion-tiny",
    )
    assert len(config.teacher.revision) == 64
    card = (out / "README.md").read_text()
    assert "imported from `potion` (model2vec)" in card
    assert config.teacher.revision in card
    assert main(["models", str(out), "--verify"]) == 0
    (tmp_path / "documents.jsonl").write_text(
        "".join(json.dumps({"id": str(row), "text": text}) + "\n" for row, text in enumerate(TEXTS))
    )
    index = ["index", str(tmp_path / "documents.jsonl"), "--out", str(tmp_path / "index"), "--encoder", str(out)]
    assert main(index) == 0
    assert main(["search", str(tmp_path / "index"), "boil an egg", "--encoder", str(out)]) == 0
    assert "how to boil an egg" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["import"],
        ["import", "a"],
        ["import", "a", "b", "--out", "c"],
        ["import", "a", "--out", "c", "--verify"],
        ["minilm-gru", "minilm-doc"],
        ["minilm-gru", "--out", "c"],
    ],
)
def test_arguments_that_do_not_go_together_are_bad_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["models", *arguments])
    assert stopped.value.code == 2


def test_nothing_is_written_over_and_a_refused_folder_leaves_nothing(tmp_path: Path) -> None:
    folder = write_model2vec(tmp_path / "source")
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine")
    with pytest.raises(ModelError, match="already exists"):
        import_static(folder, out)
    with pytest.raises(ModelError, match="is not a valid model name"):
        import_static(folder, tmp_path / "model", name="../x")
    with pytest.raises(ModelNotFound, match="is not a folder"):
        import_static(tmp_path / "none", tmp_path / "model")
    save_file({"embeddings": random_table() * np.float32(np.inf)}, folder / "model.safetensors")
    with pytest.raises(ModelCorrupt):
        import_static(folder, tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]
    assert (out / "mine").read_text() == "mine"


def _with_nan() -> np.ndarray:
    table = random_table()
    table[7, 3] = np.nan
    return table


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"embeddings": random_table()[:-1]}, "30522 tokens, but the table has 30521 rows"),
        ({"embeddings": _with_nan()}, "row of token 7 is NaN"),
        ({"embeddings": random_table()[:, 0]}, "is not a valid table"),
        ({"embeddings": np.zeros((VOCABULARY, 0), np.float32)}, "is not a valid table"),
        ({"embeddings": np.zeros((VOCABULARY, 8), np.float32)}, "zero vectors for every text"),
        ({"embeddings": random_table(), "weights": np.ones(3, np.float32)}, "3 weights for 30522 tokens"),
        (
            {"embeddings": random_table()[:9], "mapping": np.full(VOCABULARY, 9)},
            "refers to rows that the table does not have",
        ),
        (
            {"embeddings": random_table()[:9], "mapping": np.full(VOCABULARY, -1)},
            "refers to rows that the table does not have",
        ),
        ({"other": random_table()}, "neither"),
    ],
)
def test_a_table_that_is_none_or_not_its_tokenizers_is_refused(
    tmp_path: Path, tensors: dict[str, np.ndarray], message: str
) -> None:
    folder = write_model2vec(tmp_path / "source", tensors)
    with pytest.raises(ModelCorrupt, match=message):
        import_static(folder, tmp_path / "model")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", b"\x08\0\0\0\0\0\0\0{}", "cannot be read"),
        ("model.safetensors", b"", "cannot be read"),
        ("tokenizer.json", b"{}", "not a tokenizer"),
        ("tokenizer.json", b"\xff", "cannot be read"),
        ("config.json", b"[]", "cannot be read"),
        ("config.json", b'{"max_length": -1}', "-1 is not a number of tokens"),
        ("modules.json", b"{}", "cannot be read"),
        ("modules.json", b'[{"path": "."}]', "is not a list of modules"),
        ("modules.json", b'[{"path": "../x", "type": "m.StaticEmbedding"}]', "points outside its folder"),
        ("modules.json", b'[{"path": "/etc", "type": "m.StaticEmbedding"}]', "points outside its folder"),
    ],
)
def test_a_damaged_or_hostile_file_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    folder = write_model2vec(tmp_path / "source")
    (folder / name).write_bytes(content)
    with pytest.raises(ModelCorrupt, match=message):
        import_static(folder, tmp_path / "model")


@pytest.mark.parametrize(
    ("kinds", "message"),
    [(["Transformer", "Pooling"], "is a Transformer"), (["StaticEmbedding", "Dense"], "a Dense after the table")],
)
def test_a_model_of_another_kind_is_refused_by_its_kind(tmp_path: Path, kinds: list[str], message: str) -> None:
    folder = write_model2vec(tmp_path / "source")
    modules = [{"path": "." if not number else "1", "type": f"m.{kind}"} for number, kind in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match=message):
        import_static(folder, tmp_path / "model")


def test_a_folder_without_its_tokenizer_is_not_all_of_a_model(tmp_path: Path) -> None:
    folder = write_model2vec(tmp_path / "source")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelCorrupt, match=r"tokenizer\.json is missing"):
        import_static(folder, tmp_path / "model")


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = write_model2vec(tmp_path / "source")
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    tokenizer.add_tokens(["zeitgeist"])
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(ModelCorrupt, match="30523 tokens, but the table has 30522 rows"):
        import_static(folder, tmp_path / "model")
