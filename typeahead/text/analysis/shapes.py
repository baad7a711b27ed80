"""The shapes of texts: each character stands for its kind, so that one pattern finds the words of every script.

ASCII is its own shape. Any other character becomes one of few that tell its kind: é is ``a``, É is ``A``, ٣ is ``0``,
’ is ``'``, and what ASCII has no kind for is one of the names below. A text and its shape are equally long.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from typing import Final

#: What belongs to the character before it: accents, vowel signs, soft hyphens, skin tones.
MARK: Final = "\u0301"
#: The joiner of emoji, which is a mark everywhere else.
JOINER: Final = "\u200d"
#: A letter or digit that stands for several characters, not all of which are letters: ½ is 1⁄2.
COMPOUND: Final = "½"
#: Anything else that is neither a letter, a digit nor white space.
SYMBOL: Final = "¤"
EMOJI: Final = "😀"
#: One of the two letters of a flag.
FLAG: Final = "🇦"
#: Scripts that put no spaces between words.
HAN, HIRAGANA, KATAKANA, THAI, LAO, MYANMAR, KHMER = UNSPACED = "漢あアกກကក"
#: The sign for a long vowel, of Hiragana and Katakana.
LONG: Final = "ー"

#: First and last code points of kinds that Unicode's categories do not tell. They are for letters and signs alone.
_RANGES: Final = sorted(
    [
        (0x0E00, 0x0E7F, THAI),
        (0x0E80, 0x0EFF, LAO),
        (0x1000, 0x109F, MYANMAR),
        (0xA9E0, 0xA9FF, MYANMAR),
        (0xAA60, 0xAA7F, MYANMAR),
        (0x1780, 0x17FF, KHMER),
        (0x2E80, 0x2FDF, HAN),
        (0x3005, 0x3007, HAN),
        (0x3021, 0x3029, HAN),
        (0x3041, 0x309F, HIRAGANA),
        (0x30A1, 0x30FF, KATAKANA),
        (0x31F0, 0x31FF, KATAKANA),
        (0x3400, 0x4DBF, HAN),
        (0x4E00, 0x9FFF, HAN),
        (0xF900, 0xFAFF, HAN),
        (0xFF66, 0xFF9D, KATAKANA),
        (0x1B000, 0x1B16F, HIRAGANA),
        (0x1F1E6, 0x1F1FF, FLAG),
        (0x20000, 0x3FFFF, HAN),
        *((first, last, EMOJI) for first, last in ((0x231A, 0x23FF), (0x2600, 0x27BF), (0x2B05, 0x2B55))),
        *((first, last, EMOJI) for first, last in ((0x1F000, 0x1F1E5), (0x1F200, 0x1F3FA), (0x1F400, 0x1FAFF))),
    ]
)
_FIRSTS: Final = [first for first, _, _ in _RANGES]
#: Characters whose category says something else.
_EXCEPTIONS: Final = {
    **dict.fromkeys("’ʼʻ׳״", "'"),
    **dict.fromkeys("‐‑‒–−־", "-"),
    **dict.fromkeys("··", "·"),
    **dict.fromkeys("ーｰ", LONG),
    **dict.fromkeys("ﾞﾟ", MARK),
    # A space that is not seen. It parts words of Thai and Khmer.
    "\u200b": " ",
    JOINER: JOINER,
}
#: How many characters are remembered: more than texts of any few languages hold.
_MOST: Final = 1 << 15


class _Shapes(dict[int, str]):
    """Shapes by code point, for :meth:`str.translate`. Those of ASCII stand in it, and others are remembered."""

    def __missing__(self, code: int) -> str:
        if len(self) >= _MOST:
            self.clear()
        self[code] = found = _shape(chr(code))
        return found


def _shape(character: str) -> str:
    if character.isascii():
        return character
    if character in _EXCEPTIONS:
        return _EXCEPTIONS[character]
    code, category = ord(character), unicodedata.category(character)
    # Vowels and final consonants of Hangul that are still to be composed; the tones of skin; tags of flags.
    if category[0] == "M" or category == "Cf" or 0x1160 <= code <= 0x11FF or 0x1F3FB <= code <= 0x1F3FF:
        return MARK
    if category in ("Cc", "Cs") or category[0] == "Z":
        return " "
    if category[0] in "LNS" or category == "Cn":
        row = bisect_right(_FIRSTS, code) - 1
        if row >= 0 and code <= _RANGES[row][1] and category != "Nd" and (category[0] != "S" or _is_sign(row, code)):
            return _RANGES[row][2]
    if category[0] in "LN" or category == "Cn":
        return _letter(character)
    plain = unicodedata.normalize("NFKC", character)
    return plain if len(plain) == 1 and plain.isascii() and plain.isprintable() and plain != " " else SYMBOL


def _is_sign(row: int, code: int) -> bool:
    """Whether a symbol in a range belongs to its kind: emoji, flags, and the radicals of Han."""
    return _RANGES[row][2] in (EMOJI, FLAG) or 0x2E80 <= code <= 0x2FDF


def _letter(character: str) -> str:
    parts = unicodedata.normalize("NFKD", character)
    kinds = {unicodedata.category(part)[0] for part in parts}
    if kinds <= {"L", "M"} or kinds == {"C"}:
        return "A" if parts[0].isupper() else "a"
    return "0" if kinds == {"N"} else COMPOUND


_shapes = _Shapes()


def shape_of(text: str) -> str:
    """The shape of a text."""
    return text if text.isascii() else text.translate(_shapes)
