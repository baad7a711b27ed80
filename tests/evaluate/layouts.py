"""One small collection in each form that a dataset comes in."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

#: Ids as MS MARCO has them, which are not in the order of numbers here, and a text of several scripts.
PASSAGES = {
    "7067032": "Boil eggs for ten minutes.",
    "0": "Rain falls from clouds: 雨, дождь, مطر.",
    "12": 'Fry "eggs" in butter \\ oil, 5% salt.',
    "8841822": "The sun is a star.",
    "500": "",
}
#: One is not judged.
QUERIES = {"1048585": "how to boil an egg", "2": "what is the weather", "300674": "why is the sun hot"}
QRELS = {"300674": {"8841822": 1}, "1048585": {"7067032": 1, "12": 1, "0": 0}}


def write_beir(
    folder: Path,
    passages: Mapping[str, str] = PASSAGES,
    queries: Mapping[str, str] = QUERIES,
    qrels: Mapping[str, Mapping[str, int]] = QRELS,
) -> Path:
    """A BEIR folder, the first word of a passage as its title."""
    (folder / "qrels").mkdir(parents=True)
    records = []
    for key, text in passages.items():
        title, _, rest = text.partition(" ")
        records.append(json.dumps({"_id": key, "title": title, "text": rest, "metadata": {}}))
    (folder / "corpus.jsonl").write_text("".join(f"{record}\n" for record in records), encoding="utf-8")
    records = [json.dumps({"_id": key, "text": text}, ensure_ascii=False) for key, text in queries.items()]
    (folder / "queries.jsonl").write_text("".join(f"{record}\n" for record in records), encoding="utf-8")
    rows = ["query-id\tcorpus-id\tscore", *_rows(qrels, "{query}\t{passage}\t{grade}")]
    (folder / "qrels" / "test.tsv").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return folder


def write_msmarco(
    folder: Path,
    passages: Mapping[str, str] = PASSAGES,
    queries: Mapping[str, str] = QUERIES,
    qrels: Mapping[str, Mapping[str, int]] = QRELS,
    judgement: str = "{query}\t0\t{passage}\t{grade}",
) -> Path:
    """``collection.tsv``, ``queries.dev.small.tsv`` and ``qrels.dev.small.tsv``."""
    folder.mkdir(parents=True)
    for name, texts in (("collection.tsv", passages), ("queries.dev.small.tsv", queries)):
        (folder / name).write_text("".join(f"{key}\t{text}\n" for key, text in texts.items()), encoding="utf-8")
    rows = _rows(qrels, judgement)
    (folder / "qrels.dev.small.tsv").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return folder


def register_msmarco(folder: Path) -> str:
    """Make the files of :func:`write_msmarco` a dataset of ``ir_datasets``, and return its id."""
    import ir_datasets

    name = f"typeahead-{uuid.uuid4().hex}/dev/small"
    dataset = ir_datasets.create_dataset(
        docs_tsv=str(folder / "collection.tsv"),
        queries_tsv=str(folder / "queries.dev.small.tsv"),
        qrels_trec=str(folder / "qrels.dev.small.tsv"),
    )
    ir_datasets.registry.register(name, dataset)
    return name


def _rows(qrels: Mapping[str, Mapping[str, int]], form: str) -> Sequence[str]:
    return [
        form.format(query=query, passage=passage, grade=grade)
        for query, grades in qrels.items()
        for passage, grade in grades.items()
    ]
