"""How well one formula ranks what people type, on development data: for choosing its weights.

    python -m benchmarks.relevance DATA [--split dev-a] [--weights words=0.6,rare=0.4 …] [--fit ROUNDS]

DATA is what ``python -m benchmarks.development_data`` writes. The first run indexes its documents in ``DATA/index``.
Each text is read, encoded and searched for once, as at a key and at Enter; then each set of weights scores the evidence
of its candidates. ``--fit`` changes one weight at a time, and keeps what makes the mean of all measures better. Weights
are chosen on ``dev-a``; ``dev-b`` tells whether the choice was luck.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

import typeahead
from benchmarks import options
from typeahead.core.encoder import IncrementalEncoder
from typeahead.core.engine import Engine
from typeahead.index.build import build_index
from typeahead.progress import ProgressBar
from typeahead.search.addresses import open_backend
from typeahead.search.asking import Asker
from typeahead.search.learning import learn
from typeahead.search.port import Backend, Candidates
from typeahead.search.ranking import DEPTH
from typeahead.search.scoring import WEIGHTS, Scale, Weights, score
from typeahead.tables import report
from typeahead.text.sources import FieldChoice, read_source

#: Characters of a query that are typed, as shares.
SHARES: Final = (0.3, 0.5, 0.7, 1.0)
_PATIENCE: Final = 600.0
_BATCH: Final = 32
#: What a weight is multiplied by in a round of ``--fit``.
_STEPS: Final = (0.0, 0.5, 0.8, 1.25, 2.0)


class Typed(NamedTuple):
    """A text, what it should find, and what does not count."""

    measure: str
    text: str
    relevant: frozenset[str]
    excluded: frozenset[str] = frozenset()


def typed(folder: Path, split: str) -> Iterator[Typed]:
    """The texts of one half of the development data."""
    relevant: dict[str, set[str]] = defaultdict(set)
    for line in (folder / "qrels" / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, _ = line.split("\t")
        relevant[query].add(document)
    for asked in _records(folder / "queries.jsonl"):
        # A heading is its own document's title, so it is searched for without titles, or not at all.
        if asked["_id"] in relevant and asked["kind"] != "heading":
            for share in SHARES:
                text = asked["text"][: max(1, round(share * len(asked["text"])))]
                measure = f"{asked['kind']} {share:.0%}"
                yield Typed(measure, text, frozenset(relevant[asked["_id"]]), frozenset(asked["exclude"]))
    for name in _records(folder / "names.jsonl"):
        if name["split"] == split:
            yield Typed("name", name["text"], frozenset([name["id"]]))
            for how in ("70", "swap", "deletion"):
                if how in name["typed"]:
                    yield Typed(f"name {how}", name["typed"][how], frozenset([name["id"]]))
    for word in _records(folder / "rare.jsonl"):
        if word["split"] == split:
            yield Typed("rare word", word["text"], frozenset([word["id"]]))
    for string in _records(folder / "nonsense.jsonl"):
        if string["split"] == split:
            yield Typed("no meaning", string["text"], frozenset())


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


async def candidates(backend: Backend, asker: Asker, texts: Sequence[Typed]) -> list[Candidates]:
    """Look for all texts once."""
    found: list[Candidates] = []
    with ProgressBar() as progress:
        for start in range(0, len(texts), _BATCH):
            part = asker.ask([one.text for one in texts[start : start + _BATCH]], DEPTH)
            found += await backend.candidates(part, time.monotonic() + _PATIENCE)
            progress("texts", len(found), len(texts))
    return found


def measured(
    texts: Sequence[Typed], found: Sequence[Candidates], documents: int, scale: Scale, weights: Weights
) -> dict[str, float]:
    """The mean of each measure, by its name.

    They are nDCG@10 of judged texts, the share of names and rare words that stand first and among 8, and the share of
    strings without meaning whose best score is below 99% of those of judged texts that found something.
    """
    values: dict[str, list[float]] = defaultdict(list)
    best: dict[bool, list[float]] = {True: [], False: []}
    for text, one in zip(texts, found, strict=True):
        scores = score(one, documents, scale, weights)
        keep = [row for row, key in enumerate(one.keys) if key.document not in text.excluded]
        order = sorted(keep, key=lambda row: -scores[row])[:10]
        hits = np.array([one.keys[row].document in text.relevant for row in order], float)
        top = float(scores[order[0]]) if order else 0.0
        if not text.relevant:
            best[False].append(top)
            continue
        if "%" in text.measure:
            discounts = 1 / np.log2(np.arange(2, 12))
            ideal = discounts[: len(text.relevant)].sum()
            values[f"{text.measure}, nDCG@10"].append(float((hits * discounts[: len(hits)]).sum() / ideal))
            if hits.any() and text.measure.endswith("100%"):
                best[True].append(top)
        else:
            values[f"{text.measure}, first"].append(float(hits[:1].sum()))
            values[f"{text.measure}, among 8"].append(float(hits[:8].any()))
    means = {measure: float(np.mean(found)) for measure, found in values.items()}
    means["no meaning, apart"] = float(np.mean(np.array(best[False]) < np.quantile(best[True], 0.01)))
    return means


def fit(evaluate: Callable[[Weights], dict[str, float]], start: Weights, rounds: int) -> Weights:
    """Change one weight at a time, and keep what makes the mean of all measures better."""
    chosen, reached = start, float(np.mean(list(evaluate(start).values())))
    for _ in range(rounds):
        for one in fields(Weights):
            for step in _STEPS:
                tried = replace(chosen, **{one.name: round(getattr(chosen, one.name) * step, 3)})
                mean = float(np.mean(list(evaluate(tried).values())))
                if mean > reached:
                    chosen, reached = tried, mean
    return chosen


async def run(arguments: argparse.Namespace) -> tuple[int, Scale, list[tuple[str, dict[str, float]]]]:
    """Index, look for everything, and measure each set of weights: texts, the scale, and measures by weights."""
    encoder = typeahead.load(arguments.encoder)
    assert isinstance(encoder, IncrementalEncoder)
    folder = arguments.data / "index"
    if not folder.exists():
        with ProgressBar() as progress:
            documents = read_source(arguments.data / "corpus.jsonl", choice=FieldChoice("none"))
            build_index(documents, folder, typeahead.load("minilm-doc"), progress=progress)
    backend = await open_backend(str(folder))
    try:
        asker = Asker(Engine(encoder), words=True)
        scale = await learn(backend, asker, time.monotonic() + _PATIENCE)
        texts = list(typed(arguments.data, arguments.split))
        found = await candidates(backend, asker, texts)
        count = backend.count
    finally:
        await backend.close()

    def evaluate(weights: Weights) -> dict[str, float]:
        return measured(texts, found, count, scale, weights)

    tried = [WEIGHTS, *arguments.weights]
    if arguments.fit:
        tried.append(fit(evaluate, WEIGHTS, arguments.fit))
    return len(texts), scale, [(_label(one), evaluate(one)) for one in tried]


def _label(weights: Weights) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in asdict(weights).items())


def weights(text: str) -> Weights:
    """Parse ``words=0.6,rare=0.4``: other weights stay as they are."""
    try:
        return replace(WEIGHTS, **{name: float(value) for name, value in (one.split("=") for one in text.split(","))})
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text} is not like words=0.6,rare=0.4: {error}") from None


def main(given: Sequence[str]) -> None:
    """Print a column for each set of weights."""
    parser = options.parser("relevance", __doc__)
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder of development data")
    parser.add_argument("--split", choices=["dev-a", "dev-b"], default="dev-a")
    parser.add_argument("--encoder", default="minilm-causal", metavar="MODEL", help="query encoder (minilm-causal)")
    parser.add_argument("--weights", type=weights, action="append", default=[], metavar="NAME=NUMBER,…")
    parser.add_argument("--fit", type=int, default=0, metavar="ROUNDS", help="choose weights in so many rounds")
    arguments = parser.parse_args(given)
    texts, scale, tried = asyncio.run(run(arguments))
    report(
        "Relevance",
        [{"measure": measure, **{name: found[measure] for name, found in tried}} for measure in tried[0][1]],
        json_path=arguments.json,
        split=arguments.split,
        texts=texts,
        **asdict(scale),
    )


if __name__ == "__main__":
    options.run(main)
