"""Files as Debian's packages bring them, a few lines each."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping
from pathlib import Path

MANUAL = r""".TH LS 1
.SH NAME
ls \- Verzeichnisinhalte auflisten
.SH BESCHREIBUNG
Informationen \fIzu\fR den Dateien
auflisten.
.SS "Weitere Angaben"
.nf
ls \-l
.fi
Der Rest steht hier.
"""

DICTIONARY = """Abfall /ˈapfal/ <noun>
1. waste, rubbish
2. scrap (metal)
   Synonyms: {Müll}

abfallen /ˈapfalən/
to slope down
"""

DESCRIPTIONS = """Package: 0ad
Description-md5: d943033b
Description-de: Echtzeit-Strategiespiel der Antike
 0 A.D. ist ein freies Spiel
 für viele Systeme.
 .
  * eine Liste
 Zweiter Absatz.

Package: other
Description-de: Ein Werkzeug
"""

FORTUNES = "Ein Sprichwort\nvon gestern.\n\t\t-- Niemand\n%\nNoch eines.\n%\n"

THESAURUS = "UTF-8\nHaus|1\n-|Gebäude|Bau (ugs.)|...\n"


def catalogue(messages: Mapping[str, str]) -> bytes:
    """A ``.mo`` file of these messages."""
    pairs = sorted(messages.items())
    start = 28 + 16 * len(pairs)
    tables: list[bytes] = []
    texts = b""
    for side in (0, 1):
        table = b""
        for pair in pairs:
            text = pair[side].encode()
            table += struct.pack("<2I", len(text), start + len(texts))
            texts += text + b"\0"
        tables.append(table)
    header = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return header + b"".join(tables) + texts


def zipped(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))
    return path


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
