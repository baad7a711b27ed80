"""Folds words as SQLite's ``unicode61`` indexes them, so that typed words meet the words of documents."""

from __future__ import annotations

import unicodedata


def fold(text: str) -> str:
    """A text in lower case and without diacritics; ``unicode61`` takes them off Latin letters alone."""
    text = text.lower()
    return text if text.isascii() else "".join(map(_plain, text))


def _plain(character: str) -> str:
    if "\u0300" <= character <= "\u036f":
        return ""
    base = unicodedata.normalize("NFD", character)[0]
    return base if base.isascii() else character
