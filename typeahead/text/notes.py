"""Makes documents of pages of Markdown, MDX, reStructuredText, HTML and text; ``sources`` reads files of records.

Each file is one document, whose id is its path relative to the folder. Its headings are kept, so that an index can
divide it. :mod:`typeahead.text.markup` reads the markup.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from typeahead.text.skipped import Skipped

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


def read_notes(
    files: Sequence[Path],
    base: Path,
    bad: BadLines | None,
    encoding: str | None = None,
    notice: Notice = log_notice,
    pages: Pages | None = None,
    skipped: Skipped | None = None,
) -> Iterator[tuple[Path, Document]]:
    """Stream the documents of ``files``, in their order. Ids are paths relative to the folder ``base``.

    Drafts, redirects and pages without text are left out, and counted by ``skipped``. A file that cannot be used is a
    :class:`~typeahead.errors.SourceError`, or counted by ``bad``. A file that is not UTF-8 is read in ``encoding``, or
    else in the encoding that it names or that is recognised. ``notice`` is told at the end which encodings were
    recognised.

    Raises :class:`~typeahead.errors.MissingExtra` where a library for the markup is missing.
    """
    pages, skipped = pages or Pages(), Skipped() if skipped is None else skipped
    recognised: dict[Encoding, list[Path]] = {}
    site = _site([file for file in files if file.suffix.lower() in _HTML])
    for file in files:
        try:
            key = file.relative_to(base).as_posix()
            key.encode()
            page = _page(file, _read(file, encoding, recognised))
        except UnicodeEncodeError:
            leave_out(SourceError("the file's name is not UTF-8: rename it", path=file), bad)
        except SourceError as error:
            leave_out(error, bad)
        else:
            if page is None:
                skipped.add("page without text", key)
            elif page.draft and not pages.drafts:
                skipped.add("draft", key)
            else:
                yield file, _document(key, page, pages, site)
    for told, where in recognised.items():
        more = f" and {len(where) - 1} more" if len(where) > 1 else ""
        notice(f"{where[0]}{more}: read as {told.name}, {told.reason}")


def _page(file: Path, source: str) -> Page | None:
    """Read a file; None for a page of HTML without text, such as one that only leads elsewhere."""
    reader = _READERS.get(file.suffix.lower(), _READERS[".txt"])
    try:
        page = reader(source)
    except ValueError as error:
        raise SourceError(str(error), path=file) from None
    nothing = not page.title and not page.text and source.strip() and file.suffix.lower() in _HTML
    return None if nothing else page


def _document(key: str, page: Page, pages: Pages, site: str) -> Document:
    title = page.title
    if site and title.endswith(site) and len(title) > len(site):
        title = title.removesuffix(site)
    url = page_url(key, pages.base_url, pages.url_pattern, page.url)
    return Document(key, title or Path(key).stem, page.text, url, page.fields, page.headings)


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
        found = _encoding(raw, encoding, file.suffix.lower() in _HTML)
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
