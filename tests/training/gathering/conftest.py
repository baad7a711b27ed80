"""A shipped tokenizer, and a way to read one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from tests.conftest import ROOT
from training.gathering.queries import read_queries
from training.gathering.records import Row
from training.gathering.report import FileReport
from training.gathering.source import Source

Read = Callable[..., tuple[list[Row], FileReport]]

#: Queries of different lengths and scripts, some with commas, quotes, tabs' neighbours and tags in them.
QUERIES = [
    "how to boil an egg",
    'what does "lorem ipsum" mean',
    "red, green and blue",
    "größe von ångström",
    "東京の天気",
    "is 5 > 3; or not",
    "  spaces   inside  ",
    "C++ vs C#",
    "هل تمطر غدا",
    "a|b",
]


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(ROOT / "models" / "minilm-gru" / "tokenizer.json"))


@pytest.fixture
def read() -> Read:
    def found(path: Path | str, column: str | None = None) -> tuple[list[Row], FileReport]:
        source = Source.of(path) if column is None else Source(Path(path), column)
        report = FileReport(source.path, "queries")
        return list(read_queries(source, report)), report

    return found
