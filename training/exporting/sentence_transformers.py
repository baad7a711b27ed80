"""Writes a student as a folder of sentence-transformers, float32, safetensors only.

ST(k) that pools as its teacher does is a BERT of k layers and becomes one: ``SentenceTransformer(folder)`` needs no
code of ours. Every other student is a module of its own, ``sentence_student.py``, of which a copy lies in the folder:
``SentenceTransformer(folder, trust_remote_code=True)``. What typeahead itself runs is made by
:mod:`training.exporting.export`.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import BertConfig, BertModel

from training.exporting.card import student_card
from training.recipe import Recipe
from training.students import Student, TruncatedTransformer, load_student
from training.students.rounding import rounded_state
from training.teacher.torch_teacher import TorchTeacher
from typeahead.models.golden import cosines

_MIN_COSINE = 0.9999
_NAMESPACE = "sentence_transformers.models"
_POOLING = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "last": "pooling_mode_lasttoken"}

_USAGE = """\
    from sentence_transformers import SentenceTransformer
    vectors = SentenceTransformer({arguments}).encode(["how to boil an egg"])

Weights are float32. For queries only: passages are encoded by the teacher."""


def _json(path: Path, data: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def is_native(student: Student) -> bool:
    """Whether the library's own modules compute this student."""
    return isinstance(student, TruncatedTransformer) and not student.residual


def bert_weights(student: TruncatedTransformer) -> dict[str, Tensor]:
    """The trunk's weights by the names of a ``transformers`` BertModel, without a pooler.

    Token types have no embedding of their own: that of type 0 is part of the positions'.
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


def _write_native(folder: Path, student: TruncatedTransformer, teacher: TorchTeacher) -> None:
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
    _json(folder / "sentence_bert_config.json", {"max_seq_length": teacher.max_length, "do_lower_case": False})
    modes = {key: mode == student.pooling for mode, key in _POOLING.items()}
    _json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": student.dim, **modes})
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling")]
    if student.similarity == "cosine":
        (folder / "2_Normalize").mkdir()
        _json(folder / "2_Normalize" / "config.json", {})
        kinds.append(("2_Normalize", "Normalize"))
    _modules(folder, [(path, f"{_NAMESPACE}.{kind}") for path, kind in kinds])


def _write_own(folder: Path, student: Student, teacher: TorchTeacher, max_tokens: int) -> None:
    # The library encodes whole texts: what guesses where unfinished ones are going stays here.
    settings = {name: value for name, value in student.settings.items() if name != "ahead"}
    _json(folder / "student.json", {"family": student.family, **settings, "max_tokens": max_tokens})
    state = rounded_state(student).items()
    tensors = {name: tensor.contiguous() for name, tensor in state if not name.startswith("guess.")}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer = teacher.tokenizer.backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    shutil.copy(Path(__file__).with_name("sentence_module.py"), folder / "sentence_student.py")
    _modules(folder, [("", "sentence_student.SentenceStudent")])


def _modules(folder: Path, kinds: Sequence[tuple[str, str]]) -> None:
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": kind} for number, (path, kind) in enumerate(kinds)
    ]
    _json(folder / "modules.json", modules)


def export_sentences(
    run: Path,
    recipe: Recipe,
    teacher: TorchTeacher,
    out: Path,
    texts: Sequence[str],
    reference: np.ndarray,
    max_tokens: int,
) -> None:
    """Write the student of a finished run to ``out``, once the library gives the ``reference`` (n, dim) for ``texts``.

    ``ImportError`` where the library is missing; ``ValueError`` where its vectors differ, or ``out`` holds other files.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ImportError('this needs sentence-transformers: pip install "sentence-transformers>=5.0"') from error
    if out.exists() and any(out.iterdir()) and not (out / "modules.json").is_file():
        raise ValueError(f"{out} holds files, and is no folder of sentence-transformers: give another one")
    student = load_student(run)
    native = is_native(student)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "student"
        folder.mkdir()
        if native and isinstance(student, TruncatedTransformer):
            _write_native(folder, student, teacher)
        else:
            _write_own(folder, student, teacher, max_tokens)
        prompts = {"query": teacher.query_prompt} if native and teacher.query_prompt else {}
        described = {
            "prompts": prompts,
            "default_prompt_name": "query" if prompts else None,
            "similarity_fn_name": student.similarity,
        }
        _json(folder / "config_sentence_transformers.json", described)
        arguments = f'"{out.name}"' + ("" if native else ", trust_remote_code=True")
        card = student_card(recipe, run, (), usage=_USAGE.format(arguments=arguments))
        (folder / "README.md").write_text(card, encoding="utf-8")
        loaded = SentenceTransformer(str(folder), trust_remote_code=not native, device="cpu")
        worst = float(cosines(np.asarray(loaded.encode(list(texts)), np.float32), reference).min())
        print(f"sentence-transformers against the student, {len(texts)} texts: cosine {worst:.6f} at worst")
        if not worst >= _MIN_COSINE:
            raise ValueError(f"sentence-transformers gives other vectors: cosine {worst:.6f}, not {_MIN_COSINE}")
        if out.exists():
            shutil.rmtree(out)
        # Not their mode: safetensors writes files that the owner alone may read.
        shutil.copytree(folder, out, copy_function=shutil.copyfile)
