"""Holds texts out for judging: by a hash, and with all that differ from them by case, punctuation or white space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from training.data import is_development
from training.gathering.cleaning import fold
from training.gathering.gathered import GatheredText

#: Held out if no share is given: about so many, and at most this share.
_ABOUT, _MOST = 1_000, 0.1

NEAR = "like a held-out text but for case, punctuation or white space"
ON_THE_WAY = "typed on the way to a held-out query"


def share_of(number: int, asked: float | None) -> float:
    """The share of ``number`` texts to hold out; ``ValueError`` for one that is not from 0 to 0.5."""
    if asked is None:
        return min(_MOST, _ABOUT / number) if number else 0.0
    if not 0 <= asked <= 0.5:
        raise ValueError(f"development is {asked}; it must be from 0 to 0.5")
    return asked


class HeldOut:
    """The held-out part of some texts, which are those that may be held out.

    ``texts`` has no two that differ only by case, punctuation or white space. ``unfinished`` maps beginnings of
    queries to queries: they are never held out, and those on the way to a held-out text are not trained on.
    """

    def __init__(
        self, candidates: Sequence[GatheredText], share: float, unfinished: Mapping[str, str] | None = None
    ) -> None:
        self._unfinished = unfinished or {}
        found: dict[str, GatheredText] = {}
        #: Folding takes most of the time here, so it is done once.
        folds = {one.text: fold(one.text) for one in candidates}
        for one in candidates:
            folded = folds[one.text]
            if one.text not in self._unfinished and is_development(folded, share):
                found.setdefault(folded, one)
        self._folds = frozenset(found)
        self._near = {text: folded in self._folds for text, folded in folds.items()}
        self.texts = list(found.values())
        self._held = frozenset(self.texts)

    def rest(self, texts: Iterable[GatheredText], left_out: dict[str, int]) -> list[GatheredText]:
        """The texts to train on; ``left_out`` counts those that are too near to one held out."""
        kept = []
        for one in texts:
            reason = self._reason(one.text)
            if reason is None:
                kept.append(one)
            elif one not in self._held:
                left_out[reason] = left_out.get(reason, 0) + 1
        return kept

    def _reason(self, text: str) -> str | None:
        near = self._near.get(text)
        if fold(text) in self._folds if near is None else near:
            return NEAR
        seen: set[str] = set()
        while text in self._unfinished and text not in seen:
            seen.add(text)
            text = self._unfinished[text]
        return ON_THE_WAY if seen and fold(text) in self._folds else None
