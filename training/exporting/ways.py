"""The ways in which an exported model can run: which one a user gets depends on the processor and on what is installed.

Deep students round differently in each. Twelve layers of all-mpnet-base-v2, not trained further, differ by an agreement
of 0.997 between the compiled step and the graph, six layers of a trained student by 0.9999.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typeahead.encoders.families import FAMILIES
from typeahead.models.golden import Golden

#: The least agreement with golden vectors that a folder asks for, unless its own ways differ more.
_USUAL = 0.9995


def least_agreement(encoder: Any, folder: Path, reference: Golden) -> float:
    """The agreement that all ways of running ``folder`` reach with the vectors of ``encoder``, which runs it here.

    It leaves room for as much difference again, on other processors.

    Raises:
        ValueError: one of them misses the ``reference``, PyTorch's vectors.
    """
    shipped = Golden(reference.texts, encoder.encode(reference.texts), _USUAL)
    least = _USUAL
    for way, other in _others(encoder, folder):
        vectors = other.encode(reference.texts)
        if not (found := reference.agreement(vectors)) >= reference.min_cosine:
            raise ValueError(
                f"{way}, the model misses PyTorch's vectors: agreement {found:.4f}, below {reference.min_cosine}"
            )
        least = min(least, 2 * shipped.agreement(vectors) - 1)
    return least


def _others(encoder: Any, folder: Path) -> Iterator[tuple[str, Any]]:
    config = encoder.config
    if getattr(encoder, "compiled", False):
        yield "without compiled steps", type(encoder)(config, folder, compiled=False)
    family = FAMILIES[config.family]
    if family.float32_variant:
        yield "in float32", family.open(config, folder, variant="-float32")
