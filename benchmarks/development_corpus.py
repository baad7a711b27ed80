"""Documents of four documentation packages: the sections of their pages, and where each link leads.

``development_data`` is the command; ``html_sections`` reads one page.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urlsplit

from benchmarks.html_sections import Link, Section, read_sections
from typeahead.text.analysis import fold

__all__ = ["LONGEST", "PACKAGES", "SHORTEST", "Corpus", "Entry", "read_corpus", "split_of", "words"]

#: Code points of a document's text. Shorter sections hold nothing to find; longer ones are cut.
SHORTEST, LONGEST = 30, 3000


@dataclass(frozen=True, slots=True)
class Package:
    """Where a package keeps its pages, and which of them are lists of links or source code."""

    name: str
    folder: str
    skipped: re.Pattern[str]
    #: Every section carries the page's title: manual pages have the same headings throughout.
    prefixed: bool = False


PACKAGES = (
    Package("postgresql", "usr/share/doc/postgresql-doc-15/html", re.compile("bookindex|index|biblio|legalnotice")),
    Package(
        "django",
        "usr/share/doc/python-django-doc/html",
        re.compile(
            r"_modules/.*|_static/.*|genindex.*|py-modindex|search|contents|index|.*/index|"
            r"releases/([012]\..*|security)"
        ),
    ),
    Package("git", "usr/share/doc/git-doc", re.compile("index|user-manual-toc|RelNotes.*"), prefixed=True),
    Package(
        "sqlite",
        "usr/share/doc/sqlite3",
        re.compile(
            r"releaselog/.*|syntax/.*|search\.d/.*|doc_\w+|keyword_index|sitemap|requirements|hp1|doclist|docs|index|"
            r"changes|chronology|news|oldnews|capi3ref|session|consortium_agreement.*|(c3ref|session)/\w*list|toc|.*syntaxdiagrams"
        ),
    ),
)
_WORD = re.compile(r"[^\W_]+")
#: Sections that only point elsewhere, folded.
_POINTERS = frozenset(["see also", "git", "index", "references", "reporting bugs", "author", "authors"])


@dataclass(frozen=True, slots=True)
class Entry:
    """A document, and the section that it was made of."""

    id: str
    title: str
    text: str
    package: str
    #: ``package/page``, without anchor.
    page: str
    section: Section
    #: The heading on its own, or "" where ``title`` repeats the page's title.
    heading: str

    @property
    def split(self) -> str:
        """``"dev-a"`` or ``"dev-b"``; all documents of a page are in the same."""
        return split_of(self.page)


def split_of(key: str) -> str:
    """Half of the data that ``key`` falls into: ``"dev-a"`` to fit on, ``"dev-b"`` to check with."""
    return "dev-a" if sha256(key.encode()).digest()[0] % 2 == 0 else "dev-b"


@dataclass(slots=True)
class Corpus:
    """Documents in the order of their pages, and the ids that anchors lead to."""

    entries: list[Entry] = field(default_factory=list)
    #: ``package/page#anchor`` to the id of a document.
    targets: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def target(self, entry: Entry, link: Link) -> str | None:
        """The document that a link in ``entry`` leads to; ``None`` outside the package, and for what is no document."""
        url = urlsplit(link.href)
        if url.scheme or url.netloc:
            return None
        package, _, page = entry.page.partition("/")
        if url.path:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(url.path)))
            if not path.endswith(".html"):
                return None
            page = path.removesuffix(".html")
        return self.targets.get(f"{package}/{page}#{unquote(url.fragment)}")


def read_corpus(root: Path) -> Corpus:
    """Read the pages of all packages unpacked under ``root``; packages that are not there are left out."""
    corpus = Corpus()
    seen: dict[str, str] = {}
    for package in PACKAGES:
        pages = dict(_pages(root / package.folder, package.skipped))
        repeated = _repeated(section for sections in pages.values() for section in sections[1:])
        for page, sections in pages.items():
            _add_page(corpus, package, page, sections, repeated, seen)
    return corpus


def words(text: str) -> list[str]:
    """The runs of letters and digits of a text, folded, in order: plainer than what an index makes of it."""
    return _WORD.findall(fold(text))


def _pages(folder: Path, skipped: re.Pattern[str]) -> Iterator[tuple[str, list[Section]]]:
    for path in sorted(folder.rglob("*.html")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if not skipped.fullmatch(name) and (sections := read_sections(path.read_bytes())):
            yield name, sections


def _repeated(sections: Iterable[Section]) -> frozenset[str]:
    """Headings that several sections have: they need the page's title to say anything."""
    counts = Counter(fold(section.title) for section in sections)
    return frozenset(title for title, count in counts.items() if count > 1)


def _add_page(
    corpus: Corpus, package: Package, page: str, sections: list[Section], repeated: frozenset[str], seen: dict[str, str]
) -> None:
    name, used = sections[0].title or page.rpartition("/")[2], defaultdict[str, int](int)
    for row, section in enumerate(sections):
        if fold(section.title) in _POINTERS or len(section.text) < SHORTEST:
            continue
        own = next((re.sub(r"\s", "_", anchor) for anchor in section.anchors if anchor), f"s{row}" if row else "")
        used[own] += 1
        if used[own] > 1:
            own += f".{used[own]}"
        key = f"{package.name}/{page}"
        alone = row == 0 or not (package.prefixed or fold(section.title) in repeated)
        heading = (name if row == 0 else section.title) if alone else ""
        title = heading or f"{name}: {section.title}"
        entry = Entry(f"{key}#{own}", title, section.text[:LONGEST], package.name, key, section, heading)
        # Manual pages include one another's sections: copies would make right answers look wrong.
        first = seen.setdefault(f"{package.name} {entry.text}", entry.id)
        if first == entry.id:
            corpus.entries.append(entry)
        for anchor, block in section.anchors.items():
            # What a link leads to must be in the document, not behind the cut.
            if sum(len(text) + 1 for text in section.blocks[:block]) < LONGEST:
                corpus.targets.setdefault(f"{key}#{anchor}", first)
