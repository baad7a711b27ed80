"""The students in PyTorch. :mod:`training.exporting.export` turns trained ones into model folders.

==================  ==========================================  =====  =============================================
family              class                                       folds  what it is
==================  ==========================================  =====  =============================================
``static``          :class:`~.static.Static`                    yes    weighted mean of token vectors
``residual-gru``    :class:`~.recurrent.ResidualGRU`            yes    that mean, plus a correction read from a GRU
``rnn``             :class:`~.recurrent.PaperRNN`               yes    RNN(l, f) of the paper
``causal``          :class:`~.transformer.Causal`               yes    teacher layers under a causal mask
``transformer``     :class:`~.transformer.TruncatedTransformer` no     ST(k): the teacher's first layers
==================  ==========================================  =====  =============================================

:func:`build` makes the student that a recipe names. :func:`save_student` and :func:`load_student` write and read one.
"""

from typing import TYPE_CHECKING

from training.students.base import Student, TokenMean
from training.students.files import build, load_student, save_student
from training.students.recurrent import PaperRNN, ResidualGRU
from training.students.static import Static
from training.students.transformer import Causal, TruncatedTransformer
from typeahead.moved import moved_names

__all__ = [
    "Causal",
    "PaperRNN",
    "ResidualGRU",
    "Static",
    "Student",
    "TokenMean",
    "TruncatedTransformer",
    "build",
    "load_student",
    "save_student",
]

if not TYPE_CHECKING:
    __getattr__ = moved_names(
        __name__,
        {
            "FAMILIES": "training.families:FAMILIES",
        },
    )
