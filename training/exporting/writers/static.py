"""The static student: a table of int8 and, if it has one, the hidden layer. There is no graph."""

from __future__ import annotations

import numpy as np
from safetensors.numpy import save_file

from training.exporting.graphs import quantize_columns, quantize_rows
from training.exporting.writers.parts import Target, Words, Written, as_array
from training.student_recipes import StaticRecipe
from training.students.static import Static

_CARD = """\
A static query encoder for search while typing, in the embedding space of **{teacher}**: an index of that teacher's
vectors is searched as it is. An embedding is the weighted mean of the vectors of its tokens, in whatever
order{readout}.
"""


def write(student: Static, target: Target) -> Written:
    """Write the table, each row times its weight, the weights where they are needed, and the layer.

    A teacher's table may have more rows than its tokenizer has tokens. They are left out.
    """
    vocabulary = target.teacher.vocabulary
    weight = student.log_weights.weight.detach().exp()[:vocabulary]
    assert student.table is not None
    rows, scale = quantize_rows(as_array(student.table.weight.detach()[:vocabulary] * weight))
    tensors = {
        # The encoder reads rows around 0, the graphs' products read them around 128.
        "table": (rows.astype(np.int16) - 128).astype(np.int8),
        "table.scale": scale,
    }
    if student.similarity != "cosine":
        # A vector of length 1 is the sum's direction, whatever the sum of the weights.
        tensors["weight"] = as_array(weight[:, 0])
    if student.hidden:
        for name, layer in (("inner", student.inner), ("outer", student.outer)):
            tensors[name], tensors[f"{name}.scale"] = quantize_columns(as_array(layer.weight.T), student.bits)
            tensors[f"{name}.bias"] = as_array(layer.bias)
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    save_file(contiguous, target.folder / "weights.safetensors")
    return Written()


def words(student: StaticRecipe, teacher: str) -> Words:
    """See :mod:`training.exporting.writers.parts`."""
    readout = f", and what a hidden layer of {student.readout:,} units reads from it" if student.readout else ""
    return Words(_CARD.format(teacher=teacher, readout=readout), weights="int8, run by NumPy")
