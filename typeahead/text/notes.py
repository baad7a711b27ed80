"""Makes documents of folders of Markdown, MDX, reStructuredText, HTML and text; ``sources`` reads files of records.

Each file is one document, whose id is its path relative to the folder. Its headings are kept, so that an index can
divide it. :mod:`typeahead.text.markup` reads the markup.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from typeahead.errors import SourceError
from typeahead.text.bad_lines import BadLines, Notice, leave_out, log_notice
from typeahead.text.document import Document
from typeahead.text.encodings import UTF8, Encoding, UnreadableError, confirm, decode, decode_all, recognise
from typeahead.text.markup.flow import Page
from typeahead.text.markup.html import page_title, read_html
from typeahead.text.markup.markdown import read_markdown
from typeahead.text.markup.restructured import read_restructured
from typeahead.text.markup.urls import PATTERN, check_pattern, page_url
from typeahead.text.reading import MAX_LINE, OTHER_ENCODING

_READERS: Mapping[str, Callable[[str], Page]] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".mdx": lambda source: read_markdown(source, mdx=True),
    ".rst": read_restructured,
    ".html": read_html,
    ".htm": read_html,
    ".txt": lambda source: Page(text=source.strip("\n")),
}
#: Suffixes of the files that are read.
SUFFIXES = frozenset(_READERS)
_HTML = frozenset([".html", ".htm"])
#: Pages that generators make of other pages: indexes of terms, search, copies of sources, pages for errors.
_GENERATED_FOLDERS = frozenset("_static _sources _modules _images _downloads node_modules __pycache__".split())
_GENERATED = re.compile(
    r"(?:genindex(?:-.*)?|py-modindex|search|404|index-all|all(?:classes|packages)(?:-.*)?|package-tree|overview-tree|"
    r"help-doc|deprecated-list|constant-values|serialized-form|print_page|toc)\.html?",
    re.IGNORECASE,
)
_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
#: What stands between the title of a page and the name of its site.
_SEPARATOR = re.compile(r"\s+(?:[-–—|·•:»]|::)\s+")
#: Pages whose titles are compared, and bytes of each that are read for it.
_COMPARED, _BEGINNING = 24, 1 << 16


@dataclass(frozen=True, slots=True)
class Pages:
    """How a folder of documentation is read.

    ``url_pattern`` holds ``{path}`` or ``{stem}``: see :func:`typeahead.text.markup.urls.page_url`.
    """

    base_url: str = ""
    url_pattern: str = PATTERN
    #: Whether pages are read whose front matter says that they are drafts.
    drafts: bool = False

    def __post_init__(self) -> None:
        check_pattern(self.url_pattern)


@dataclass
class _Told:
    """What is said at the end about the files of a folder, in place of a line for each."""

    encodings: dict[Encoding, list[Path]] = field(default_factory=dict)
    left_out: dict[str, list[Path]] = field(default_factory=dict)

    def leave_out(self, why: str, file: Path) -> None:
        self.left_out.setdefault(why, []).append(file)

    def tell(self, notice: Notice) -> None:
        for why, files in self.left_out.items():
            count = f"{len(files)} files" if len(files) > 1 else "1 file"
            notice(f"{count} left out, {why}: {_some(files)}")
        for told, files in self.encodings.items():
            notice(f"{_some(files)}: read as {told.name}, {told.reason}")


def _some(files: list[Path]) -> str:
    return f"{files[0]} and {len(files) - 1} more" if len(files) > 1 else str(files[0])


def read_notes(
    path: Path,
    bad: BadLines | None,
    encoding: str | None = None,
    notice: Notice = log_notice,
    pages: Pages | None = None,
) -> Iterator[tuple[Path, Document]]:
    """Stream the documents of the file ``path`` or of all files below the folder ``path``, in the order of names.

    Hidden files and folders are left out, and so are drafts, redirections and what generators add (indexes of terms,
    copies of sources). Links to folders are not followed. A file that cannot be used is a
    :class:`~typeahead.errors.SourceError`, or counted by ``bad``. A file that is not UTF-8 is read in ``encoding``, or
    else in the encoding that it names or that is recognised. ``notice`` is told at the end what was left out, by kind,
    and which encodings were recognised.

    Raises :class:`~typeahead.errors.MissingExtra` where a library for the markup is missing.
    """
    if not path.is_file() and not path.is_dir():
        raise SourceError("notes must be files with names: this is neither a file nor a folder", path=path)
    pages = pages or Pages()
    base = path.parent if path.is_file() else path
    told = _Told()
    files = [path] if path.is_file() else list(_walk(path, told))
    site = _site([file for file in files if file.suffix.lower() in _HTML])
    for file in files:
        try:
            key = file.relative_to(base).as_posix()
            key.encode()
            document = _document(key, file, _read(file, encoding, told), pages, site, told)
        except UnicodeEncodeError:
            leave_out(SourceError("the file's name is not UTF-8: rename it", path=file), bad)
        except SourceError as error:
            leave_out(error, bad)
        else:
            if document is not None:
                yield file, document
    if not files:
        notice(f"{path}: holds no files that end in {', '.join(sorted(SUFFIXES))}")
    told.tell(notice)


def _document(key: str, file: Path, source: str, pages: Pages, site: str, told: _Told) -> Document | None:
    """Make a document of a file, or leave it out."""
    reader = _READERS.get(file.suffix.lower(), _READERS[".txt"])
    try:
        page = reader(source)
    except ValueError as error:
        raise SourceError(str(error), path=file) from None
    if page.draft and not pages.drafts:
        told.leave_out("drafts (--drafts reads them)", file)
        return None
    if not page.title and not page.text and source.strip() and file.suffix.lower() in _HTML:
        told.leave_out("which hold no text or only lead elsewhere", file)
        return None
    title = page.title
    if site and title.endswith(site) and len(title) > len(site):
        title = title.removesuffix(site)
    url = page_url(key, pages.base_url, pages.url_pattern, page.url)
    return Document(key, title or Path(key).stem, page.text, url, page.fields, page.headings)


def _walk(folder: Path, told: _Told) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise SourceError(f"cannot be read: {error.strerror}", path=Path(error.filename or folder))

    for parent, folders, names in os.walk(folder, onerror=fail):
        for name in sorted(folders):
            if name in _GENERATED_FOLDERS:
                told.leave_out("folders of generated files", Path(parent, name))
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _GENERATED_FOLDERS)
        for name in sorted(names):
            if name.startswith(".") or Path(name).suffix.lower() not in SUFFIXES:
                continue
            if name.endswith(".txt") and f"{name[:-4]}.html" in names:
                told.leave_out("sources of pages that are there as HTML", Path(parent, name))
            elif _GENERATED.fullmatch(name):
                told.leave_out("indexes and other generated pages", Path(parent, name))
            else:
                yield Path(parent, name)


def _site(files: list[Path]) -> str:
    """What the titles of all pages end with: a separator and the name of the site. Empty where they differ."""
    sample = files[:: max(1, len(files) // _COMPARED)]
    endings: Counter[str] = Counter()
    for file in sample:
        try:
            with file.open("rb") as stream:
                title = page_title(stream.read(_BEGINNING).decode("utf-8", "replace"))
        except OSError:
            continue
        if places := list(_SEPARATOR.finditer(title)):
            endings[title[places[-1].start() :]] += 1
    ending, count = endings.most_common(1)[0] if endings else ("", 0)
    return ending if count > 2 and count * 2 > len(sample) else ""


def _read(file: Path, encoding: str | None, told: _Told) -> str:
    """Read a file, and note its encoding if it was recognised."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_LINE + 1)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path=file) from error
    if len(raw) > MAX_LINE:
        raise SourceError(f"is longer than {MAX_LINE} bytes: divide it", path=file)
    try:
        found = _encoding(raw, encoding, file.suffix.lower() in _HTML)
        text = decode_all(raw[found.mark :], found.name)
    except UnreadableError as error:
        raise SourceError(f"{error}: {OTHER_ENCODING}", path=file) from None
    except ValueError as error:
        raise SourceError(str(error), path=file) from None
    if found.reason and encoding is None:
        told.encodings.setdefault(found, []).append(file)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        raise SourceError(
            "holds a NUL character, so it is no text", path=file, line=text[: text.index("\0")].count("\n") + 1
        )
    return text


def _encoding(raw: bytes, encoding: str | None, is_html: bool) -> Encoding:
    if encoding is None:
        if is_html and (named := _CHARSET.search(raw[:1024])):
            try:
                # Pages are often saved as UTF-8 and still name the encoding that they once had.
                return Encoding(UTF8, 0) if _is_utf8(raw) else confirm(named[1].decode(), raw)
            except (LookupError, ValueError):
                pass
        return recognise([raw])
    # One name is given for a whole folder, but some of its notes may be UTF-8. Notes in ASCII do not show which.
    if not raw.isascii() and _is_utf8(raw):
        return Encoding(UTF8, 3 if raw.startswith(b"\xef\xbb\xbf") else 0)
    return confirm(encoding, raw)


def _is_utf8(raw: bytes) -> bool:
    try:
        decode(raw)
    except ValueError:
        return False
    return True
