"""A tiny BERT in coCondenser's format and a tiny judged collection, for the tests of stage 2."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.training.conftest import WORDS


def write_cocondenser(folder: Path, *, dropout: float = 0.1, width: int = 32, head: bool = False) -> Path:
    """A plain Hugging Face BERT: no sentence-transformers files, so [CLS], not normalised, dot product.

    With a ``head`` it is one for masked language models.
    """
    import torch
    import transformers

    vocabulary = write_tokenizer(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=32,
        initializer_range=0.2,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    model = transformers.BertForMaskedLM(config) if head else transformers.BertModel(config, add_pooling_layer=False)
    model.save_pretrained(folder)
    return folder


def write_decoder(folder: Path, kind: str) -> Path:
    """A tiny decoder, "llama" or "gpt2", with the tokenizer of the others."""
    import torch
    import transformers

    vocabulary = write_tokenizer(folder)
    torch.manual_seed(0)
    if kind == "llama":
        config: Any = transformers.LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=64,
            max_position_embeddings=32,
            initializer_range=0.2,
        )
        model: Any = transformers.LlamaForCausalLM(config)
    else:
        config = transformers.GPT2Config(
            vocab_size=vocabulary, n_embd=32, n_layer=2, n_head=4, n_positions=32, initializer_range=0.2
        )
        model = transformers.GPT2LMHeadModel(config)
    model.save_pretrained(folder)
    return folder


def write_tokenizer(folder: Path) -> int:
    """Write a word piece tokenizer of the words that the texts are made of; returns the size of its vocabulary."""
    import transformers
    from tokenizers import BertWordPieceTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = special + sorted({*WORDS, *letters, *(f"##{letter}" for letter in letters)})
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    fast = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=fast._tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    return len(vocabulary)


def write_collection(folder: Path, *, passages: int = 90, seed: int = 5) -> Path:
    """A BEIR folder whose queries have three of the five words of their one passage, split into train and test."""
    rng = random.Random(seed)
    (folder / "qrels").mkdir(parents=True)
    corpus: list[dict[str, Any]] = []
    queries: list[dict[str, Any]] = []
    judgements: dict[str, list[str]] = {"train": [], "test": []}
    for number in range(passages):
        words = rng.sample(WORDS, 5)
        corpus.append({"_id": f"p{number}", "title": words[0], "text": " ".join(words[1:])})
        queries.append({"_id": f"q{number}", "text": " ".join(rng.sample(words, 3))})
        judgements["test" if number % 5 == 0 else "train"].append(f"q{number}\tp{number}\t1")
    for name, records in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    for split, lines in judgements.items():
        (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(lines) + "\n")
    return folder


def write_recipe(
    path: Path, teacher: Path, collection: Path, *, student: str = "", stages: str = "", rounds: str = ""
) -> Path:
    """A recipe over both, in the folder of ``path``."""
    path.write_text(
        f"""
name = "tiny"
seed = 3
cache = "{path.parent / "vectors"}"
development = 0.1
{"" if stages else "stages = []"}

[teacher]
id = "{teacher}"

[student]
max_tokens = 16
{student}
{stages}

[data]
collection = "{collection}"

{rounds}
"""
    )
    return path


#: Entries of [student] by family, and whether its table is the passage encoder's.
STUDENTS = {
    "rnn": 'family = "rnn"\nhidden = 32\nlayers = 1\nfeed_forward = 1',
    "residual-gru": 'family = "residual-gru"\nhidden = 16',
    "causal": 'family = "causal"\nlayers = 1',
    "transformer": 'family = "transformer"\nlayers = 1',
    "static": 'family = "static"',
}


def start_student(recipe: Path, run: Path) -> None:
    """Leave a student as stage 1 would, untrained."""
    import numpy as np
    import torch

    from training.recipe import read_recipe
    from training.students import build, save_student
    from training.teacher.torch_teacher import TorchTeacher

    read = read_recipe(recipe)
    teacher = TorchTeacher.of(read.teacher)
    torch.manual_seed(1)
    run.mkdir(parents=True, exist_ok=True)
    counts = np.ones(teacher.model.config.vocab_size, np.int64)
    save_student(build(read.student, teacher, counts), run / "student.safetensors")
