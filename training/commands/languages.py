"""``python -m training.commands.languages PACKAGES OUT``: training texts in many languages, and a test across them.

``PACKAGES`` is a folder of extracted Debian packages, as the shipped encoder's were::

    xargs apt-get download < training/data/languages/packages.txt
    for package in *.deb; do dpkg-deb -x $package PACKAGES; done

:mod:`training.data.languages.packages` says what else it may hold. Nothing is installed.
``OUT/texts.tsv`` gets ``source/language<TAB>text``: titles, headings, sentences, messages of programs, words and short
phrases, as many in each language. ``OUT/help/dev`` and ``OUT/help/test`` get one BEIR folder for each language of
LibreOffice's help. Their queries and their sentences are in no training text. ``OUT/counts.tsv`` has the number of
texts by language and source.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from training.data import read_examples
from training.data.languages.choosing import clean, digest, draw, usable
from training.data.languages.help_pages import Page, queries_of, read_help, split_of, write_collections
from training.data.languages.markup import sentences
from training.data.languages.packages import LANGUAGES, Found, Language, texts_of

_HELP = "libreoffice-help"


def help_texts(pages: Mapping[str, Page]) -> Iterator[Found]:
    """The headings and sentences of the pages that training may read."""
    for name, page in pages.items():
        if split_of(name) == "train":
            yield from (Found(_HELP, "title", heading) for heading in page.headings)
            for paragraph in page.paragraphs:
                yield from (Found(_HELP, "sentence", sentence) for sentence in sentences(paragraph))


def judged_texts(pages: Mapping[str, Page]) -> set[str]:
    """The queries and the sentences of the pages of the development and the test split, in lower case."""
    held = {name: page for name, page in pages.items() if split_of(name) != "train"}
    found = {clean(text) for name, text in queries_of(pages) if name in held}
    found |= {clean(heading) for page in held.values() for heading in page.headings}
    found |= {clean(one) for page in held.values() for paragraph in page.paragraphs for one in sentences(paragraph)}
    return {text.lower() for text in found}


def other_texts(given: Sequence[str], excluded: set[str]) -> Iterator[tuple[str, str]]:
    """Texts of ``FILE:COUNT``, drawn from the whole file by their hash, as (source, text)."""
    for one in given:
        path, _, count = one.rpartition(":")
        if not path or not count.isdigit():
            raise SystemExit(f"--english {one}: give a file and a number of texts, as FILE:COUNT")
        texts = [(found.source, found.text) for found in read_examples(Path(path)) if usable(found.text, "en")]
        drawn = sorted(texts, key=lambda text: digest("other" + text[1]))
        yield from [text for text in drawn if text[1].lower() not in excluded][: int(count)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.commands.languages", description=__doc__.split("\n\n")[0])
    parser.add_argument("packages", type=Path, help="folder of extracted packages")
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument(
        "--languages", nargs="+", default=list(LANGUAGES), choices=list(LANGUAGES), metavar="XX", help="default: all"
    )
    parser.add_argument("--count", type=int, default=32_000, help="texts in each language (default: %(default)s)")
    parser.add_argument(
        "--english", nargs="*", default=[], metavar="FILE:COUNT", help="English texts to add, as source<TAB>text"
    )
    options = parser.parse_args(arguments)
    if not options.packages.is_dir():
        raise SystemExit(f"{options.packages} is no folder: extract packages into it with dpkg-deb -x")
    languages = [LANGUAGES[code] for code in options.languages]
    options.out.mkdir(parents=True, exist_ok=True)
    pages = read_help(options.packages, languages)
    for split in ("dev", "test"):
        for code, (passages, queries) in write_collections(pages, options.out / "help" / split, split).items():
            print(f"{split} {code}: {passages:,} pages, {queries:,} queries")
    # A name can be a text in several languages: it stays in the first.
    sources: dict[str, str] = {}
    for language in languages:
        for source, text in _texts(options, language, pages.get(language.code, {})):
            sources.setdefault(text, source)
    texts = sorted(((source, text) for text, source in sources.items()), key=lambda one: digest("all" + one[1]))
    lines = "".join(f"{source}\t{text}\n" for source, text in texts)
    (options.out / "texts.tsv").write_text(lines, encoding="utf-8")
    counts = Counter(source for source, _ in texts)
    table = "".join(f"{source}\t{count}\n" for source, count in sorted(counts.items()))
    (options.out / "counts.tsv").write_text(table, encoding="utf-8")


def _texts(options: argparse.Namespace, language: Language, pages: Mapping[str, Page]) -> list[tuple[str, str]]:
    """The texts of one language, each with ``source/language``. Texts from a file keep the source that it states."""
    excluded = judged_texts(pages)
    found = [*help_texts(pages), *texts_of(options.packages, language)]
    drawn = draw(found, language.code, options.count, excluded)
    texts = [(f"{source}/{language.code}", text) for source, text in drawn]
    if language.code == "en":
        texts += other_texts(options.english, excluded)
    print(f"{language.code}: {len(texts):,} texts")
    return texts


if __name__ == "__main__":
    main()
