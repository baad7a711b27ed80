"""The students with GRUs: the residual GRU, and RNN(l, f) of the paper."""

from __future__ import annotations

from torch import nn

from training.exporting.graphs_recurrent import RecurrentSizes, write_recurrent
from training.exporting.writers.parts import Target, Words, Written, arrays_of
from training.student_recipes import ResidualGRURecipe, RNNRecipe
from training.students.recurrent import PaperRNN, ResidualGRU

_RESIDUAL_GRU = """\
A recurrent query encoder for search while typing, in the embedding space of **{teacher}**: an index of that teacher's
vectors is searched as it is. After each token its embedding is the sum of a weighted mean of token vectors
and a correction read from {sources}; a keystroke takes one small step.
"""
_RNN = """\
A recurrent query encoder for search while typing, in the embedding space of **{teacher}**: an index of that teacher's
vectors is searched as it is. It is RNN({student.layers}, {student.feed_forward}) of *Extremely efficient online query
encoding*: GRUs of {student.hidden} units, and feed-forward layers over the state of the last token.
"""


def sizes_of(student: ResidualGRU | PaperRNN) -> RecurrentSizes:
    """The sizes of a student's graphs."""
    normalize = student.similarity == "cosine"
    if isinstance(student, ResidualGRU):
        return RecurrentSizes(
            student.dim, normalize, mean=True, hidden=student.hidden, layers=student.layers, readout=student.units
        )
    sizes = {name: student.settings[name] for name in ("hidden", "layers", "feed_forward")}
    return RecurrentSizes(
        student.dim, normalize, mean=False, **sizes, projected=isinstance(student.projection, nn.Linear)
    )


def write(student: ResidualGRU | PaperRNN, target: Target) -> Written:
    """Write weights and graphs."""
    sizes = sizes_of(student)
    write_recurrent(target.folder, arrays_of(student), sizes)
    return Written(sizes.shape())


def words_of_residual_gru(student: ResidualGRURecipe, teacher: str) -> Words:
    """See :mod:`training.exporting.writers.parts`."""
    sources = f"a GRU of {student.hidden} units"
    if student.readout:
        sources += f" and from that mean, by a layer of {student.readout:,} units"
    return Words(_RESIDUAL_GRU.format(teacher=teacher, sources=sources))


def words_of_rnn(student: RNNRecipe, teacher: str) -> Words:
    """See :mod:`training.exporting.writers.parts`."""
    return Words(_RNN.format(teacher=teacher, student=student))
