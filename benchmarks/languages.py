r"""How much of its teacher a query encoder keeps in each language, and across languages.

    python -m training.commands.languages PACKAGES runs/languages
    python -m benchmarks.languages runs/languages/help/test --passages st:TEACHER \
        --queries multilingual-causal st:TEACHER

The first command writes a folder for each language of LibreOffice's help: the same pages in all of them, with queries
in all languages. The last of ``--queries`` is the teacher. nDCG@10 is given by the language of the query: over pages in
that language, and over pages in all others.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.evaluate.data.datasets import open_dataset
from typeahead.evaluate.measures.retrieval import retrieve
from typeahead.evaluate.peers import Peer, load_peer, load_peers
from typeahead.evaluate.vectors.passages import encode_passages
from typeahead.tables import report

_MEASURE = "nDCG@10"
_DEPTH = 10


class Remembering:
    """An encoder that encodes each text once: a query is asked of the pages in every language."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.dim: int = encoder.dim
        self._known: dict[str, Vectors] = {}

    def encode(self, texts: Sequence[str]) -> Vectors:
        """The vectors of texts, float32 (n, dim)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, np.asarray(self._encoder.encode(new), np.float32), strict=True))
        return np.stack([self._known[text] for text in texts])


def scores(folder: Path, encoder: Peer, queries: Sequence[Peer], cache: Path) -> dict[str, dict[str, list[float]]]:
    """The values of all queries over the pages of one language: by the query's language and the encoder's label."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for split in ("same", "other"):
        dataset = open_dataset(folder, split=split)
        passages = encode_passages(encoder.encoder, encoder.key, dataset, cache)
        for peer in queries:
            for query, value in retrieve(peer, dataset, passages, depth=_DEPTH).per_query[_MEASURE].items():
                found[query.partition("-")[0]][peer.label].append(value)
    return found


def kept(values: Iterable[Mapping[str, list[float]]], labels: Sequence[str]) -> dict[str, Any]:
    """The teacher's mean, the last label's, over several sets of queries, and the share that each other one keeps."""
    together: dict[str, list[float]] = {label: [] for label in labels}
    for one in values:
        for label in labels:
            together[label] += one[label]
    teacher = float(np.mean(together[labels[-1]]))
    shares = {label: f"{np.mean(together[label]) / teacher:.1%}" for label in labels[:-1]}
    return {"queries": len(together[labels[-1]]), labels[-1]: round(teacher, 4), **shares}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with a BEIR folder for each language")
    parser.add_argument("--passages", required=True, metavar="ENCODER", help="encoder of the pages")
    parser.add_argument("--queries", nargs="+", required=True, metavar="ENCODER", help="encoders, the teacher last")
    parser.add_argument("--languages", nargs="+", metavar="XX", help="default: all that are there")
    parser.add_argument("--cache", type=Path, default=Path(".typeahead/passages"), help="folder of passage vectors")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args(arguments)
    languages = options.languages or sorted(path.name for path in options.folder.iterdir() if path.is_dir())
    peers, missing = load_peers(options.queries, threads=options.threads)
    if missing:
        parser.error("; ".join(one["missing"] for one in missing))
    encoder = load_peer(options.passages, threads=options.threads).for_passages()
    queries = [replace(peer, encoder=Remembering(peer.encoder)) for peer in peers]
    labels = [peer.label for peer in queries]
    by_pages = {}
    for language in languages:
        found = scores(options.folder / language, encoder, queries, options.cache / options.folder.name)
        by_pages[language] = {asked: values for asked, values in found.items() if asked in languages}
        print(f"{language}: {sum(len(one[labels[0]]) for one in found.values()):,} queries", file=sys.stderr)
    same = {language: [by_pages[language][language]] for language in languages}
    across = {
        asked: [found[asked] for pages, found in by_pages.items() if pages != asked and asked in found]
        for asked in languages
    }
    rows = []
    for what, sets in (("its own language", same), ("other languages", across))[: len(languages)]:
        of_each = {language: kept(values, labels) for language, values in sets.items()}
        rows += [{"queries in": language, "pages in": what, **row} for language, row in of_each.items()]
        everything = kept([one for values in sets.values() for one in values], labels)
        rows.append({"queries in": "all", "pages in": what, **everything})
    report(
        f"{_MEASURE} on {options.folder}: the teacher's, and the share of it that is kept",
        rows,
        json_path=options.json,
        command=shlex.join(["python", "-m", "benchmarks.languages", *(arguments or sys.argv[1:])]),
    )


if __name__ == "__main__":
    main()
