"""What is typed in the measurements: real typing where there is any, synthetic typing otherwise.

Real typing comes from extracts of *136M Keystrokes* (:mod:`typeahead.evaluate.data.traces`) and from files of real
queries, one ``source<TAB>query`` or ``query`` a line. The project contains neither; ``benchmarks/data.md`` says where
to get them. A synthetic trace types a made-up query of words from the shipped tokenizer's vocabulary, with gaps and
corrections drawn to match the quantiles of the recorded ones.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from typeahead.errors import SourceError
from typeahead.evaluate.data.traces import Keystroke, read_traces
from typeahead.models.folder import find


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

#: The recorded gaps have a median of 170 ms and a 95th percentile of 716 ms. So does a log-normal with this spread.
_MEDIAN_GAP_MS, _GAP_SPREAD = 170.0, 0.87
#: Share of backspaces among the recorded keys.
_CORRECTIONS = 0.048


def load_traces(path: Path | None, *, seed: int = 0) -> tuple[list[Trace], str]:
    """Recorded traces in random order, or 1,500 synthetic ones, and a description of them.

    Without ``path``, the recording in the data folder is used if it exists. Raises
    :class:`~typeahead.errors.SourceError` if ``path`` cannot be read.
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
    """Draw at most ``count`` distinct queries from a file, in random order, and describe them.

    Without ``path`` they come from the data folder, or are synthetic if it has none. Raises
    :class:`~typeahead.errors.SourceError` if the file has no query.
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
    """Whole words of the shipped tokenizer, frequent ones first."""
    tokenizer = json.loads((find("minilm-gru") / "tokenizer.json").read_text(encoding="utf-8"))
    return [word for word in tokenizer["model"]["vocab"] if len(word) > 1 and word.isascii() and word.isalpha()]


def synthetic_queries(count: int, *, seed: int) -> list[str]:
    """Queries of two to nine words, drawn by Zipf's law. They share fewer beginnings than real ones."""
    rng = np.random.default_rng(seed)
    words = _words()
    weights = 1 / np.arange(2, len(words) + 2)
    weights /= weights.sum()
    lengths = rng.integers(2, 10, count)
    drawn = rng.choice(len(words), int(lengths.sum()), p=weights)
    ends = np.cumsum(lengths)
    return [" ".join(words[at] for at in drawn[end - length : end]) for length, end in zip(lengths, ends, strict=True)]


def synthetic_traces(count: int, *, seed: int) -> list[Trace]:
    """Synthetic queries, typed with gaps and corrections like those of recorded typing."""
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
    """What each of ``people`` types: a trace of their own if there are enough; otherwise traces are used several times.

    Each ends with an empty box, because the next query starts from there.
    """
    return [[*(key.text for key in traces[person % len(traces)]), ""] for person in range(people)]


def varied_texts(traces: Sequence[Trace], queries: Sequence[str], people: int) -> list[list[str]]:
    """Traces as in :func:`typed_texts`, followed by ``queries``, dealt out among the people, key by key.

    Heavy loads finish the traces within seconds, and would then only type what the server's cache already holds.
    """
    texts = typed_texts(traces, people)
    for number, query in enumerate(queries):
        texts[number % people] += [*(query[:end] for end in range(1, len(query) + 1)), ""]
    return texts
