"""Makes the collection of ``typeahead evaluate typed``: command pages and facts about countries, by their titles.

    python -m benchmarks.typed_collection FOLDER

FOLDER becomes a BEIR folder of documents alone, without judgements. It holds the tldr pages whose title no other page
has (their text is the description and the examples), and 3,000 passages of the factbook, drawn by a seed and titled
"country: section". Both sources come from ``$TYPEAHEAD_DATA`` (``benchmarks/data.md``). This is a test collection:
choose no setting by it.
"""

from __future__ import annotations

import argparse
import inspect
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import options
from benchmarks.typed import DATA
from typeahead.text import beir
from typeahead.text.document import Document
from typeahead.text.reading import parsed, utf8_lines
from typeahead.text.records import parse_object

PAGES = DATA / "tldr" / "pages.jsonl"
FACTS = DATA / "factbook" / "passages.jsonl"
#: Passages of the factbook.
COUNT = 3000
#: ``{{placeholder}}`` and ``{{[-s|--short]}}`` in the commands of examples.
_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")


def pages(path: Path) -> Iterator[Document]:
    """The tldr pages whose title no other page has, case aside. Raises :class:`~typeahead.errors.SourceError`."""
    found = [page for _, page in parsed(utf8_lines(path), _page, path)]
    counts = Counter(page.title.casefold() for page in found)
    return (page for page in found if counts[page.title.casefold()] == 1)


def _page(line: str) -> Document:
    record = _record(line, "id", "title", "description", "examples")
    text = "\n".join([record["description"], *(f"{one['text']}: {one['command']}" for one in record["examples"])])
    return Document(f"tldr/{record['id']}", record["title"], _PLACEHOLDER.sub(r"\1", text))


def facts(path: Path, count: int, seed: int) -> list[Document]:
    """``count`` passages of the factbook, in their order. Raises :class:`~typeahead.errors.SourceError`."""
    found = [fact for _, fact in parsed(utf8_lines(path), _fact, path)]
    rows = random.Random(seed).sample(range(len(found)), min(count, len(found)))
    return [found[row] for row in sorted(rows)]


def _fact(line: str) -> Document:
    record = _record(line, "id", "country", "section", "text")
    return Document(f"factbook/{record['id']}", f"{record['country']}: {record['section']}", record["text"])


def _record(line: str, *fields: str) -> dict[str, Any]:
    record = parse_object(line)
    if missing := [field for field in fields if field not in record]:
        raise ValueError(f"no field {missing[0]!r}; the fields are {', '.join(map(repr, record))}")
    return dict(record)


def write(documents: Iterable[Document], folder: Path) -> int:
    """Write ``corpus.jsonl``, and return the number of documents."""
    folder.mkdir(parents=True, exist_ok=True)
    records = [{"_id": one.id, "title": one.title, "text": one.text} for one in documents]
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (folder / beir.CORPUS).write_text("".join(lines), encoding="utf-8")
    return len(records)


def main(arguments: Sequence[str]) -> None:
    """Read both sources, and write the folder."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.typed_collection",
        description=inspect.cleandoc(__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--pages", type=Path, default=PAGES, metavar="FILE", help="tldr pages")
    parser.add_argument("--facts", type=Path, default=FACTS, metavar="FILE", help="passages of the factbook")
    parser.add_argument("--count", type=options.whole, default=COUNT, help=f"passages of the factbook ({COUNT:,})")
    parser.add_argument("--seed", type=int, default=0, help="seed of their draw (0)")
    chosen = parser.parse_args(arguments)
    documents = [*pages(chosen.pages), *facts(chosen.facts, chosen.count, chosen.seed)]
    print(f"{chosen.folder}: {write(documents, chosen.folder):,} documents")


if __name__ == "__main__":
    options.run(main)
