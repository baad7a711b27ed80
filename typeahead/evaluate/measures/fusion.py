"""Makes one ranking of the rankings of two arms.

*Linear interpolation* adds scores that were brought to 0 … 1 within each arm's own ranking, since a cosine and a BM25
score have no common scale: (1 - w) · dense + w · lexical, with 0 for what an arm did not find. *Reciprocal rank fusion*
(Cormack, Clarke, Büttcher 2009) adds (1 - w) / (60 + rank) and w / (60 + rank), and looks at no score. Which is better,
and by which weight, is measured by ``typeahead evaluate hybrid``.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

from typeahead.search.port import DENSE, LEXICAL

#: What reciprocal rank fusion adds to every rank; the paper's own constant.
_RANK_OFFSET = 60

#: Whatever identifies a passage.
Name = TypeVar("Name", bound=Hashable)
Method = Literal["linear", "rrf"]
METHODS: tuple[Method, ...] = ("linear", "rrf")


class Fused(NamedTuple, Generic[Name]):
    """A passage, its score, and the arms that found it."""

    key: Name
    score: float
    arms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fusion:
    """How rankings are put together: by ``method``, with ``weight`` (0 … 1) for the lexical arm.

    Of each arm the ``depth`` best count.
    """

    method: Method
    weight: float
    depth: int = 100

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method is {self.method!r}, it must be one of {', '.join(METHODS)}")
        if not 0 <= self.weight <= 1:
            raise ValueError(f"weight is {self.weight}, it must be from 0 to 1")
        if self.depth < 1:
            raise ValueError(f"depth is {self.depth}, it must be at least 1")

    def fuse(
        self, dense: Sequence[tuple[Name, float]], lexical: Sequence[tuple[Name, float]], k: int
    ) -> list[Fused[Name]]:
        """Return the ``k`` best of both rankings.

        Of equal scores the better place in the dense ranking comes first, then the better one in the lexical ranking.
        """
        return [Fused(key, score, arms) for key, (score, arms) in self.order(dense, lexical)[:k]]

    def order(
        self, dense: Sequence[tuple[Name, float]], lexical: Sequence[tuple[Name, float]]
    ) -> list[tuple[Name, tuple[float, tuple[str, ...]]]]:
        """All passages of both rankings, best first, each with its score and the arms that found it."""
        part = _ranks if self.method == "rrf" else _shares
        found: dict[Name, tuple[float, tuple[str, ...]]] = {}
        for ranking, arm, weight in ((dense, DENSE, 1 - self.weight), (lexical, LEXICAL, self.weight)):
            best = ranking[: self.depth]
            for (key, _), share in zip(best, part(best), strict=True):
                score, arms = found.get(key, (0.0, ()))
                found[key] = score + weight * share, (*arms, arm)
        return sorted(found.items(), key=lambda item: -item[1][0])


def _ranks(ranking: Sequence[tuple[object, float]]) -> list[float]:
    return [1 / (_RANK_OFFSET + rank) for rank in range(1, len(ranking) + 1)]


def _shares(ranking: Sequence[tuple[object, float]]) -> list[float]:
    """Scores between the least, which is 0, and the best, which is 1; all 1 where they are the same."""
    if not ranking:
        return []
    best, least = ranking[0][1], ranking[-1][1]
    if best == least:
        return [1.0] * len(ranking)
    return [(score - least) / (best - least) for _, score in ranking]
