"""LibreOffice's help: the same pages under the same names in many languages, as a judged collection across languages.

A query is a page's title or one of its headings; the relevant passage is the text of that page, without title and
headings, in the same language or in another. A hash of the page's name decides its split, for all languages at once, so
the pages of the development and of the test split share nothing with those that training may read.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data.languages.markup import read_blocks, sentences
from training.data.languages.packages import LANGUAGES, Language

#: Where the pages are in a folder of extracted packages; ``{}`` is the language's folder.
FOLDER = "usr/share/libreoffice/help/{}/text"
#: Of 100 pages.
_DEVELOPMENT, _TEST = 10, 40
#: A passage ends after this many characters: half of it in scripts whose characters say more.
_LONGEST, _LONGEST_DENSE = 1000, 450
_DENSE = ("ja", "zh", "ko")
_SHORTEST_TEXT = 80
_HEADINGS = 3
#: Pages of which a larger share of the paragraphs stands in English too are not translated.
_UNTRANSLATED = 0.3
#: Shorter paragraphs are often the same in two languages.
_TELLING = 20


@dataclass(frozen=True)
class Page:
    """One page in one language. ``name`` is its path, the same in all languages."""

    name: str
    headings: tuple[str, ...]
    paragraphs: tuple[str, ...]

    def passage(self, language: str) -> str:
        """The text, cut after a whole sentence."""
        longest = _LONGEST_DENSE if language in _DENSE else _LONGEST
        kept: list[str] = []
        length = 0
        for paragraph in self.paragraphs:
            for sentence in sentences(paragraph):
                if kept and length + len(sentence) > longest:
                    return " ".join(kept)
                kept.append(sentence)
                length += len(sentence) + 1
        return " ".join(kept)


def split_of(name: str) -> str:
    """The split of a page: "train", "dev" or "test"."""
    digest = hashlib.blake2b(name.encode(), digest_size=8, person=b"help").digest()
    place = int.from_bytes(digest, "little") % 100
    return "dev" if place < _DEVELOPMENT else "test" if place < _DEVELOPMENT + _TEST else "train"


def read_help(root: Path, languages: Iterable[Language]) -> dict[str, dict[str, Page]]:
    """The translated pages of each language that has help among the packages extracted to ``root``."""
    english = _pages_of(root, LANGUAGES["en"])
    pages = {}
    for language in languages:
        found = english if language.code == "en" else translated(_pages_of(root, language), english)
        if found:
            pages[language.code] = found
    return pages


def _pages_of(root: Path, language: Language) -> dict[str, Page]:
    folders = [root / FOLDER.format(name) for name in language.folders]
    folder = next((one for one in folders if one.is_dir()), None)
    return read_pages(folder) if folder else {}


def read_pages(folder: Path) -> dict[str, Page]:
    """The pages below a language's folder by name, without those with next to no text."""
    pages = {}
    for path in sorted(folder.rglob("*.html")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        blocks = read_blocks(path.read_text(encoding="utf-8"))
        headings = dict.fromkeys(block.text for block in blocks if block.kind != "text")
        paragraphs = [block.text for block in blocks if block.kind == "text" and block.text not in headings]
        if headings and paragraphs:
            pages[name] = Page(name, tuple(headings), tuple(dict.fromkeys(paragraphs)))
    return pages


def translated(pages: Mapping[str, Page], english: Mapping[str, Page]) -> dict[str, Page]:
    """The pages that are not mostly in English, without the headings and paragraphs that are."""
    kept = {}
    for name, page in pages.items():
        source = english.get(name, Page(name, (), ()))
        original = set(source.paragraphs)
        long = [text for text in page.paragraphs if len(text) > _TELLING]
        headings = tuple(text for text in page.headings if text not in source.headings)
        paragraphs = tuple(text for text in page.paragraphs if len(text) <= _TELLING or text not in original)
        if headings and paragraphs and sum(text in original for text in long) <= _UNTRANSLATED * len(long):
            kept[name] = Page(name, headings, paragraphs)
    return kept


def queries_of(pages: Mapping[str, Page]) -> list[tuple[str, str]]:
    """The name of a page and a query that belongs to it alone: its title and up to two more headings."""
    owners = Counter(heading.casefold() for page in pages.values() for heading in page.headings)
    found = []
    for name, page in pages.items():
        own = [heading for heading in page.headings if owners[heading.casefold()] == 1 and len(heading) > 3]
        found += [(name, heading) for heading in own[:_HEADINGS]]
    return found


def write_collections(pages: Mapping[str, Mapping[str, Page]], folder: Path, split: str) -> dict[str, tuple[int, int]]:
    """Write a BEIR folder for each language's pages, with queries in all languages.

    ``pages`` are those of each language by name; only those of ``split`` are taken. ``qrels/XX.tsv`` judges the queries
    in language XX, ``qrels/same.tsv`` those in the language of the pages, ``qrels/other.tsv`` all others. Returns the
    numbers of pages and of queries by language.
    """
    taken = {
        code: {
            name: page
            for name, page in all_pages.items()
            if split_of(name) == split and len(page.passage(code)) >= _SHORTEST_TEXT / (2 if code in _DENSE else 1)
        }
        for code, all_pages in pages.items()
    }
    # A heading that also stands on a page of another split is still no good query.
    queries = {
        code: [(name, text) for name, text in queries_of(all_pages) if name in taken[code]]
        for code, all_pages in pages.items()
    }
    for code, passages in taken.items():
        beside = folder / code
        (beside / "qrels").mkdir(parents=True, exist_ok=True)
        _write(
            beside / "corpus.jsonl",
            [{"_id": name, "title": "", "text": page.passage(code)} for name, page in passages.items()],
        )
        records, other = [], []
        for asked, found in queries.items():
            lines = []
            for number, (name, text) in enumerate(found):
                if name in passages:
                    records.append({"_id": f"{asked}-{number}", "text": text})
                    lines.append(f"{asked}-{number}\t{name}\t1")
            _write_judgements(beside / "qrels" / f"{asked}.tsv", lines)
            if asked == code:
                _write_judgements(beside / "qrels" / "same.tsv", lines)
            else:
                other += lines
        _write_judgements(beside / "qrels" / "other.tsv", other)
        _write(beside / "queries.jsonl", records)
    return {code: (len(taken[code]), len(queries[code])) for code in pages}


def _write(path: Path, records: Sequence[Mapping[str, str]]) -> None:
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    path.write_text("".join(lines), encoding="utf-8")


def _write_judgements(path: Path, lines: Sequence[str]) -> None:
    path.write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n", encoding="utf-8")
