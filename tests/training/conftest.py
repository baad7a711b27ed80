"""A tiny BERT in sentence-transformers' format, and texts for it: the real loading code, without the real weights."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

WORDS = "boil egg rain sun cat dog walk home read file line open close fast slow red green blue big small".split()


def sentence(rng: random.Random) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 8)))


@pytest.fixture(autouse=True)
def _no_precision_from_another_test() -> Iterator[None]:
    """A process of ``accelerate`` has one precision, until its state is forgotten."""
    yield
    if "accelerate" in sys.modules:
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def teacher_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers of 32 dimensions, mean pooling, 32 word pieces, normalised."""
    torch = pytest.importorskip("torch", reason="training needs PyTorch")
    transformers = pytest.importorskip("transformers", reason="training needs transformers")
    folder = tmp_path_factory.mktemp("tiny-teacher")
    from tests.training.tiny import write_tokenizer

    vocabulary = write_tokenizer(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    transformers.BertModel(config).save_pretrained(folder)
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False})
    )
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 32}))
    return folder


@pytest.fixture(scope="session")
def dot_teacher_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in coCondenser's format: [CLS], not normalised, dot product."""
    pytest.importorskip("torch", reason="training needs PyTorch")
    pytest.importorskip("transformers", reason="training needs transformers")
    from tests.training.tiny import write_cocondenser

    return write_cocondenser(tmp_path_factory.mktemp("dot") / "teacher")


@pytest.fixture
def recipe_path(tmp_path: Path, teacher_folder: Path) -> Path:
    """A recipe of two stages over 1,500 made-up texts."""
    rng = random.Random(1)
    texts = list(dict.fromkeys(sentence(rng) for _ in range(1500)))
    (tmp_path / "texts.tsv").write_text("".join(f"docs/numpy\t{text}\n" for text in texts))
    path = tmp_path / "tiny.toml"
    path.write_text(
        f"""
name = "tiny"
seed = 3
cache = "{tmp_path / "vectors"}"
development = 0.1

[teacher]
id = "{teacher_folder}"

[student]
hidden = 48

[[stages]]
name = "first"
files = ["{tmp_path / "texts.tsv"}"]
limits = [800]
epochs = 2
batch = 16

[[stages]]
name = "second"
files = ["{tmp_path / "texts.tsv"}"]
epochs = 3
batch = 16
"""
    )
    return path
