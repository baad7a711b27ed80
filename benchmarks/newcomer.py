r"""The files of somebody who wants an encoder of their own: a query log and documents.

    python -m benchmarks.newcomer runs/newcomer
    typeahead train --teacher $TYPEAHEAD_TEACHER --queries runs/newcomer/log.txt --passages runs/newcomer/docs.jsonl \
        --minutes 20 --out runs/newcomer/mine

The log has 20,000 of the real queries, a query a line, and there are 5,000 of the texts of many domains. Both are drawn
at random. ``benchmarks/data.md`` says where the two files come from. No query or text of a test collection is in them.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

from benchmarks.typed import DATA


def sample(path: Path, count: int, seed: int) -> list[str]:
    """``count`` of the texts of a file with lines ``source<TAB>text``, in random order."""
    with path.open(encoding="utf-8") as lines:
        texts = [line.rstrip("\n").partition("\t")[2] for line in lines]
    return random.Random(seed).sample(texts, count)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for log.txt and docs.jsonl")
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--documents", type=int, default=5_000)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data (default: $TYPEAHEAD_DATA)")
    parser.add_argument("--seed", type=int, default=22)
    parsed = parser.parse_args(arguments)
    parsed.out.mkdir(parents=True, exist_ok=True)
    queries = sample(parsed.data / "train_queries.tsv", parsed.queries, parsed.seed)
    (parsed.out / "log.txt").write_text("".join(f"{query}\n" for query in queries), encoding="utf-8")
    documents = sample(parsed.data / "train_texts.tsv", parsed.documents, parsed.seed)
    with (parsed.out / "docs.jsonl").open("w", encoding="utf-8") as file:
        for number, text in enumerate(documents):
            file.write(json.dumps({"id": f"d{number}", "text": text}, ensure_ascii=False) + "\n")
    print(f"{len(queries)} queries and {len(documents)} documents in {parsed.out}.")


if __name__ == "__main__":
    main()
