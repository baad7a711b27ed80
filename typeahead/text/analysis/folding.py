"""Folds words: no case, no accents, one form for each letter.

Accents go where people leave them out when they type: on Latin and Greek letters, and on ё. A mark that makes another
letter stays: й is not и, が is not か, and the vowel signs of Indic scripts are letters. Hebrew points and Arabic vowel
marks are rarely written, so they go. NFKD comes first, so composed and decomposed text fold alike.

Hangul syllables become their letters in the order of typing: 한 is ㅎㅏㄴ. A final consonant is the same letter as an
initial one, and ㅘ is ㅗㅏ. So each state of a word in an input method (하, 한, 하나) is a beginning of the next.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import chain

#: Longer texts are folded in pieces: sorting marks, a part of normalization, takes quadratic time in their number.
_PIECE = 256

#: Characters without a meaning of their own: joiners, soft hyphens, directions, variation selectors, fillers, lone
#: surrogates, Hebrew points, Arabic vowel marks and the tatweel, the Greek iota below.
_IGNORED = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U000e0100-\U000e01ef\ud800-\udfff"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u0640\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"
    "\u0345"
)
#: Marks of no script of their own, which Latin and Greek use as accents.
_ACCENTS = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
#: Latin and Greek letters, and digits.
_ACCENTED = (
    "0-9a-z\u00aa\u00ba\u00df-\u024f\u0250-\u02af\u0370-\u03ff\u1d00-\u1d7f\u1e00-\u1fff\ua722-\ua7ff\uab30-\uab64"
)

_IGNORABLE = re.compile(f"[{_IGNORED}]+")
_WESTERN = re.compile("[0-9a-z][0-9a-z\u0300-\u036f]*")
#: Letters that neither carry a mark once they are decomposed, nor are replaced, nor join their neighbours.
_SETTLED = re.compile("[0-9A-Za-zΑ-Ωα-ωЂЄ-ЏА-яђє-џא-תء-غف-يऄ-हぁ-ゖァ-ヺー一-\u9fff]+")
_CONJOINING = re.compile("[\u1100-\u115e\u1161-\u11ff]+")
#: Stress is marked on Cyrillic vowels in dictionaries alone. Alef carries its hamza in careful writing alone.
_ACCENT = re.compile(
    f"(?<=[{_ACCENTED}])[{_ACCENTS}]+|(?<=\u0435)[\u0300\u0301\u0308]+|(?<=[аиоуыэюяіє])[\u0300\u0301]+"
    "|(?<=\u0627)[\u0653-\u0655]+"
)
#: Letters that people without their key write in another way, and that have no decomposition.
_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "ı": "i", "ŋ": "n", "æ": "ae", "œ": "oe", "þ": "th"}
)

_HANGUL = re.compile("[\u1100-\u11ff\uac00-\ud7a3]")
#: Final consonants from U+11A8 and vowels from U+1161 as the initial consonants and simple vowels that are typed.
_FINALS = (
    "ᄀ ᄁ ᄀᄉ ᄂ ᄂᄌ ᄂᄒ ᄃ ᄅ ᄅᄀ ᄅᄆ ᄅᄇ ᄅᄉ ᄅᄐ ᄅᄑ ᄅᄒ ᄆ ᄇ ᄇᄉ ᄉ ᄊ ᄋ ᄌ ᄎ ᄏ ᄐ ᄑ ᄒ".split()
)
_VOWELS = "ᅡ ᅢ ᅣ ᅤ ᅥ ᅦ ᅧ ᅨ ᅩ ᅩᅡ ᅩᅢ ᅩᅵ ᅭ ᅮ ᅮᅥ ᅮᅦ ᅮᅵ ᅲ ᅳ ᅳᅵ ᅵ".split()


class _Jamo(dict[int, str]):
    """The letters of a Hangul syllable, or of a vowel or final consonant that consists of two."""

    def __missing__(self, code: int) -> str:
        parts = unicodedata.normalize("NFD", chr(code))
        self[code] = parts if len(parts) == 1 else parts.translate(self)
        return self[code]


_jamo = _Jamo(chain(enumerate(_FINALS, 0x11A8), enumerate(_VOWELS, 0x1161)))


def fold(text: str) -> str:
    """Fold a word. Folding twice changes nothing. Any text may be folded; white space and punctuation stay."""
    if text.isascii():
        return text.lower()
    if len(text) > _PIECE:
        return "".join(fold(text[at : at + _PIECE]) for at in range(0, len(text), _PIECE))
    decomposed = unicodedata.normalize("NFKD", text)
    folded = decomposed.casefold()
    if folded.isascii() or _SETTLED.fullmatch(decomposed):
        return folded
    if _WESTERN.fullmatch(folded):
        return folded.encode("ascii", "ignore").decode()
    if _CONJOINING.fullmatch(folded):
        return folded.translate(_jamo)
    return fold_any(text)


def fold_any(text: str) -> str:
    """Fold a word as :func:`fold` does, without its short cuts. It takes a few times as long."""
    decomposed = unicodedata.normalize("NFKD", text)
    kept = _IGNORABLE.sub("", decomposed)
    # Two marks may have become neighbours in another order than the canonical one.
    folded = (decomposed if kept == decomposed else unicodedata.normalize("NFKD", kept)).casefold()
    composed = unicodedata.normalize("NFC", _ACCENT.sub("", folded).translate(_LETTERS))
    return _hangul(composed) if _HANGUL.search(composed) else composed


def _hangul(text: str) -> str:
    return "".join([_jamo[ord(one)] if "\u1161" <= one <= "\ud7a3" else one for one in text])
