"""ST(k) as a folder of sentence-transformers: a model of the teacher's class with k layers, if that computes it.

The library's own modules compute such a student. One with a residual, or with biases by distance, becomes a module of
its own, as all others do (:mod:`training.exporting.sentence_folder`).
"""

from __future__ import annotations

import copy
from typing import Any

from transformers import AutoModel

from training.architectures import architecture_of
from training.exporting import sentence_folder
from training.exporting.sentence_folder import write_json, write_modules
from training.exporting.writers.parts import Target
from training.students import TruncatedTransformer
from training.students.copying import fill_model
from training.teacher.torch_teacher import TorchTeacher

_NAMESPACE = "sentence_transformers.models"
_POOLING = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "last": "pooling_mode_lasttoken"}


def write(student: TruncatedTransformer, target: Target) -> bool:
    """See :mod:`training.exporting.sentence_folder`."""
    if not _is_a_model(student):
        return sentence_folder.write(student, target)
    _write_model(student, target)
    return False


def _is_a_model(student: TruncatedTransformer) -> bool:
    """Whether a model of the teacher's class computes the student."""
    trunk = student.trunk.settings
    # Trained biases differ at distances that the model treats alike, and its first layer has no norm.
    return not (student.residual or trunk["relative"] or (trunk["pre_norm"] and trunk["first_norm"]))


def model_of(student: TruncatedTransformer, teacher: TorchTeacher) -> Any:
    """A ``transformers`` model of the teacher's class with the student's layers, without a pooler."""
    trunk = student.trunk.settings
    config = copy.deepcopy(teacher.model.config)
    changes: dict[str, Any] = {"num_hidden_layers": trunk["layers"]}
    if trunk["windows"]:
        changes["layer_types"] = ["sliding_attention" if window else "full_attention" for window in trunk["windows"]]
    # Students have biases, which start at zero if the teacher has none.
    changes |= {name: True for name in ("attention_bias", "mlp_bias", "norm_bias") if hasattr(config, name)}
    for name, value in changes.items():
        setattr(config, name, value)
    model: Any = AutoModel.from_config(config)
    fill_model(model, architecture_of(config.to_dict()), student.trunk)
    if hasattr(model, "pooler"):
        model.pooler = None
    return model


def _write_model(student: TruncatedTransformer, target: Target) -> None:
    folder, teacher = target.folder, target.teacher
    model_of(student, teacher).save_pretrained(folder)
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
