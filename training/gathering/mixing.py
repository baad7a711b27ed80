"""How many texts of each group are trained on, and which.

The rule: of the texts wanted, half are queries, a quarter are windows of passages, a fifth are pseudo-queries, and a
twentieth are words of the vocabulary. Where a group has fewer, the others share what is left in the same proportions.
Words are never more than 2,000 or a fifth of all other texts, whichever is more. Without a number wanted, everything
there is is used, words up to that bound.

Where there are fewer texts than wanted, up to four phrases are cut from each window, otherwise one.

Among queries, those that are counted often are chosen more readily: the weight of a text is 1 + log2(count). Words are
chosen in the order of the vocabulary, where frequent ones come first. All others are chosen at random.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

from training.gathering.gathered import GatheredText

#: The shares of the groups.
SHARES: Mapping[str, float] = {"queries": 0.5, "passages": 0.25, "pseudo": 0.2, "words": 0.05}
_FEW_WORDS, _SHARE_OF_WORDS = 2_000, 0.2


def most_words(others: int) -> int:
    """How many words there may be beside so many other texts."""
    return max(_FEW_WORDS, int(_SHARE_OF_WORDS * others))


def shared(wanted: int, available: Mapping[str, int]) -> dict[str, int]:
    """Divide ``wanted`` texts among groups by :data:`SHARES`; no group gets more than it has."""
    found = dict.fromkeys(available, 0)
    left = wanted
    while left > 0:
        open_ = [name for name in available if found[name] < available[name]]
        if not open_:
            break
        total = sum(SHARES[name] for name in open_)
        given = {name: min(available[name] - found[name], int(left * SHARES[name] / total)) for name in open_}
        if not any(given.values()):
            # Fewer are left than there are groups.
            given = {max(open_, key=SHARES.__getitem__): 1}
        for name, number in given.items():
            found[name] += number
        left = wanted - sum(found.values())
    return found


def chosen(texts: Sequence[GatheredText], number: int, seed: int) -> list[GatheredText]:
    """Choose ``number`` texts by their weights and the seed, in their order. Order and other texts do not matter."""
    if number >= len(texts):
        return list(texts)
    keys = [_key(one, seed) for one in texts]
    rows = sorted(range(len(texts)), key=keys.__getitem__)[:number]
    return [texts[row] for row in sorted(rows)]


def uniform(text: str, seed: int) -> float:
    """A number in (0, 1] that depends on the text and the seed alone."""
    raw = text.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(raw, digest_size=8, key=seed.to_bytes(8, "little", signed=True)).digest()
    return (int.from_bytes(digest, "little") + 1) / 2**64


def _key(one: GatheredText, seed: int) -> float:
    """Efraimidis and Spirakis, "Weighted random sampling with a reservoir" (2006): the smallest of these are chosen."""
    return -math.log(uniform(one.text, seed)) / (1 + math.log2(one.count))
