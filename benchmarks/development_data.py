"""Writes judged queries for fitting a relevance formula, made of four documentation packages of Debian.

    python -m benchmarks.development_data DEB_FOLDER --out DIR [--seed 0]

DEB_FOLDER holds the packages postgresql-doc-15, python-django-doc, git-doc and sqlite3-doc as .deb files, or unpacked
(a folder ``usr``). DIR becomes a collection in the layout of BEIR (``corpus.jsonl``, ``queries.jsonl``,
``qrels/test.tsv``) with further files:

- ``qrels/dev-a.tsv`` and ``qrels/dev-b.tsv``: the same judgements in two halves, one to fit on and one to check with.
  The page of the first answer decides the half; every record names it as ``split``.
- ``queries.jsonl``: each query has a ``kind``: a ``link`` text, the ``sentence`` around a link, or a ``heading``, to be
  searched for in the documents without their titles. Documents in ``exclude`` repeat the query word for word: leave
  them out of the results before you score them.
- ``names.jsonl``: titles of one document, with what is typed on the way (``"30"`` … ``"85"`` percent) and with slips.
- ``rare.jsonl``: words in exactly one document. ``half.jsonl``: words cut to five letters. ``nonsense.jsonl``: texts
  that nothing answers.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import options
from benchmarks.development_corpus import Corpus, read_corpus
from benchmarks.development_queries import KINDS, Query, judged_queries
from benchmarks.development_typing import half_words, names, nonsense, postings, rare_words
from typeahead.errors import SourceError
from typeahead.tables import report

_SPLITS = ("dev-a", "dev-b")


def main(arguments: Sequence[str]) -> None:
    """Read, draw, write and print the counts."""
    parser = options.parser("development_data", __doc__)
    parser.add_argument("folder", type=Path, metavar="DEB_FOLDER", help="the packages, as .deb files or unpacked")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the collection")
    parser.add_argument("--seed", type=int, default=0, help="draws the queries (0)")
    chosen = parser.parse_args(arguments)
    rows = write_collection(_read(chosen.folder), chosen.out, seed=chosen.seed)
    report("Development data", rows, json_path=chosen.json, seed=chosen.seed)


def write_collection(corpus: Corpus, folder: Path, *, seed: int = 0) -> Sequence[Mapping[str, Any]]:
    """Write all files of a collection; return how many records of each kind each half has."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    documents = [
        {
            "_id": entry.id,
            "title": entry.title,
            "text": entry.text,
            "metadata": {"package": entry.package, "split": entry.split},
        }
        for entry in corpus
    ]
    _write(folder / "corpus.jsonl", documents)
    counts = [_row("documents", (entry.split for entry in corpus))]
    queries = judged_queries(corpus, seed=seed)
    _write_queries(folder, queries)
    counts += [_row(kind, (query.split for query in queries if query.kind == kind)) for kind in KINDS]
    held = postings(corpus)
    for name, records in (
        ("names", names(corpus, seed=seed)),
        ("rare", rare_words(corpus, held, seed=seed)),
        ("half", half_words(corpus, held, seed=seed)),
        ("nonsense", nonsense(held, seed=seed)),
    ):
        _write(folder / f"{name}.jsonl", records)
        counts.append(_row(name, (record["split"] for record in records)))
    return counts


def _read(folder: Path) -> Corpus:
    """Read packages, unpacked first if need be."""
    if (folder / "usr").is_dir():
        corpus = read_corpus(folder)
    else:
        packages = sorted(folder.glob("*.deb"))
        if not packages:
            raise SourceError("holds no .deb file and no folder usr: download the packages there first", path=folder)
        with tempfile.TemporaryDirectory() as unpacked:
            for package in packages:
                subprocess.run(["dpkg-deb", "-x", str(package), unpacked], check=True)
            corpus = read_corpus(Path(unpacked))
    if not corpus.entries:
        raise SourceError("holds no page of the four packages: see --help for their names", path=folder)
    return corpus


def _write_queries(folder: Path, queries: Sequence[Query]) -> None:
    ids = [f"{query.kind}-{row}" for row, query in enumerate(queries)]
    records = [
        {"_id": id, "text": query.text, "kind": query.kind, "exclude": sorted(query.exclude), "split": query.split}
        for id, query in zip(ids, queries, strict=True)
    ]
    _write(folder / "queries.jsonl", records)
    for name in ("test", *_SPLITS):
        with (folder / "qrels" / f"{name}.tsv").open("w", encoding="utf-8") as file:
            file.write("query-id\tcorpus-id\tscore\n")
            for id, query in zip(ids, queries, strict=True):
                if name in ("test", query.split):
                    file.writelines(f"{id}\t{document}\t1\n" for document in sorted(query.relevant))


def _write(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _row(what: str, splits: Iterable[str]) -> dict[str, Any]:
    counts = Counter(splits)
    return {"what": what, **{split: counts[split] for split in _SPLITS}}


if __name__ == "__main__":
    options.run(main)
