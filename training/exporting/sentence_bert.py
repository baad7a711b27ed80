"""ST(k) as a folder of sentence-transformers: a BERT of k layers, if it pools as its teacher does.

The library's own modules compute such a student. One with a residual becomes a module of its own, as all others do
(:mod:`training.exporting.sentence_folder`).
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import BertConfig, BertModel

from training.exporting import sentence_folder
from training.exporting.sentence_folder import write_json, write_modules
from training.exporting.writers.parts import Target
from training.students import TruncatedTransformer

_NAMESPACE = "sentence_transformers.models"
_POOLING = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "last": "pooling_mode_lasttoken"}


def write(student: TruncatedTransformer, target: Target) -> bool:
    """See :mod:`training.exporting.sentence_folder`."""
    if student.residual:
        return sentence_folder.write(student, target)
    _write_bert(student, target)
    return False


def bert_weights(student: TruncatedTransformer) -> dict[str, Tensor]:
    """The trunk's weights by the names of a ``transformers`` BertModel, without a pooler.

    Token types have no embeddings of their own: that of type 0 is part of the positions'.
    """
    state = student.state_dict()
    width = student.trunk.width
    found = {
        "embeddings.word_embeddings.weight": state["trunk.words.weight"],
        "embeddings.position_embeddings.weight": state["trunk.positions"],
        "embeddings.token_type_embeddings.weight": torch.zeros(2, width),
    }
    for kind in ("weight", "bias"):
        found[f"embeddings.LayerNorm.{kind}"] = state[f"trunk.norm.{kind}"]
        for number in range(len(student.trunk.layers)):
            own, theirs = f"trunk.layers.{number}", f"encoder.layer.{number}"
            for name, part in zip(("query", "key", "value"), state[f"{own}.qkv.{kind}"].split(width), strict=True):
                found[f"{theirs}.attention.self.{name}.{kind}"] = part
            for name, source in (
                ("attention.output.dense", "attention"),
                ("attention.output.LayerNorm", "attention_norm"),
                ("intermediate.dense", "up"),
                ("output.dense", "down"),
                ("output.LayerNorm", "down_norm"),
            ):
                found[f"{theirs}.{name}.{kind}"] = state[f"{own}.{source}.{kind}"]
    return {name: tensor.contiguous().clone() for name, tensor in found.items()}


def _write_bert(student: TruncatedTransformer, target: Target) -> None:
    folder, teacher = target.folder, target.teacher
    sizes = student.trunk.settings
    config = BertConfig(
        vocab_size=sizes["vocabulary"],
        hidden_size=sizes["width"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        intermediate_size=sizes["inner"],
        max_position_embeddings=sizes["positions"],
        layer_norm_eps=sizes["epsilon"],
        hidden_act="gelu",
        pad_token_id=teacher.tokenizer.pad_token_id or 0,
    )
    model = BertModel(config, add_pooling_layer=False)
    model.load_state_dict(bert_weights(student))
    model.save_pretrained(folder)
    teacher.tokenizer.save_pretrained(folder)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": teacher.max_length, "do_lower_case": False})
    modes = {key: mode == student.pooling for mode, key in _POOLING.items()}
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": student.dim, **modes})
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling")]
    if student.similarity == "cosine":
        (folder / "2_Normalize").mkdir()
        write_json(folder / "2_Normalize" / "config.json", {})
        kinds.append(("2_Normalize", "Normalize"))
    write_modules(folder, [(path, f"{_NAMESPACE}.{kind}") for path, kind in kinds])
