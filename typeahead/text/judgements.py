"""Judgements of passages, in BEIR's layout and in trec_eval's.

====================  =========================================================================================
BEIR                  query, passage, grade; the first line may name the columns, the last of them ``score``
trec_eval, MS MARCO   query, an unused column, passage, grade
====================  =========================================================================================

Tabs, blanks or both separate the columns. All lines of a file have the same number of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from typeahead.text.records import identifier

#: trec_eval keeps a grade in a long, which has 32 bits on some systems.
_GRADE = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Judgement:
    """How relevant a passage is to a query. Grades from 1 on are relevant unless a collection says otherwise."""

    query_id: str
    passage_id: str
    grade: int


class JudgementParser:
    """Parses the lines of one file, in their order."""

    def __init__(self) -> None:
        self._columns = 0

    def __call__(self, line: str) -> Judgement | None:
        """Read a line; ``None`` for one that names the columns. ``ValueError`` says what is wrong with it."""
        text = line.strip(" \r\n")
        # Some of TREC's files have tabs, some blanks, some both.
        parts = [part.strip() for part in text.split("\t")] if text.count("\t") in (2, 3) else text.split()
        if not self._columns and len(parts) == 3 and parts[2].lower() == "score":
            return None
        if len(parts) != (self._columns or len(parts)) or len(parts) not in (3, 4):
            raise ValueError(
                f"{len(parts)} columns: expected query, passage, grade or query, iteration, passage, grade, "
                "the same on each line"
            )
        self._columns = len(parts)
        if not _GRADE.fullmatch(parts[-1]):
            raise ValueError(f"the grade {parts[-1][:40]!r} is no whole number of up to nine digits")
        query, passage = parts[0], parts[-2]
        return Judgement(
            identifier(query, "query", one_word=True), identifier(passage, "passage", one_word=True), int(parts[-1])
        )
