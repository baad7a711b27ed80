"""How large a judged collection is, by a look at its files: what learning from it will take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

#: Lines of the corpus to look at.
_LOOKED_AT = 1000
#: Bytes of a token in an English text, and fewer than in most others.
_TOKEN_BYTES = 4.0


@dataclass(frozen=True)
class JudgedSize:
    """About how many passages and judged queries a collection has, and how many tokens each has on average."""

    passages: int
    passage_tokens: float
    queries: int
    query_tokens: float

    @classmethod
    def of(cls, folder: Path, *, longest: int) -> JudgedSize:
        """Estimate a BEIR folder. ``longest`` is where the teacher cuts a passage, in tokens."""
        corpus = folder / "corpus.jsonl"
        sizes = _first_sizes(corpus)
        with (folder / "qrels" / "train.tsv").open("rb") as lines:
            queries = len(set(_first_columns(islice(lines, 1, None))))
        asked = _first_sizes(folder / "queries.jsonl")
        return cls(
            passages=max(round(corpus.stat().st_size * len(sizes) / sum(sizes)), 1),
            passage_tokens=sum(min(size / _TOKEN_BYTES, longest) for size in sizes) / len(sizes),
            queries=queries,
            query_tokens=sum(asked) / _TOKEN_BYTES / len(asked),
        )


def _first_sizes(path: Path) -> list[int]:
    """The bytes of the first lines of a file, their JSON included; one of 1 if there is none."""
    if not path.is_file():
        return [1]
    with path.open("rb") as lines:
        return [len(line) for line in islice(lines, _LOOKED_AT)] or [1]


def _first_columns(lines: Iterator[bytes]) -> Iterator[bytes]:
    return (line.split(b"\t", 1)[0] for line in lines)
