"""What a manifest says beside plain numbers and names, and how its values are checked."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Teacher:
    """The owner of the embedding space; ``revision`` is the sha256 of its weights, ``None`` if unknown."""

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.name if not self.revision else f"{self.name}@{self.revision[:12]}"


@dataclass(frozen=True, slots=True)
class Adoption:
    """The results of checking adopted vectors."""

    #: Whether a sample of vectors was compared with the passage encoder's embeddings of the documents.
    verified: bool
    #: The sample's median cosine to those embeddings, if measured.
    cosine: float | None
    #: recall@10 of a sample of the vectors themselves, if FAISS can reconstruct them.
    recall: float | None
    #: Number of inverted lists that a search probes; ``None`` for the FAISS index's own setting.
    nprobe: int | None

    def __str__(self) -> str:
        checked = "unverified" if not self.verified else "checked against the encoder"
        if self.cosine is not None:
            checked += f" (median cosine {self.cosine:.3f})"
        return f"vectors {checked}, recall@10 {'unknown' if self.recall is None else f'{self.recall:.3f}'}"

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Adoption:
        """Check this part of a manifest and make an ``Adoption`` from it."""
        if not isinstance(data["verified"], bool):
            raise ValueError(f"verified is {data['verified']!r}, not true or false")
        cosine, recall = (None if data[name] is None else checked_number(data[name]) for name in ("cosine", "recall"))
        nprobe = None if data["nprobe"] is None else checked_integer(data["nprobe"], 1)
        return cls(data["verified"], cosine, recall, nprobe)


@dataclass(frozen=True, slots=True)
class PassageEncoder:
    """The encoder that made the vectors, or that adopted ones were compared with: later ones must be like them."""

    #: Its name in its configuration.
    name: str
    #: What it was loaded by: a name or a folder.
    address: str
    #: SHA-256 of its configuration, which holds those of its files.
    sha256: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> PassageEncoder:
        """Check this part of a manifest and make a ``PassageEncoder`` from it."""
        if not SHA256.fullmatch(checked_text(data["sha256"])):
            raise ValueError(f"{short(data['sha256'])} is not a SHA-256")
        return cls(checked_text(data["name"]), checked_text(data["address"]), data["sha256"])


def checked_integer(value: Any, least: int, most: int | None = None) -> int:
    """Return an integer of at least ``least`` and at most ``most``; raises ``ValueError`` for anything else."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{short(value)} is not an integer of at least {least}")
    if most is not None and value > most:
        raise ValueError(f"{short(value)} is more than {most}")
    return value


def checked_number(value: Any) -> float:
    """Return a number as a float; raises ``ValueError`` for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def checked_text(value: Any) -> str:
    """Return a text; raises ``ValueError`` for anything else."""
    if not isinstance(value, str):
        raise ValueError(f"{short(value)} is not a string")
    return value


def short(value: Any) -> str:
    """Like ``repr``, but short for any length or depth."""
    return reprlib.repr(value)
