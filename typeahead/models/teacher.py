"""When two teachers are the same one."""

from __future__ import annotations

from typing import Protocol


class NamedTeacher(Protocol):
    """A teacher as models and indexes state it."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def revision(self) -> str | None:
        """sha256 of its weights; empty or None if unknown."""


def same_teacher(ours: NamedTeacher, theirs: NamedTeacher) -> bool:
    """Whether two teachers are the same one: by their weights, or by their names where the weights of one are unknown.

    The same weights have one name on a hub and another in somebody's folder.
    """
    if ours.revision and theirs.revision:
        return ours.revision == theirs.revision
    return ours.name == theirs.name
