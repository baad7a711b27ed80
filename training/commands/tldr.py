"""``python -m training.commands.tldr PAGES.jsonl FOLDER``: turns the tldr pages into a judged collection.

The result is a BEIR folder with training judgements, to measure stage 2 on. A query is the description of a command
("Rename multiple files."). Its passage is the rest of the page: the command's name, and what its examples do. People
wrote the descriptions in their own words, so many words differ from the page. A tenth of the queries, chosen by a hash,
is the test split, and another tenth is dev. ``log.txt`` has the queries of the training split, a line each, as a log
for ``typeahead train``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from typeahead.text.bad_lines import accounted
from typeahead.text.reading import parsed, utf8_lines
from typeahead.text.records import parse_object

#: What follows the actual description: links, and remarks about other pages.
_TAIL = re.compile(r"\s*(?:More information|See also|Note|Some subcommands)\b.*", re.DOTALL)
#: Pages without content of their own.
_ALIAS = re.compile(r"alias of|have been moved|See .* for")
_PLACEHOLDER = re.compile(r"\{\{(?:\[(?:[^|\]]*)\|)?([^}\]]*)\]?\}\}")
#: By tenths.
_SPLITS = {0: "test", 1: "dev"}


def read_pages(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """The id, query, title and text of each page that has a description and examples of its own."""
    with accounted(path) as bad:
        for _, (page, query, examples) in parsed(utf8_lines(path), _page, path, bad):
            if query and examples and not _ALIAS.search(query):
                yield page["id"], query, page["title"], " ".join(examples)


def _page(line: str) -> tuple[dict[str, Any], str, list[str]]:
    """A page, its description as a query, and what its examples do."""
    try:
        page = parse_object(line)
        query = _TAIL.sub("", page["description"]).strip()
        examples = [f"{one['text']}: {_plain(one['command'])}" for one in page["examples"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"not a page: {error}") from None
    return page, query, examples


def _plain(command: str) -> str:
    """A command with its placeholders as plain words: ``mv {{old}}`` becomes ``mv old``."""
    return _PLACEHOLDER.sub(r"\1", command)


def split_of(query: str) -> str:
    """The split of a query, by its hash."""
    digest = hashlib.blake2b(query.encode(), digest_size=8).digest()
    return _SPLITS.get(int.from_bytes(digest, "little") % 10, "train")


def write_folder(pages: Iterator[tuple[str, str, str, str]], folder: Path) -> dict[str, int]:
    """Write a BEIR folder, and return the number of queries by split. Pages with one description answer one query."""
    corpus: list[str] = []
    answers: dict[str, list[str]] = {}
    for key, query, title, text in pages:
        corpus.append(json.dumps({"_id": key, "title": title, "text": text}, ensure_ascii=False))
        answers.setdefault(query, []).append(key)
    queries: list[str] = []
    log: list[str] = []
    judgements: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    counts = dict.fromkeys(judgements, 0)
    for number, (query, keys) in enumerate(answers.items()):
        queries.append(json.dumps({"_id": f"q{number}", "text": query}, ensure_ascii=False))
        split = split_of(query)
        judgements[split] += [f"q{number}\t{key}\t1" for key in keys]
        counts[split] += 1
        if split == "train":
            log.append(" ".join(query.split()))
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name, lines in (("corpus.jsonl", corpus), ("queries.jsonl", queries), ("log.txt", log)):
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    for split, lines in judgements.items():
        text = "\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n"
        (folder / "qrels" / f"{split}.tsv").write_text(text, encoding="utf-8")
    return counts


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.commands.tldr", description=__doc__.split("\n\n")[0])
    parser.add_argument("pages", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    counts = write_folder(read_pages(options.pages), options.folder)
    print(", ".join(f"{count:,} {split} queries" for split, count in counts.items()))


if __name__ == "__main__":
    main()
