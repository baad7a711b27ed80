"""Encoders of whole texts: ST(k), and the BERT teacher itself as a passage encoder."""

from __future__ import annotations

from training.exporting.graphs_transformer import EncoderSizes, student_tensors, teacher_tensors, write_transformer
from training.exporting.smoothing import input_peaks, random_ids
from training.exporting.writers.parts import Target, Words, Written, arrays_of
from training.student_recipes import TransformerRecipe
from training.students.transformer import TruncatedTransformer

_CARD = """\
A query encoder for whole texts, in the embedding space of **{teacher}**: an index of that teacher's vectors is searched
as it is. It has {layers} of the teacher's layers, fine-tuned{residual}. It reads a text anew at every key; the
incremental encoders do not.
"""


def write(student: TruncatedTransformer, target: Target) -> Written:
    """Write weights and graphs."""
    before, after = student.prefix_ids, student.suffix_ids
    trunk = student.trunk.settings
    sizes = EncoderSizes(
        layers=trunk["layers"],
        heads=trunk["heads"],
        epsilon=trunk["epsilon"],
        pooling=student.pooling,
        normalize=student.similarity == "cosine",
        residual=(len(before), len(after)) if student.residual else None,
    )
    ids = random_ids(target.teacher, before, after)
    readers = {
        f"{number}.{name}": student.trunk.get_submodule(f"layers.{number}.{name}")
        for number in range(sizes.layers)
        for name in ("qkv", "up")
    }
    peaks = input_peaks(lambda: student.trunk(ids), readers)
    positions = len(before) + target.max_tokens + len(after)
    write_transformer(target.folder, student_tensors(arrays_of(student), peaks, sizes, positions=positions), sizes)
    return Written({"layers": sizes.layers}, before, after)


def write_teacher(target: Target) -> Written:
    """Write the teacher as an encoder of passages.

    Raises:
        ValueError: the teacher is not a BERT.
    """
    teacher = target.teacher
    settings = teacher.model.config
    if settings.model_type != "bert":
        raise ValueError(f"a {settings.model_type!r} teacher cannot be exported, only a 'bert' one")
    sizes = EncoderSizes(
        layers=settings.num_hidden_layers,
        heads=settings.num_attention_heads,
        epsilon=settings.layer_norm_eps,
        pooling=teacher.pooling,
        normalize=teacher.normalize,
    )
    before, after = teacher.special_ids(teacher.passage_prompt)
    ids = random_ids(teacher, before, after)
    readers = {
        f"{number}.{name}": reader
        for number, layer in enumerate(teacher.model.encoder.layer)
        for name, reader in (("qkv", layer.attention.self.query), ("up", layer.intermediate.dense))
    }
    peaks = input_peaks(lambda: teacher.model(input_ids=ids), readers)
    tensors = teacher_tensors(arrays_of(teacher.model), peaks, layers=sizes.layers, positions=teacher.max_length)
    write_transformer(target.folder, tensors, sizes)
    return Written({"layers": sizes.layers}, tuple(before), tuple(after))


def words(student: TransformerRecipe, teacher: str) -> Words:
    """See :mod:`training.exporting.writers.parts`."""
    layers = len(student.teacher_layers) or student.layers
    residual = ", and a weighted mean of token vectors beside them" if student.residual else ""
    return Words(_CARD.format(teacher=teacher, layers=layers, residual=residual))
