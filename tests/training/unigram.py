"""A tiny teacher with a Unigram tokenizer in XLM-R's form, and texts in scripts with and without spaces."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

TEXTS = [
    "open the file and read a line",
    "close the red window slowly",
    "die Datei öffnen und eine Zeile lesen",
    "das rote Fenster langsam schließen",
    "открыть файл и прочитать строку",
    "закрыть красное окно",
    "ファイルを開いて行を読む",
    "赤いウィンドウを閉じる",
    "打开文件并阅读一行",
    "关闭红色窗口",
    "파일을 열고 줄을 읽기",
    "빨간 창을 닫기",
    "افتح الملف واقرأ السطر",
    "أغلق النافذة الحمراء",
]


#: In the vocabulary, and in no text that a cut is made for.
_GREEK = "ανοίξτε το αρχείο"


def unigram_pieces() -> list[tuple[str, float]]:
    """Special tokens, whole words, their halves and all single characters, each with a score."""
    words = [
        word for text in [*TEXTS, "query: passage:", _GREEK] for word in unicodedata.normalize("NFKC", text).split()
    ]
    scores = {"▁": -3.0}
    for word in words:
        half = len(word) // 2
        parts = {f"▁{word}": -4.0, f"▁{word[:half]}": -6.0, word[half:]: -6.0}
        for piece, score in [*parts.items(), *((character, -9.0) for character in word)]:
            scores.setdefault(piece, score)
    special = [(piece, 0.0) for piece in ("<s>", "<pad>", "</s>", "<unk>")]
    return [*special, *scores.items(), ("<mask>", 0.0)]


def write_unigram_tokenizer(folder: Path) -> int:
    """Write a tokenizer as multilingual-e5-small has it; returns the size of its vocabulary."""
    import transformers
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

    pieces = unigram_pieces()
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    tokenizer.add_special_tokens(
        [AddedToken(piece, normalized=False, lstrip=piece == "<mask>") for piece, score in pieces if score == 0]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        cls_token="<s>",
        sep_token="</s>",
        mask_token="<mask>",
    ).save_pretrained(folder)
    return len(pieces)


def write_unigram_teacher(folder: Path) -> Path:
    """A BERT with E5's prompts, mean pooling and unit vectors, whose table has more rows than there are tokens."""
    import torch
    import transformers

    vocabulary = write_unigram_tokenizer(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=vocabulary + 5,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    transformers.BertModel(config).save_pretrained(folder)
    kinds = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (kind, path) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 48}))
    prompts = {"prompts": {"query": "query: ", "document": "passage: "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    return folder
