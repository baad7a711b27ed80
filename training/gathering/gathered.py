"""What :func:`~training.gathering.gather` returns: texts with their kind, those held out, and a report.

A folder can hold both, so that a run which is resumed trains on the same texts::

    training.tsv       kind<TAB>text, a line each: the form "tsv" of training.data
    development.tsv    the same, for the texts held out
    report.json        Report.to_json()
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data import Example
from training.gathering.report import Report

#: Where a text comes from. "query": a line of a log, or a window of one that is too long. "passage": a window of a
#: document. The others are made from documents, as pseudo-queries, except "word": a word of the vocabulary.
KINDS = ("query", "passage", "title", "heading", "sentence", "phrase", "word")
#: Kinds that are made from documents to stand in for queries.
PSEUDO = ("title", "heading", "sentence", "phrase")

TRAINING, DEVELOPMENT, REPORT = "training.tsv", "development.tsv", "report.json"


@dataclass(frozen=True, slots=True)
class GatheredText:
    """One text to train on or to judge by.

    ``source`` is the name of the file, "vocabulary" for a word. ``count`` says how often the logs hold the text, with
    counts of theirs added up; it is 1 for all other kinds. The text has no line break and no tab.
    """

    text: str
    kind: str
    source: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Gathered:
    """The texts to train on, the texts held out for judging, and the report. No text is in both lists.

    Nor is a text in both that differs only by case, punctuation or white space. The order of ``training`` is that of
    the files, kind by kind: shuffle it.
    """

    training: Sequence[GatheredText]
    development: Sequence[GatheredText]
    report: Report

    def examples(self) -> list[Example]:
        """The training texts as stage 1 takes them; the source is the kind."""
        return [Example(one.kind, one.text) for one in self.training]

    def held_out(self) -> list[Example]:
        """The held-out texts as stage 1 takes them; the source is the kind."""
        return [Example(one.kind, one.text) for one in self.development]

    def write(self, folder: Path) -> None:
        """Write the three files of a folder, which is made. Each file appears only when it is complete."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, texts in ((TRAINING, self.training), (DEVELOPMENT, self.development)):
            _write(folder / name, "".join(f"{one.kind}\t{one.text}\n" for one in texts))
        _write(folder / REPORT, json.dumps(self.report.to_json(), indent=2, ensure_ascii=False) + "\n")


def _write(path: Path, content: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(content, encoding="utf-8")
    partial.replace(path)
