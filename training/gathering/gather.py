"""Gathers training texts from the files that people have: the one function of this package."""

from __future__ import annotations

from collections import Counter as Numbers
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.gathering.documents import Pile
from training.gathering.gathered import Gathered, GatheredText
from training.gathering.log import QueryLog, bounded, continuations
from training.gathering.mixing import chosen, most_words, shared
from training.gathering.pseudo import Read, names_of, phrases_of
from training.gathering.report import BUCKETS, Lengths, Report
from training.gathering.source import Source
from training.gathering.splitting import HeldOut, share_of
from training.gathering.tokens import Counter, plain_texts
from training.gathering.vocabulary import words_of
from training.gathering.windows import UNKNOWN, Windows

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Documents cut at a time, and texts that are measured.
_BATCH, _MEASURED = 64, 50_000

#: Phrases that are cut from one window where there are fewer texts than wanted.
_ROUNDS = 4

TOO_LONG = "pseudo-queries that are too long, or unknown to the vocabulary"
UNWANTED = "beyond the number wanted"
SAME = "windows and pseudo-queries that are another text already"


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
            most a tenth. Without queries, titles and the other pseudo-queries are held out in their place, or else
            windows.
        vocabulary: whether the words of the vocabulary are texts, too.

    Returns:
        Texts without duplicates, each with 1 to ``max_tokens`` tokens.

    Raises:
        SourceError: a file cannot be read, is no text, holds no text, or has several columns that could be meant. The
            message names the columns and says how to name one.
        IndexFolderError: the folder of an index cannot be read.
        MissingExtra: pyarrow is needed and not installed.
        ValueError: neither queries nor passages are given, or a number is out of its range.
    """
    if not queries and not passages:
        raise ValueError("there are no texts: give files of queries, files of passages, or both")
    if max_tokens < 1 or (wanted is not None and wanted < 1):
        raise ValueError(f"max_tokens is {max_tokens} and wanted is {wanted}; both must be at least 1")
    share_of(1, development)
    with plain_texts(tokenizer):
        gathering = _Gathering(tokenizer, max_tokens, seed, wanted, development)
        gathering.read_queries([Source.of(one) for one in queries])
        gathering.read_passages([Source.of(one) for one in passages])
        if vocabulary:
            gathering.read_vocabulary()
        return gathering.result()


class _Gathering:
    """One gathering, step by step. ``groups`` are the distinct texts that may be trained on."""

    def __init__(
        self, tokenizer: Tokenizer, max_tokens: int, seed: int, wanted: int | None, development: float | None
    ) -> None:
        self._tokenizer = tokenizer
        self._count = Counter(tokenizer)
        self._windows = Windows(self._count, max_tokens)
        self._seed, self._wanted, self._share = seed, wanted, development
        self._report = Report(max_tokens, wanted)
        self._groups: dict[str, list[GatheredText]] = {"queries": [], "passages": [], "pseudo": [], "words": []}
        self._seen: set[str] = set()
        #: Queries that fit as they are, which may be held out.
        self._whole: list[GatheredText] = []
        self._unfinished: dict[str, str] = {}

    def read_queries(self, sources: Sequence[Source]) -> None:
        log = QueryLog()
        left_out = self._report.left_out
        self._report.files += [log.add(source) for source in sources]
        texts = log.texts(self._seed, left_out)
        self._unfinished = continuations(texts)
        self._report.unfinished = len(self._unfinished)
        texts = bounded(texts, self._unfinished, self._seed, left_out)
        windows = self._windows.of([one.text for one in texts])
        for one, parts in zip(texts, windows, strict=True):
            if parts == [one.text]:
                self._whole.append(one)
            elif not parts:
                left_out[UNKNOWN] = left_out.get(UNKNOWN, 0) + 1
        self._add("queries", self._whole)
        cut = zip(texts, windows, strict=True)
        self._add(
            "queries",
            (
                GatheredText(part, "query", one.source, one.count)
                for one, parts in cut
                if parts != [one.text]
                for part in parts
            ),
        )

    def read_passages(self, sources: Sequence[Source]) -> None:
        if not sources:
            return
        pile = Pile(self._wanted, self._seed)
        self._report.files += [pile.add(source) for source in sources]
        documents = pile.documents()
        needed = self._needed()
        read: list[Read] = []
        number = 0
        for start in range(0, len(documents), _BATCH):
            part = documents[start : start + _BATCH]
            windows = self._windows.of([document.text for document, _ in part])
            read += [Read(document, name, found) for (document, name), found in zip(part, windows, strict=True)]
            number += sum(map(len, windows))
            if needed is not None and number >= needed:
                break
        self._report.documents, self._report.documents_used = len(pile), len(read)
        self._add("passages", (GatheredText(text, "passage", one.source) for one in read for text in one.windows))
        self._add_short(names_of(read))
        for number in range(_ROUNDS):
            self._add_short(phrases_of(read, self._seed + number))
            if sum(map(len, self._groups.values())) >= (self._wanted or 0):
                return

    def _add_short(self, texts: Iterable[GatheredText]) -> None:
        """Add pseudo-queries that fit."""
        short = list(texts)
        long = [row for row, one in enumerate(short) if not self._windows.fits(one.text)]
        counts = dict(zip(long, self._count.known([short[row].text for row in long]), strict=True))
        limit, left_out = self._report.max_tokens, self._report.left_out
        fits = [0 < counts.get(row, 1) <= limit for row in range(len(short))]
        if not all(fits):
            left_out[TOO_LONG] = left_out.get(TOO_LONG, 0) + fits.count(False)
        self._add("pseudo", (one for one, fit in zip(short, fits, strict=True) if fit))

    def _needed(self) -> int | None:
        """How many windows are needed at most; ``None`` for all."""
        if self._wanted is None:
            return None
        most = {"queries": len(self._groups["queries"]), "passages": self._wanted, "pseudo": self._wanted, "words": 0}
        parts = shared(self._wanted, most)
        # A document gives two pseudo-queries or more.
        return max(parts["passages"], parts["pseudo"] // 2)

    def read_vocabulary(self) -> None:
        # Some of them are held out.
        most = 1.1 * self._most_words(sum(map(len, self._groups.values())))
        for word in words_of(self._tokenizer, self._count):
            self._add("words", [GatheredText(word, "word", "vocabulary")])
            if len(self._groups["words"]) >= most:
                return

    def _most_words(self, others: int) -> int:
        return most_words(others if self._wanted is None else min(others, self._wanted))

    def _add(self, group: str, texts: Iterable[GatheredText]) -> None:
        """Add texts that are not there yet."""
        same = 0
        for one in texts:
            if one.text in self._seen:
                same += 1
                continue
            self._seen.add(one.text)
            self._groups[group].append(one)
        if same and group != "words":
            self._report.left_out[SAME] = self._report.left_out.get(SAME, 0) + same

    def result(self) -> Gathered:
        report, groups = self._report, self._groups
        candidates = self._whole or groups["pseudo"] or groups["passages"]
        held_out = HeldOut(candidates, share_of(len(candidates), self._share), self._unfinished)
        groups = {name: held_out.rest(texts, report.left_out) for name, texts in groups.items()}
        others = sum(len(texts) for name, texts in groups.items() if name != "words")
        groups["words"] = groups["words"][: self._most_words(others)]
        available = {name: len(texts) for name, texts in groups.items()}
        if self._wanted is not None:
            numbers = shared(self._wanted, available)
            groups = {
                name: texts[: numbers[name]] if name == "words" else chosen(texts, numbers[name], self._seed)
                for name, texts in groups.items()
            }
        training = [one for texts in groups.values() for one in texts]
        if len(training) < sum(available.values()):
            report.left_out[UNWANTED] = sum(available.values()) - len(training)
        windows = self._windows
        report.cut, report.windows, report.shortened = windows.cut, windows.windows, windows.shortened
        report.unusable = windows.unusable
        report.available = available
        report.training = dict(Numbers(one.kind for one in training))
        report.development = dict(Numbers(one.kind for one in held_out.texts))
        report.lengths = self._lengths(training)
        return Gathered(training, held_out.texts, report)

    def _lengths(self, texts: Sequence[GatheredText]) -> Lengths | None:
        step = -(-len(texts) // _MEASURED) or 1
        counts = np.array(self._count([one.text for one in texts[::step]]), np.int64)
        if not len(counts):
            return None
        bounds = (0, *BUCKETS)
        names = [f"{low + 1}-{high}" for low, high in zip(bounds, BUCKETS, strict=False)] + [f"{BUCKETS[-1] + 1}-"]
        places = np.bincount(np.searchsorted(BUCKETS, counts), minlength=len(names))
        shares = {name: round(float(number) / len(counts), 4) for name, number in zip(names, places, strict=True)}
        p95 = int(np.percentile(counts, 95, method="higher"))
        return Lengths(len(counts), round(float(counts.mean()), 2), p95, int(counts.max()), shares)
