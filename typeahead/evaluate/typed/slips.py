"""One typing mistake inside a word, of four families.

Nothing is changed in words of fewer than four letters, and a word keeps its first letter: people rarely miss that one,
and many engines do not forgive it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

#: A run of letters that is long enough for a mistake.
_WORD = re.compile(r"[^\W\d_]{4,}")
#: The rows of a QWERTY keyboard, and how far each is shifted to the right, in keys.
_KEYBOARD = (("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75))


def _neighbours() -> dict[str, str]:
    """The letters that touch each letter on the keyboard, in a fixed order."""
    keys = [
        (letter, row, at + shift) for row, (letters, shift) in enumerate(_KEYBOARD) for at, letter in enumerate(letters)
    ]
    return {
        letter: "".join(
            other
            for other, theirs, there in keys
            if other != letter and abs(row - theirs) <= 1 and abs(place - there) <= (1 if row == theirs else 0.8)
        )
        for letter, row, place in keys
    }


NEIGHBOURS = _neighbours()


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Each place in ``text`` where a letter may be changed, and the end of its word."""
    for word in _WORD.finditer(text):
        for place in range(word.start() + 1, word.end()):
            yield place, word.end()


def _swapped(text: str) -> list[str]:
    return [
        text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        for at, end in _places(text)
        if at + 1 < end and text[at].casefold() != text[at + 1].casefold()
    ]


def _left_out(text: str) -> list[str]:
    return [text[:at] + text[at + 1 :] for at, _ in _places(text)]


def _doubled(text: str) -> list[str]:
    return [text[:at] + text[at] + text[at:] for at, _ in _places(text)]


def _neighbour(text: str) -> list[str]:
    found = []
    for at, _ in _places(text):
        near = NEIGHBOURS.get(text[at].lower(), "")
        found += [text[:at] + (key.upper() if text[at].isupper() else key) + text[at + 1 :] for key in near]
    return found


#: Each family's name, and the function that lists every text with one such mistake.
FAMILIES: dict[str, Callable[[str], list[str]]] = {
    "swapped": _swapped,
    "left out": _left_out,
    "doubled": _doubled,
    "neighbour": _neighbour,
}


def slip(family: str, text: str, chance: random.Random) -> str | None:
    """``text`` with one mistake of a family of :data:`FAMILIES`, drawn by ``chance``; None if none is possible."""
    found = FAMILIES[family](text)
    return chance.choice(found) if found else None
