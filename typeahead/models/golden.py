"""The golden vectors: what a model must encode certain texts to, from ``golden.json`` of its folder."""

from __future__ import annotations

import base64
import json
import reprlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import ModelCorrupt
from typeahead.storage.sealed import read_json

GOLDEN = "golden.json"

Vectors = NDArray[np.float32]

#: Written for this purpose: short and long texts, rare words, digits, other scripts, marks that normalisation removes.
GOLDEN_TEXTS = (
    "how to boil an egg",
    "h",
    "weather tomorrow in lisbon",
    "what does a NullPointerException mean, and where does it come from?",
    "naïve café résumé",
    "Übergrößenträger",
    "東京の天気",
    "한국어 검색",
    "погода завтра",
    "price of 2.5 kg flour in 1999 ($)",
    "the effect of regular exercise on blood pressure in older adults with diabetes mellitus and hypertension",
    "👩‍👩‍👧‍👦 family emoji",
)

#: Maximum size of the file, in bytes.
_MAX_GOLDEN = 4 << 20


@dataclass(frozen=True, slots=True)
class Golden:
    """Texts and their expected vectors. The model must reach an agreement of ``min_cosine`` on any processor."""

    texts: tuple[str, ...]
    vectors: Vectors
    min_cosine: float

    @classmethod
    def read(cls, folder: Path) -> Golden:
        """Read ``golden.json``."""
        path = folder / GOLDEN
        try:
            data, _ = read_json(path, _MAX_GOLDEN)
            texts, least = tuple(data["texts"]), data["min_cosine"]
            raw = base64.b64decode(data["vectors"], validate=True)
            vectors = np.frombuffer(raw, "<f4").reshape(len(texts), -1)
            if not all(isinstance(text, str) for text in texts):
                raise ValueError("texts is not a list of strings")
            if isinstance(least, bool) or not 0 < float(least) <= 1:
                # Zero or less would let every vector pass.
                raise ValueError(f"min_cosine is {reprlib.repr(least)}, not a number above 0 and up to 1")
            if not np.isfinite(vectors).all():
                raise ValueError("a vector is not finite")
            return cls(texts, vectors, float(least))
        except OSError as error:
            raise ModelCorrupt(f"{path} cannot be read: {error.strerror}", folder=folder) from error
        except (KeyError, TypeError, ValueError) as error:
            raise ModelCorrupt(f"{path} has no valid golden vectors: {error}", folder=folder) from error

    def to_json(self) -> str:
        """Return the text of ``golden.json``; vectors are little-endian float32 in base64."""
        raw = base64.b64encode(self.vectors.astype("<f4").tobytes()).decode()
        return json.dumps({"min_cosine": self.min_cosine, "texts": self.texts, "vectors": raw}, indent=1) + "\n"

    def agreement(self, vectors: Vectors) -> float:
        """Return the smallest of :func:`agreements` of an encoder's ``vectors``, float32 (texts, dim).

        Returns -1 for vectors of another shape, or if a vector is zero or not finite.
        """
        if vectors.shape != self.vectors.shape or not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
            return -1.0
        return float(agreements(vectors, self.vectors).min())

    def scaled(self) -> Golden:
        """Return the same with vectors of length 1."""
        lengths = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        return replace(self, vectors=np.asarray(self.vectors / np.where(lengths == 0, 1, lengths), np.float32))


def agreements(found: Vectors, expected: Vectors) -> Vectors:
    """Return 1 - |f - e|² / 2|e|² for each row f of ``found`` and e of ``expected``: float32 (n,).

    For vectors of one length this is their cosine. Others lose by their direction and by their length.
    """
    result: Vectors = 1 - np.square(found - expected).sum(1) / (2 * np.square(expected).sum(1))
    return result


def cosines(a: Vectors, b: Vectors) -> Vectors:
    """Cosine of each row of ``a`` to the same row of ``b``: float32 (n,)."""
    result: Vectors = np.einsum("nd,nd->n", a, b) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return result
