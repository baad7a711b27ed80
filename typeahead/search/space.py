"""The vector space of a back end, and whether an encoder answers in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.errors import TeacherMismatch
from typeahead.models.config import ModelConfig
from typeahead.models.teacher import same_teacher


@dataclass(frozen=True, slots=True)
class Space:
    """Whose vectors a back end holds."""

    #: The teacher's name.
    teacher: str
    #: sha256 of the teacher's weights; None if nobody knows.
    revision: str | None
    dim: int
    #: "cosine" or "dot".
    similarity: str

    @property
    def name(self) -> str:
        """The teacher's name."""
        return self.teacher

    def __str__(self) -> str:
        return self.teacher if not self.revision else f"{self.teacher}@{self.revision[:12]}"


def direction(vector: Vectors | None) -> Vectors | None:
    """Scale a vector, float32 (dim,), to length 1; None stays None, and zeros, which have no direction, become None."""
    if vector is None or not vector.any():
        return None
    wide = vector.astype(np.float64)
    return (wide / np.linalg.norm(wide)).astype(np.float32)


def check_space(space: Space, config: ModelConfig, *, folder: Path | None = None) -> None:
    """Check that an encoder of ``config`` answers in ``space``.

    Compares the teachers (:func:`~typeahead.models.teacher.same_teacher`), the dimensions and the similarities. Raises
    :class:`~typeahead.errors.TeacherMismatch`, which names both.
    """
    theirs = Space(config.teacher.name, config.teacher.revision or None, config.dim, config.similarity)
    if not same_teacher(space, config.teacher):
        named = space.teacher != theirs.teacher
        sides = (space.teacher, theirs.teacher) if named else (str(space), str(theirs))
        raise TeacherMismatch(*sides, folder=folder)
    if (space.dim, space.similarity) != (theirs.dim, theirs.similarity):
        raise TeacherMismatch(_described(space), _described(theirs), folder=folder)


def _described(space: Space) -> str:
    return f"{space.teacher} ({space.dim} dimensions, {space.similarity})"
