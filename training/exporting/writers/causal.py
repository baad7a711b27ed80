"""The causal student: teacher layers under a causal mask."""

from __future__ import annotations

from training.architectures import trunk_settings
from training.exporting.graphs_causal import CausalSizes, causal_tensors, write_causal
from training.exporting.graphs_trunk import LayerForm
from training.exporting.writers.parts import Target, Words, Written, arrays_of
from training.student_recipes import CausalRecipe
from training.students.transformer import Causal
from training.teacher.torch_teacher import TorchTeacher

_CARD = """\
A causal query encoder for search while typing, in the embedding space of **{teacher}**: an index of that teacher's
vectors is searched as it is. After each token its embedding is {read} {layers} of the teacher's layers,
fine-tuned to look back only; a keystroke runs them over the new token alone.{ahead}
"""
_CORRECTED = "the sum of a weighted mean of token vectors and a correction read from"
_READ = "read from the outputs of"
_AHEAD = """
A second read-out guesses where a text is going while it is typed: `session.ahead` beside `session.embedding`."""


def write(student: Causal, target: Target) -> Written:
    """Write weights and graphs."""
    trunk = student.trunk.settings
    sizes = CausalSizes(
        layers=trunk["layers"],
        heads=trunk["heads"],
        width=trunk["width"],
        dim=student.dim,
        epsilon=trunk["epsilon"],
        normalize=student.similarity == "cosine",
        ahead=student.guess is not None,
        feed_forward_bits=trunk["feed_forward_bits"],
        attention_bits=trunk["attention_bits"],
        units=trunk["inner"] if trunk["inner"] < _units(target.teacher) else 0,
        **LayerForm.of(trunk),
    )
    tensors = causal_tensors(arrays_of(student), sizes, positions=len(student.start_ids) + target.max_tokens)
    write_causal(target.folder, tensors, sizes)
    return Written(sizes.shape(), prefix_ids=tuple(student.start_ids))


def _units(teacher: TorchTeacher) -> int:
    units: int = trunk_settings(teacher.model.config.to_dict())["inner"]
    return units


def words(student: CausalRecipe, teacher: str) -> Words:
    """See :mod:`training.exporting.writers.parts`."""
    layers = len(student.teacher_layers) or student.layers
    kinds = {"feed-forward layers": student.feed_forward_bits, "attention": student.attention_bits}
    four = " and ".join(name for name, bits in kinds.items() if bits == 4)
    four_bits = f", those of {four} of four bits" if four else ""
    read, ahead = _CORRECTED if student.mean else _READ, _AHEAD if student.ahead else ""
    introduction = _CARD.format(teacher=teacher, layers=layers, read=read, ahead=ahead)
    return Words(introduction, weights=f"int8{four_bits}, run by ONNX Runtime")
