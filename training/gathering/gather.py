"""Gathers training texts from the files that people have: the one function of this package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from training.gathering.gathered import Gathered
from training.gathering.source import Source

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def gather(
    *,
    queries: Sequence[Source | Path | str] = (),
    passages: Sequence[Source | Path | str] = (),
    tokenizer: Tokenizer,
    max_tokens: int = 96,
    seed: int = 0,
    wanted: int | None = None,
    development: float | None = None,
    vocabulary: bool = True,
) -> Gathered:
    """Read files of queries and passages, and return texts to train on, texts held out, and a report.

    Args:
        queries: files of queries, as ``FILE``, ``FILE:COLUMN`` or :class:`Source`. A list with a query a line, CSV or
            TSV with or without a header, JSON lines, a JSON array, Parquet, Arrow, a folder of ``datasets``
            (``save_to_disk``), a BEIR folder or its ``queries.jsonl``, MS MARCO's ``id<TAB>query``, a web server's log
            with addresses such as ``/search?q=…``. Any of them that is text may be compressed.
        passages: whatever ``typeahead index`` reads, the folder of an index, a folder of ``datasets``, and tables
            without ids.
        tokenizer: the student's. It is left as it was; special tokens in a text are read as text, nothing is cut or
            padded.
        max_tokens: the longest text in tokens, without special tokens. Longer ones are cut into windows.
        seed: decides which texts are chosen, and which phrases are cut. The same files, numbers and seed give the same
            texts.
        wanted: how many texts to train on. ``None``: as many as there are. See :mod:`training.gathering.mixing` for
            the mix.
        development: the share of the distinct queries to hold out, from 0 to 0.5. ``None``: about 1,000 of them, at
            most a tenth. Without queries, titles and the other pseudo-queries are held out in their place.
        vocabulary: whether the words of the vocabulary are texts, too.

    Returns:
        Texts without duplicates, each at most ``max_tokens`` long.

    Raises:
        SourceError: a file cannot be read, is no text, holds no text, or has several columns that could be meant. The
            message names the columns and says how to name one.
        MissingExtra: pyarrow is needed and not installed.
        ValueError: neither queries nor passages are given, or a number is out of its range.
    """
    raise NotImplementedError
