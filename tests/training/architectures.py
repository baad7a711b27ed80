"""Tiny teachers of random weights, one of each architecture, in sentence-transformers' format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.training.conftest import WORDS

#: Width, layers, heads and inner size of all of them.
WIDTH, LAYERS, HEADS, INNER = 64, 3, 4, 128
MOST_TOKENS = 160

#: Each architecture with the tokenizer that its models have.
TOKENIZERS = {
    "bert": "wordpiece",
    "roberta": "bytes",
    "xlm-roberta": "unigram",
    "mpnet": "wordpiece",
    "distilbert": "wordpiece",
    "modernbert": "bytes",
}


def tiny_model(kind: str, vocabulary: int = 40, **changes: Any) -> Any:
    """A model of random weights, in evaluation mode."""
    import torch
    import transformers

    common: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "initializer_range": 0.2,
    }
    own: dict[str, dict[str, Any]] = {
        "bert": {"max_position_embeddings": MOST_TOKENS},
        "roberta": {"max_position_embeddings": MOST_TOKENS + 2, "type_vocab_size": 1},
        "xlm-roberta": {"max_position_embeddings": MOST_TOKENS + 2, "type_vocab_size": 1},
        "mpnet": {"max_position_embeddings": MOST_TOKENS + 2},
        "distilbert": {"max_position_embeddings": MOST_TOKENS, "hidden_dim": INNER},
        "modernbert": {
            "max_position_embeddings": MOST_TOKENS,
            "local_attention": 16,
            **dict.fromkeys(("pad_token_id", "bos_token_id", "cls_token_id"), 0),
            **dict.fromkeys(("eos_token_id", "sep_token_id"), 2),
        },
    }
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **common | own[kind] | changes)
    model = transformers.AutoModel.from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # The library starts with biases of zero and norms of one, which would hide a wrong copy.
            if parameter.ndim == 1 or "relative" in name:
                parameter.add_(torch.randn_like(parameter) * (0.5 if "relative" in name else 0.1))
    return model


def write_teacher(folder: Path, kind: str, *, pooling: str = "mean", normalize: bool = True, **changes: Any) -> Path:
    """A folder of sentence-transformers with such a model and a tokenizer of its kind."""
    tokenizer = write_tokenizer(folder, TOKENIZERS[kind])
    changes = {"pad_token_id": tokenizer.pad_token_id, **changes}
    tiny_model(kind, len(tokenizer), **changes).save_pretrained(folder)
    kinds = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    modules = [
        {
            "idx": at,
            "name": str(at),
            "path": f"{at}_{name}" if at else "",
            "type": f"sentence_transformers.models.{name}",
        }
        for at, name in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    modes = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "last": "pooling_mode_lasttoken"}
    described = {"word_embedding_dimension": WIDTH, **{key: mode == pooling for mode, key in modes.items()}}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(described))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 32}))
    return folder


def write_tokenizer(folder: Path, kind: str) -> Any:
    """Write a tokenizer of ``WORDS``: "wordpiece", "unigram" (as XLM-R's) or "bytes" (byte-level BPE, as RoBERTa's)."""
    import tokenizers
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    pad, unknown, first, last = ("<pad>", "<unk>", "<s>", "</s>")
    special = [first, pad, last, unknown]
    if kind == "wordpiece":
        letters = "abcdefghijklmnopqrstuvwxyz"
        vocabulary = [*special, *sorted({*WORDS, *letters, *(f"##{letter}" for letter in letters)})]
        numbers = {token: number for number, token in enumerate(vocabulary)}
        whole: Any = tokenizers.Tokenizer(tokenizers.models.WordPiece(numbers, unk_token=unknown))
        whole.normalizer = tokenizers.normalizers.BertNormalizer()
        whole.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
        whole.decoder = tokenizers.decoders.WordPiece()
    elif kind == "unigram":
        letters = "abcdefghijklmnopqrstuvwxyz▁"
        pieces = [(token, 0.0) for token in special]
        pieces += [(f"▁{word}", -5.0 - len(word) / 10) for word in WORDS] + [(letter, -9.0) for letter in letters]
        whole = tokenizers.Tokenizer(tokenizers.models.Unigram(pieces, unk_id=3))
        whole.normalizer = tokenizers.normalizers.Sequence(
            [tokenizers.normalizers.NFKC(), tokenizers.normalizers.Replace(tokenizers.Regex(" {2,}"), " ")]
        )
        whole.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
        whole.decoder = tokenizers.decoders.Metaspace()
    else:
        whole = tokenizers.Tokenizer(tokenizers.models.BPE())
        whole.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        whole.decoder = tokenizers.decoders.ByteLevel()
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
        whole.train_from_iterator([" ".join(WORDS)] * 3, trainer)
    whole.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} {last} $B {last}",
        special_tokens=[(token, whole.token_to_id(token)) for token in (first, last)],
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=whole, pad_token=pad, unk_token=unknown, cls_token=first, sep_token=last, bos_token=first,
        eos_token=last, model_max_length=MOST_TOKENS,
    )  # fmt: skip
    tokenizer.save_pretrained(folder)
    return tokenizer
