"""Teachers are compared by their weights; names are for people."""

from __future__ import annotations

import pytest

from tests.index.hashing import config
from typeahead.errors import TeacherMismatch
from typeahead.models.teacher import same_teacher
from typeahead.search.space import Space, check_space


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (("all-MiniLM-L6-v2", "a" * 64), ("my-copy", "a" * 64), True),
        (("all-MiniLM-L6-v2", "a" * 64), ("all-MiniLM-L6-v2", "b" * 64), False),
        (("all-MiniLM-L6-v2", None), ("all-MiniLM-L6-v2", "b" * 64), True),
        (("all-MiniLM-L6-v2", None), ("my-copy", "b" * 64), False),
        (("all-MiniLM-L6-v2", ""), ("my-copy", ""), False),
    ],
)
def test_weights_decide_where_they_are_known(
    ours: tuple[str, str | None], theirs: tuple[str, str | None], expected: bool
) -> None:
    dim = config().dim
    first, second = (Space(name, revision, dim, "cosine") for name, revision in (ours, theirs))
    assert same_teacher(first, second) == same_teacher(second, first) == expected
    encoder = config(teacher=theirs[0], revision=theirs[1] or "")
    if expected:
        check_space(first, encoder)
    else:
        with pytest.raises(TeacherMismatch, match="rebuild the index"):
            check_space(first, encoder)
