"""Message catalogues, manual pages, dictionaries, descriptions of packages, fortunes and thesauri."""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from training.data.languages.markup import Block

_MO_MAGIC = 0x950412DE
#: Placeholders and markup: a message with one is no text that anybody types.
_PLACEHOLDER = re.compile(r"%[\w(.{%-]|\{|\}|\$|<|\\|\||~|@|://")
_ACCELERATOR = re.compile(r"[&_](?=\w)|\s?\([&_]\w\)")


def read_messages(path: Path) -> Iterator[tuple[str, str]]:
    """The messages of a ``.mo`` file and their translations, without placeholders and keys for shortcuts.

    A file that is no catalogue has none.
    """
    data = path.read_bytes()
    if len(data) < 28:
        return
    order = "<" if struct.unpack_from("<I", data)[0] == _MO_MAGIC else ">"
    _, _, count, originals, translations = struct.unpack_from(f"{order}5I", data)
    for number in range(count):
        pair = []
        for table in (originals, translations):
            length, offset = struct.unpack_from(f"{order}2I", data, table + 8 * number)
            pair.append(data[offset : offset + length].decode("utf-8", "replace").split("\0")[0])
        message, translation = pair[0].rsplit("\x04", 1)[-1], pair[1]
        if message and not _PLACEHOLDER.search(translation) and not _PLACEHOLDER.search(message):
            yield _plain_message(message), _plain_message(translation)


def _plain_message(text: str) -> str:
    return " ".join(_ACCELERATOR.sub("", text).removesuffix("...").removesuffix("…").removesuffix(":").split())


_ROFF = re.compile(r"\\f(?:\[\w*\]|.)|\\s[+-]?\d|\\[&%,/|^]")
_ROFF_CHARACTERS = {"\\-": "-", "\\(aq": "'", "\\(dq": '"', "\\(em": "—", "\\(en": "–", "\\e": "\\", "\\ ": " "}


def read_manual(path: Path) -> Iterator[Block]:
    """The headings and paragraphs of a manual page (``.gz``); its one-line description is a title."""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    parts: list[str] = []
    sections, literal = 0, False
    for line in lines:
        if line.startswith((".nf", ".EX", ".TS", ".Bd", ".fi", ".EE", ".TE", ".Ed")):
            literal = line.startswith((".nf", ".EX", ".TS", ".Bd"))
        if not line or line.startswith((".", "'")):
            if parts:
                text = _roff(" ".join(parts))
                about = re.split(r"\s[-–—]\s", text, maxsplit=1) if sections == 1 else []
                yield Block("title", about[1]) if len(about) == 2 else Block("text", text)
            parts = []
            sections += line.startswith((".SH", ".Sh"))
            if line.startswith(".SS "):
                yield Block("heading", _roff(line[4:].strip('"')))
        elif not literal:
            parts.append(line)
    if parts:
        yield Block("text", _roff(" ".join(parts)))


def _roff(text: str) -> str:
    for escape, character in _ROFF_CHARACTERS.items():
        text = text.replace(escape, character)
    return " ".join(_ROFF.sub("", text).split())


_HEADWORD = re.compile(r"^([^\s/<{\[(\d][^/<{\[(]*?) /")
_MARKUP = re.compile(r"[<{\[(].*?[>}\])]")


def read_dictionary(path: Path) -> Iterator[tuple[str, str]]:
    """Words and phrases of a FreeDict dictionary (``.dict.dz``): ("from", headword), ("to", translation)."""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        ready = False
        for line in file:
            if found := _HEADWORD.match(line):
                yield "from", found[1].strip()
                ready = True
            elif ready and line.strip():
                text = _MARKUP.sub(" ", re.sub(r"^\s*\d+\.\s*", "", line))
                if not line.startswith("  ") and "Note:" not in line and "Synonym" not in line and "see:" not in line:
                    for part in re.split(r"[,;、]", text):
                        if part.strip():
                            yield "to", " ".join(part.split())
                ready = bool(re.match(r"\s*\d+\.", line))


def read_descriptions(path: Path) -> Iterator[Block]:
    """The descriptions of packages in one language, from ``Translation-XX``: a title and paragraphs each."""
    parts: list[str] = []
    inside = False
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("Description-") and not line.startswith("Description-md5"):
                yield Block("title", line.split(":", 1)[1].strip())
                inside = True
            elif inside and line.startswith(" ") and not line.startswith(("  ", " .")):
                parts.append(line.strip())
            else:
                # Lists are indented, and hard to put together again.
                if parts:
                    yield Block("text", " ".join(parts))
                parts = []
                inside = inside and line.startswith(" ")


def read_fortunes(path: Path) -> Iterator[str]:
    """Sayings from a file of fortune cookies, without their authors."""
    for saying in re.split(r"\n%+\n", path.read_text(encoding="utf-8", errors="ignore")):
        lines = [line for line in saying.splitlines() if not re.match(r"\s*(?:--|—|–|©|\()", line)]
        if len(lines) <= 4:
            yield " ".join(" ".join(lines).split())


def read_thesaurus(path: Path) -> Iterator[str]:
    """Words and phrases of a thesaurus (MyThes)."""
    lines = path.read_bytes().split(b"\n")
    encoding = lines[0].decode("ascii", "replace").strip().lower().replace("iso8859", "iso8859")
    for line in lines[1:]:
        fields = line.decode("utf-8" if encoding == "utf-8" else encoding, "replace").split("|")
        for field in fields[:1] if not fields[0].startswith(("-", "(")) else fields[1:4]:
            text = " ".join(_MARKUP.sub(" ", field).split())
            if text and "..." not in text and not text.isdigit():
                yield text
