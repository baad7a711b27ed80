"""What is changed in a text, and which texts are left out, whatever file they come from.

A student must read what people type, so almost nothing is changed: no case, no Unicode form, no inner spaces.
"""

from __future__ import annotations

import re
import unicodedata

#: A longer line in a log is a page or a pasted document, not a query.
LONGEST_QUERY = 2_000

EMPTY = "empty"
TOO_LONG = f"longer than {LONGEST_QUERY:,} characters"
DAMAGED = "damaged characters (U+FFFD)"
UNREADABLE = "unreadable"

#: Tabs, line breaks and the like separate words. Other control characters, lone surrogates and byte order marks are
#: nothing that anybody types.
_BREAKS = re.compile("[\t\n\x0b\x0c\r\x1c-\x1f\x85\u2028\u2029]+")
_DROPPED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufeff]+")
_PUNCTUATION = {code: " " for code in range(128) if not chr(code).isalnum()}


def clean(text: str) -> str:
    """Return ``text`` in one line: without white space around it, control characters and lone surrogates."""
    if not (text.isascii() and text.isprintable()):
        text = _DROPPED.sub("", _BREAKS.sub(" ", text))
    return text.strip()


def problem_of(query: str) -> str | None:
    """Why a clean query is left out; ``None`` for one to keep."""
    if not query:
        return EMPTY
    if len(query) > LONGEST_QUERY:
        return TOO_LONG
    return DAMAGED if "\ufffd" in query else None


def fold(text: str) -> str:
    """What two texts share that differ only by case, punctuation or white space.

    A text of nothing but punctuation keeps it: "C" and "C++" fold alike, ":)" and ";(" do not.
    """
    if text.isascii():
        folded = text.lower().translate(_PUNCTUATION)
    else:
        lower = unicodedata.normalize("NFKC", text).casefold()
        folded = "".join([one if one.isalnum() or is_mark(one) else " " for one in lower])
    return " ".join(folded.split()) or " ".join(text.split())


def is_mark(character: str) -> bool:
    """Whether a character is a part of a letter: vowels of Indic scripts, accents."""
    return not character.isascii() and unicodedata.category(character) in ("Mn", "Mc", "Me")
