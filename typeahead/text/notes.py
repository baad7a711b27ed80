"""Makes documents of Markdown and text files; ``sources`` reads files of records instead.

A teacher reads only the first few hundred word pieces of a text, so a long file as one document would be found by its
beginning alone. A file of up to 200 words is one document, whose id is its path relative to the folder. A longer file
is divided at its Markdown headings, and a section that is still too long at its paragraphs, into documents ``path#1``,
``path#2``, … with the title ``file's title · heading``.

Of Markdown only headings, fenced code and the front matter matter here, so they are looked for line by line. The parser
markdown-it-py gives the same sections for 635 of 645 files (17 MB of README files and manuals) and takes more than ten
times as long. In the other files it mainly leaves out headings within HTML comments and blocks, which are kept here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from typeahead.errors import SourceError
from typeahead.text.bad_lines import BadLines, Notice, leave_out, log_notice
from typeahead.text.document import Document
from typeahead.text.encodings import UTF8, Encoding, UnreadableError, confirm, decode, decode_all, recognise
from typeahead.text.reading import MAX_LINE, OTHER_ENCODING

#: Names of files that are notes.
SUFFIXES = frozenset({".md", ".markdown", ".txt"})
#: Words of one document: some 256 word pieces of English.
_WORDS = 200
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*")
#: A line that can be an underlined heading: it begins no quote, table, HTML, list or fenced code.
_UNDERLINED = re.compile(r" {0,3}(?![>|<]|[-+*][ \t]|\d+[.)][ \t]|```|~~~)(\S.*?)[ \t]*")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)?(---|\.\.\.)[ \t]*(\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*(?P<quote>[\"']?)(?P<title>.+?)(?P=quote)[ \t]*$", re.MULTILINE)


def read_notes(
    path: Path, bad: BadLines | None, encoding: str | None = None, notice: Notice = log_notice
) -> Iterator[tuple[Path, Document]]:
    """Stream the documents of the file ``path`` or of all files below the folder ``path``, in the order of names.

    Hidden files and folders are left out, and links to folders are not followed. A file that cannot be used is a
    :class:`~typeahead.errors.SourceError`, or counted by ``bad``. A file that is not UTF-8 is read in ``encoding``, or
    else in the encoding that is recognised; ``notice`` is told once for each encoding, at the end.
    """
    if not path.is_file() and not path.is_dir():
        raise SourceError("notes must be files with names: this is neither a file nor a folder", path=path)
    files = [path] if path.is_file() else _walk(path)
    base = path.parent if path.is_file() else path
    found = False
    recognised: dict[Encoding, list[Path]] = {}
    for file in files:
        found = True
        try:
            text = _read(file, encoding, recognised)
            key = file.relative_to(base).as_posix()
            key.encode()
        except UnicodeEncodeError:
            problem: SourceError = SourceError("the file's name is not UTF-8: rename it", path=file)
        except SourceError as error:
            problem = error
        else:
            for document in split(key, text, markdown=file.suffix.lower() != ".txt"):
                yield file, document
            continue
        leave_out(problem, bad)
    if not found:
        notice(f"{path}: holds no .md or .txt files")
    for told, where in recognised.items():
        more = f" and {len(where) - 1} more" if len(where) > 1 else ""
        notice(f"{where[0]}{more}: read as {told.name}, {told.reason}")


def _walk(folder: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise SourceError(f"cannot be read: {error.strerror}", path=Path(error.filename or folder))

    for parent, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(parent, name)


def _read(file: Path, encoding: str | None, recognised: dict[Encoding, list[Path]]) -> str:
    """Read a file, and add it to ``recognised`` if its encoding was recognised."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_LINE + 1)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path=file) from error
    if len(raw) > MAX_LINE:
        raise SourceError(f"is longer than {MAX_LINE} bytes: divide it", path=file)
    try:
        found = _encoding(raw, encoding)
        text = decode_all(raw[found.mark :], found.name)
    except UnreadableError as error:
        raise SourceError(f"{error}: {OTHER_ENCODING}", path=file) from None
    except ValueError as error:
        raise SourceError(str(error), path=file) from None
    if found.reason and encoding is None:
        recognised.setdefault(found, []).append(file)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        raise SourceError(
            "holds a NUL character, so it is no text", path=file, line=text[: text.index("\0")].count("\n") + 1
        )
    return text


def _encoding(raw: bytes, encoding: str | None) -> Encoding:
    if encoding is None:
        return recognise([raw])
    # One name is given for a whole folder, but some of its notes may be UTF-8. Notes in ASCII do not show which.
    try:
        if not raw.isascii():
            decode(raw)
            return Encoding(UTF8, 3 if raw.startswith(b"\xef\xbb\xbf") else 0)
    except ValueError:
        pass
    return confirm(encoding, raw)


def split(key: str, text: str, *, markdown: bool) -> list[Document]:
    """Divide one file's ``text`` into documents; an empty file gives one whose text is empty."""
    title = Path(key).stem
    if markdown and (front := _FRONT_MATTER.match(text)):
        if found := _FRONT_TITLE.search(front[1] or ""):
            title = found["title"]
        text = text[front.end() :]
        sections = _sections(text)
    else:
        sections = _sections(text) if markdown else [("", text.strip())]
    if markdown and title == Path(key).stem and (headings := [heading for heading, _ in sections if heading]):
        title = headings[0]
    if len(text.split()) <= _WORDS:
        body = "\n\n".join(filter(None, (_joined(heading, part, title) for heading, part in sections)))
        return [Document(key, title, body)]
    pieces = [
        (title if heading in ("", title) else f"{title} · {heading}", piece)
        for heading, part in sections
        for piece in (_pieces(part) if part else [])
    ]
    return [Document(f"{key}#{number}", name, piece) for number, (name, piece) in enumerate(pieces, 1)]


def _joined(heading: str, part: str, title: str) -> str:
    return part if heading in ("", title) else f"{heading}\n{part}".strip()


def _sections(text: str) -> list[tuple[str, str]]:
    """Headings with the text below them; a heading within fenced code is none."""
    sections: list[tuple[str, list[str]]] = [("", [])]
    fence = ""
    for line in text.split("\n"):
        body = sections[-1][1]
        if match := _FENCE.match(line):
            if not fence:
                fence = match[1]
            elif match[1].startswith(fence):
                fence = ""
        elif not fence and (match := _HEADING.fullmatch(line)):
            sections.append((match[2], []))
            continue
        elif not fence and (heading := _underlined(body, line)):
            body.pop()
            sections.append((heading, []))
            continue
        body.append(line)
    return [(heading, "\n".join(body).strip()) for heading, body in sections]


def _underlined(body: list[str], line: str) -> str | None:
    """The heading in the last line of ``body`` if ``line`` underlines it and the heading is one line."""
    if not body or not _UNDERLINE.fullmatch(line) or (len(body) > 1 and body[-2].strip()):
        return None
    match = _UNDERLINED.fullmatch(body[-1])
    return match[1] if match else None


def _pieces(text: str) -> Iterator[str]:
    """Join paragraphs up to 200 words; a longer paragraph is cut between words."""
    held: list[str] = []
    words = 0
    for paragraph in re.split(r"\n[ \t]*\n", text):
        count = len(paragraph.split())
        if held and words + count > _WORDS:
            yield "\n\n".join(held)
            held, words = [], 0
        if count > _WORDS:
            parts = paragraph.split()
            yield from (" ".join(parts[start : start + _WORDS]) for start in range(0, count, _WORDS))
            continue
        held.append(paragraph.strip())
        words += count
    if "".join(held):
        yield "\n\n".join(held)
