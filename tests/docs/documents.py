"""The documents that strangers read, taken apart: blocks of code, links, and the anchors that links may name."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.conftest import ROOT

#: Every document that the tests here read.
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "ROADMAP.md",
    ROOT / "SECURITY.md",
    ROOT / "benchmarks" / "README.md",
    ROOT / "deploy" / "README.md",
    ROOT / "training" / "README.md",
    ROOT / "web" / "embedding.md",
    *sorted((ROOT / "docs").glob("*.md")),
)

#: Stands before a block of Python that cannot run here.
_NOT_RUN = re.compile(r"<!-- not run: \S.*-->")
#: What ends a command in a shell.
_ENDS = frozenset({"|", "||", "&", "&&", ";"})
#: What sends input or output to the file behind it.
_REDIRECTIONS = frozenset({"<", ">", ">>"})
_SHELLS = ("sh", "bash", "shell")


@dataclass(frozen=True)
class Block:
    """A block of code; ``language`` is "" for an indented one, ``line`` its first line in the file."""

    document: Path
    line: int
    language: str
    text: str
    runs: bool = True

    def __str__(self) -> str:
        return f"{name(self.document)}:{self.line}"


def name(document: Path) -> str:
    """The path of a document within the project."""
    return document.relative_to(ROOT).as_posix()


@lru_cache(maxsize=64)
def tokens(document: Path) -> tuple[Token, ...]:
    """A document as CommonMark with tables."""
    return tuple(MarkdownIt("commonmark").enable("table").parse(document.read_text(encoding="utf-8")))


def blocks(document: Path) -> Iterator[Block]:
    """All blocks of code, in order."""
    runs = True
    for token in tokens(document):
        if token.type in ("fence", "code_block"):
            assert token.map is not None
            language = token.info.split()[0] if token.info else ""
            yield Block(document, token.map[0] + 1, language, token.content, runs)
        runs = not (token.type == "html_block" and _NOT_RUN.search(token.content))


def all_blocks(*languages: str) -> list[Block]:
    """The blocks of these languages in all documents."""
    return [block for document in DOCUMENTS for block in blocks(document) if block.language in languages]


def links(document: Path) -> Iterator[str]:
    """Targets of links and pictures, also of those that are written as HTML."""
    for token in tokens(document):
        for child in token.children or ():
            target = child.attrs.get("href") or child.attrs.get("src")
            if target:
                yield str(target)
        if token.type == "html_block":
            yield from re.findall(r'(?:href|src|srcset)="([^"]+)"', token.content)


def anchors(document: Path) -> set[str]:
    """Anchors of the headings, as code hosts make them; a heading that comes twice has a number behind its second."""
    found: Counter[str] = Counter()
    made = set()
    parsed = tokens(document)
    for opening, inline in pairwise(parsed):
        if opening.type != "heading_open":
            continue
        text = "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")
        made.add(f"{anchor}-{found[anchor]}" if found[anchor] else anchor)
        found[anchor] += 1
    return made


def commands(block: Block) -> list[list[str]]:
    """The commands of a shell block as words, without variables that are set before them and without redirections."""
    found = []
    for line in block.text.replace("\\\n", " ").splitlines():
        # Quotes are kept at first, since a quoted ";" ends nothing.
        lexer = shlex.shlex(line, posix=False, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        lexer.commenters = "#"
        words: list[str] = []
        to_file = False
        for word in [*lexer, ";"]:
            if word not in _ENDS:
                if not to_file and word not in _REDIRECTIONS:
                    words += shlex.split(word)
                to_file = word in _REDIRECTIONS
                continue
            while words and re.fullmatch(r"\w+=.*", words[0], re.DOTALL):
                words = words[1:]
            if words:
                found.append(words)
            words = []
    return found


def shell_commands() -> list[tuple[str, list[str]]]:
    """Each command of all shell blocks, with its place; of indented blocks those that begin like one of ours."""
    found = []
    for block in all_blocks(*_SHELLS, ""):
        if not block.language and not re.match(r"\s*(typeahead|python -m|pip|make) ", block.text):
            continue
        found += [(f"{block}-{number}", words) for number, words in enumerate(commands(block))]
    return found


def spans(document: Path) -> list[str]:
    """Code within running text and tables, on one line each."""
    return [
        " ".join(child.content.split())
        for token in tokens(document)
        for child in token.children or ()
        if child.type == "code_inline"
    ]
