"""Finds out whose vectors an engine holds: by encoding a sample of its documents, or by what its address says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.encoders.loading import load
from typeahead.engines.documents import Read
from typeahead.errors import AddressError
from typeahead.index.adopt.agreement import LEAST, USUAL, check_encoder, compare
from typeahead.index.manifest import Teacher
from typeahead.models.folder import find, read_config
from typeahead.search.space import Space

#: How far the length of a vector may be from 1.
_EXACT: Final = 0.01


class Claim(Protocol):
    """What an address says about vectors."""

    @property
    def shown(self) -> str:
        """The address for messages."""

    @property
    def encoder(self) -> str:
        """The encoder of passages with which a sample is compared."""

    @property
    def teacher(self) -> str | None:
        """The teacher, if the address names one."""

    @property
    def similarity(self) -> str | None:
        """How vectors of that teacher compare."""

    @property
    def unverified(self) -> bool:
        """Whether no sample is compared."""


def have_length_one(vectors: Vectors) -> bool:
    """Whether all vectors, float32 (n, dim), have length 1."""
    return bool((np.abs(np.linalg.norm(vectors, axis=1) - 1) < _EXACT).all())


async def space_of(
    claim: Claim, name: str, dim: int, read: Sequence[Read], vectors: Vectors, warn: Callable[[str], None]
) -> Space:
    """Return the space of the vectors of ``name``, a table or a collection.

    ``read`` is a sample with its ``vectors``, float32 (n, dim). Raises :class:`~typeahead.errors.AddressError` if the
    vectors are others than the address says, and :class:`~typeahead.errors.ModelError` for an encoder that cannot be
    loaded.
    """
    config = await asyncio.to_thread(lambda: read_config(find(claim.encoder), verify=False))
    teacher = Teacher(config.teacher.name, config.teacher.revision or None)
    if claim.teacher is not None and claim.teacher != teacher.name:
        warn(f"nobody has checked that the vectors of {name} are those of {claim.teacher}")
        return Space(claim.teacher, None, dim, claim.similarity or "cosine")
    similarity = config.similarity
    if claim.similarity not in (None, similarity):
        raise AddressError(claim.shown, f"similarity is {claim.similarity}, but {teacher} compares by {similarity}")
    if dim != config.dim:
        raise AddressError(
            claim.shown,
            f"the vectors of {name} have {dim} dimensions, and those of {teacher} {config.dim}: name an encoder of "
            "their teacher with encoder=MODEL",
        )
    space = Space(teacher.name, teacher.revision, dim, similarity)
    if claim.unverified:
        warn(f"nobody has checked that the vectors of {name} are those of {teacher}")
    elif read:
        await asyncio.to_thread(_check, claim, name, teacher, space, read, vectors, warn)
    return space


def _check(
    claim: Claim,
    name: str,
    teacher: Teacher,
    space: Space,
    read: Sequence[Read],
    vectors: Vectors,
    warn: Callable[[str], None],
) -> None:
    """Compare vectors with those that the encoder makes of their documents."""
    encoder = load(claim.encoder)
    check_encoder(encoder, teacher, space.similarity)
    rows = np.arange(len(read))
    documents = [one.document for one in read]
    # Many have vectors of the text alone.
    readings = [[one.passage for one in documents], [one.text for one in documents]]
    found = max((compare(encoder, texts, rows, vectors, None).cosine or 0.0) for texts in readings)
    if found < LEAST:
        raise AddressError(
            claim.shown,
            f"the vectors of {name} are not those that {encoder.config.name} makes of its texts: the median cosine of "
            f"a sample is {found:.3f}, and {USUAL} is usual. Name their encoder with encoder=MODEL, or what they were "
            "made of with title= and text=",
        )
    if found < USUAL:
        warn(
            f"the vectors of {name} are near to those of {encoder.config.name}, but not the same: the median cosine "
            f"of a sample is {found:.3f}"
        )
