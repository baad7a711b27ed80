"""Encoders of whole texts: ST(k), and the teacher itself as a passage encoder, which is ST(k) with all layers."""

from __future__ import annotations

from training.exporting.graphs_transformer import EncoderSizes, encoder_tensors, write_transformer
from training.exporting.graphs_trunk import LayerForm
from training.exporting.smoothing import input_peaks, random_ids
from training.exporting.writers.parts import Target, Words, Written, arrays_of
from training.student_recipes import TransformerRecipe
from training.students.transformer import TruncatedTransformer
from training.students.trunk import Trunk

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
        **LayerForm.of(trunk),
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
    write_transformer(target.folder, encoder_tensors(arrays_of(student), peaks, sizes, positions=positions), sizes)
    return Written({"layers": sizes.layers}, before, after)


def write_teacher(target: Target) -> Written:
    """Write the teacher as an encoder of passages.

    Raises:
        ValueError: no trunk computes the teacher (:mod:`training.architectures`).
    """
    teacher = target.teacher
    before, after = teacher.special_ids(teacher.passage_prompt)
    whole = TruncatedTransformer(
        Trunk.of_teacher(teacher),
        prefix_ids=before,
        suffix_ids=after,
        pooling=teacher.pooling,
        similarity="cosine" if teacher.normalize else "dot",
    )
    return write(whole.eval(), target)


def words(student: TransformerRecipe, teacher: str) -> Words:
    """See :mod:`training.exporting.writers.parts`."""
    layers = len(student.teacher_layers) or student.layers
    residual = ", and a weighted mean of token vectors beside them" if student.residual else ""
    return Words(_CARD.format(teacher=teacher, layers=layers, residual=residual))
