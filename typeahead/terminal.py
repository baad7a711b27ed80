"""A line editor for the terminal, with lines below it that follow the text as you type.

:class:`Line` applies keys to the text and needs no terminal; :func:`prompt` reads the keys and draws.
"""

from __future__ import annotations

import codecs
import os
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Escape sequences that terminals send for keys without a character.
_SEQUENCES = {
    "\x1b[C": "right",
    "\x1b[D": "left",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1b[1~": "home",
    "\x1b[4~": "end",
    "\x1b[3~": "delete",
    "\x01": "home",
    "\x05": "end",
    "\x02": "left",
    "\x06": "right",
    "\x04": "close",
    "\x03": "close",
    "\x08": "backspace",
    "\x7f": "backspace",
    "\x15": "clear",
    "\x17": "word",
    "\r": "enter",
    "\n": "enter",
}


class Line:
    """A text and a cursor position in it, in code points."""

    def __init__(self) -> None:
        self.text = ""
        self.at = 0

    def press(self, key: str) -> bool:
        """Apply a key, a character or one of the names above; return whether the text has changed."""
        before, after = self.text[: self.at], self.text[self.at :]
        if key == "left":
            self.at = max(self.at - 1, 0)
        elif key == "right":
            self.at = min(self.at + 1, len(self.text))
        elif key == "home":
            self.at = 0
        elif key == "end":
            self.at = len(self.text)
        elif key == "backspace":
            before = before[:-1]
        elif key == "delete":
            after = after[1:]
        elif key == "clear":
            before = ""
        elif key == "word":
            before = before.rstrip()
            before = before[: len(before) - len(before.split(" ")[-1])]
        elif len(key) == 1 and key.isprintable():
            before += key
        text = before + after
        changed = text != self.text
        if changed:
            self.text, self.at = text, len(before)
        return changed


def keys(characters: Iterator[str]) -> Iterator[str]:
    """Turn terminal input into keys: characters, and the names in :data:`_SEQUENCES`."""
    sequence = ""
    for character in characters:
        # A sequence never contains a control character, and a character after a lone Escape is a separate key.
        if character < " " or character == "\x7f" or (sequence == "\x1b" and character not in "[O"):
            sequence = ""
        if not sequence and character != "\x1b":
            yield _SEQUENCES.get(character, character)
            continue
        sequence += character
        # A sequence ends with a letter or a tilde; some terminals send "ESC O x" for "ESC [ x".
        if len(sequence) > 2 and (character.isalpha() or character == "~" or len(sequence) > 8):
            yield _SEQUENCES.get(sequence.replace("\x1bO", "\x1b["), "")
            sequence = ""


def clean(text: str) -> str:
    """Make ``text`` safe for a terminal by removing control and format characters, which could act as commands."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") else c for c in text)


def fit(text: str, width: int) -> str:
    """Truncate ``text`` to at most ``width`` columns; wide characters take two columns, combining marks none."""
    taken = 0
    for place, character in enumerate(text):
        wide = unicodedata.east_asian_width(character) in "WF"
        taken += 0 if unicodedata.combining(character) else 2 if wide else 1
        if taken > width:
            return text[:place]
    return text


def columns(text: str) -> int:
    """Return the number of columns of ``text``."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


@contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    import termios
    import tty

    before = termios.tcgetattr(descriptor)
    try:
        # Not the default mode, which would discard keys typed in the meantime.
        tty.setraw(descriptor, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _characters(descriptor: int) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := os.read(descriptor, 1024):
        yield from decoder.decode(data)


def prompt(label: str, lines_for: Callable[[str], list[str]]) -> str | None:
    """Edit a line; after each change, show the result of ``lines_for`` for its text below it.

    Returns the text on Enter, or ``None`` on Ctrl+C or Ctrl+D. Standard input and output must be terminals.
    """
    line = Line()
    below = lines_for("")
    with _raw(sys.stdin.fileno()):
        for key in _with_first("", keys(_characters(sys.stdin.fileno()))):
            if key in ("enter", "close"):
                sys.stdout.write("\r\x1b[J" if key == "close" else f"\r\x1b[J{label}{clean(line.text)}\r\n")
                sys.stdout.flush()
                return line.text if key == "enter" else None
            if line.press(key):
                below = lines_for(line.text)
            size = shutil.get_terminal_size()
            shown = below[: size.lines - 2]
            body = "".join("\r\n" + fit(clean(text), size.columns - 1) for text in shown)
            up = f"\x1b[{len(shown)}A" if shown else ""
            room = size.columns - 1 - columns(label)
            before, after = clean(line.text[: line.at]), clean(line.text[line.at :])
            while columns(before) > room:
                before = before[1:]
            cursor = columns(label) + columns(before)
            typed = label + before + fit(after, room - columns(before))
            sys.stdout.write(f"\r\x1b[J{typed}{body}{up}\r\x1b[{cursor}C")
            sys.stdout.flush()
    return None


def _with_first(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest
