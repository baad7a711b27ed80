"""What is typed in the measurements: recorded typing where it is at hand, a synthetic one where it is not.

Recorded are the *136M Keystrokes* extracts (:mod:`typeahead.evaluate.traces`) and files of real queries, one
``source<TAB>query`` or ``query`` a line; neither is part of the project. A synthetic trace types made-up queries of
words from the shipped tokenizer's own vocabulary, with gaps and corrections drawn to the recorded ones' quantiles.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from typeahead import models
from typeahead.errors import SourceError
from typeahead.evaluate.traces import Keystroke, read_traces


def data_folder() -> Path:
    """The folder of real data: ``$TYPEAHEAD_DATA``, else ``../shared/data`` beside the checkout.

    ``benchmarks/data.md`` says what belongs in it.
    """
    chosen = os.environ.get("TYPEAHEAD_DATA")
    return Path(chosen) if chosen else Path(__file__).parents[2] / "shared" / "data"


DATA = data_folder()
TRACES = DATA / "keystrokes.jsonl.gz"
QUERIES = DATA / "train_queries.tsv"

Trace = list[Keystroke]

#: Of the recorded gaps: median 170 ms, 95th percentile 716 ms, which a log-normal has with this spread.
_MEDIAN_GAP_MS, _GAP_SPREAD = 170.0, 0.87
#: Share of keys that are BKSP.
_CORRECTIONS = 0.048


def load_traces(path: Path | None, *, seed: int = 0) -> tuple[list[Trace], str]:
    """Recorded traces in a random order, and what they are; 1,500 synthetic ones where nothing is recorded.

    With ``path`` None the recording beside the checkout is taken if it is there. Raises
    :class:`~typeahead.errors.SourceError` for a ``path`` that cannot be read.
    """
    chosen = path or (TRACES if TRACES.is_file() else None)
    rng = random.Random(seed)
    if chosen is None:
        return synthetic_traces(1500, seed=seed), "synthetic"
    traces = list(read_traces(chosen))
    if not traces:
        raise SourceError("holds no trace", path=chosen)
    rng.shuffle(traces)
    return traces, f"recorded, {chosen.name}"


def load_queries(path: Path | None, count: int, *, seed: int = 0) -> tuple[list[str], str]:
    """Draw ``count`` distinct queries of a file in a random order, or all if it has fewer, and say what they are.

    Without a file they are synthetic. Raises :class:`~typeahead.errors.SourceError` for a file without a query.
    """
    chosen = path or (QUERIES if QUERIES.is_file() else None)
    if chosen is None:
        return synthetic_queries(count, seed=seed), "synthetic"
    try:
        with chosen.open(encoding="utf-8") as lines:
            queries = sorted({line.rstrip("\n").rpartition("\t")[2].strip() for line in lines} - {""})
    except UnicodeDecodeError as error:
        raise SourceError(f"is not UTF-8: {error}", path=chosen) from error
    if not queries:
        raise SourceError("holds no query", path=chosen)
    return random.Random(seed).sample(queries, min(count, len(queries))), f"real, {chosen.name}"


@cache
def _words() -> Sequence[str]:
    """Whole words of the shipped tokenizer, the frequent ones first."""
    tokenizer = json.loads((models.find("minilm-gru") / "tokenizer.json").read_text(encoding="utf-8"))
    return [word for word in tokenizer["model"]["vocab"] if len(word) > 1 and word.isascii() and word.isalpha()]


def synthetic_queries(count: int, *, seed: int) -> list[str]:
    """Queries of two to nine words, drawn by Zipf's law: they share beginnings less than real ones do."""
    rng = np.random.default_rng(seed)
    words = _words()
    weights = 1 / np.arange(2, len(words) + 2)
    weights /= weights.sum()
    lengths = rng.integers(2, 10, count)
    drawn = rng.choice(len(words), int(lengths.sum()), p=weights)
    ends = np.cumsum(lengths)
    return [" ".join(words[at] for at in drawn[end - length : end]) for length, end in zip(lengths, ends, strict=True)]


def synthetic_traces(count: int, *, seed: int) -> list[Trace]:
    """Synthetic queries typed with gaps and corrections like the recorded ones."""
    rng = random.Random(seed)
    traces = []
    for query in synthetic_queries(count, seed=seed):
        trace: Trace = []
        at, text = 0.0, ""

        def press(changed: str, trace: Trace = trace) -> str:
            nonlocal at
            trace.append(Keystroke(at, changed))
            at += _MEDIAN_GAP_MS * rng.lognormvariate(0.0, _GAP_SPREAD)
            return changed

        for character in query:
            if rng.random() < _CORRECTIONS:
                press(press(text + rng.choice("aeionrst"))[:-1])
            text = press(text + character)
        traces.append(trace)
    return traces


def typed_texts(traces: Sequence[Trace], people: int) -> list[list[str]]:
    """What each of ``people`` types: a trace of their own where there are enough, else each trace several times.

    Ends with an emptied box, as who goes on typing starts a new query.
    """
    return [[*(key.text for key in traces[person % len(traces)]), ""] for person in range(people)]


def varied_texts(traces: Sequence[Trace], queries: Sequence[str], people: int) -> list[list[str]]:
    """The same, and then ``queries``, dealt out to them, key by key.

    For loads that would be through the traces in seconds: what was typed before is in the server's cache.
    """
    texts = typed_texts(traces, people)
    for number, query in enumerate(queries):
        texts[number % people] += [*(query[:end] for end in range(1, len(query) + 1)), ""]
    return texts
