"""Finds the texts of a language in a folder of extracted Debian packages.

A folder is made by ``dpkg-deb -x PACKAGE.deb FOLDER`` for each package; ``packages.txt`` lists those that were used. It
may also hold ``translations/Translation-XX``, the descriptions of packages: ``apt-get update -o
Acquire::Languages=XX`` brings them, and ``/usr/lib/apt/apt-helper cat-file`` unpacks them. And ``words/XX.txt``, words
by frequency, one a line: those of the package ``wordfreq``, by its ``top_n_list("XX", 25_000)``.
"""

from __future__ import annotations

import bz2
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.data.languages.markup import plain_heading, read_blocks, sentences
from training.data.languages.programs import (
    read_descriptions,
    read_dictionary,
    read_fortunes,
    read_manual,
    read_messages,
    read_thesaurus,
)


@dataclass(frozen=True, slots=True)
class Found:
    """A text in a package. ``kind`` is "title", "sentence", "message" or "word"."""

    source: str
    kind: str
    text: str


@dataclass(frozen=True)
class Language:
    """How packages name a language."""

    #: ISO 639-1, as in the results.
    code: str
    #: ISO 639-2, as dictionaries use it.
    long: str
    #: Names of its folders, the preferred one first: "pt_BR", "zh-CN".
    folders: tuple[str, ...]


LANGUAGES = {
    language.code: language
    for language in (
        Language("en", "eng", ("en", "en-US", "C", "en_US")),
        Language("de", "deu", ("de", "de-DE")),
        Language("fr", "fra", ("fr", "fr-FR")),
        Language("es", "spa", ("es", "es-ES")),
        Language("it", "ita", ("it", "it-IT")),
        Language("pt", "por", ("pt", "pt_BR", "pt-BR", "pt_PT", "pt-PT")),
        Language("nl", "nld", ("nl", "nl-NL")),
        Language("pl", "pol", ("pl", "pl-PL")),
        Language("ru", "rus", ("ru", "ru-RU")),
        Language("ja", "jpn", ("ja", "ja-JP")),
        Language("zh", "zho", ("zh_CN", "zh-CN", "zh", "zh_TW", "zh-TW", "zh-cn")),
        Language("ko", "kor", ("ko", "ko-KR")),
        Language("ar", "ara", ("ar", "ar-MA")),
    )
}

#: Folders of pages under ``usr/share``; ``{}`` is the name of the language's folder.
_PAGES = {
    "gimp-help": ("gimp/2.0/help/{}",),
    "gnome-help": ("help/{}",),
    "kde-help": ("doc/HTML/{}",),
    "debian-manuals": (
        "doc/debian-handbook/html/{}",
        "doc/installation-guide-amd64/{}",
        "doc/debian/FAQ/{}",
        "doc/maint-guide-{}/html",
        "developers-reference/{}",
    ),
}
_PAGE_NAMES = (".html", ".page", ".docbook", ".cache.bz2")
#: Folders of fortunes.
_FORTUNES: Mapping[str, tuple[str, ...]] = {
    "en": ("fortunes", "literature", "riddles"),
    "it": ("italia", "formiche", "definizioni", "leggi", "luttazzi", "paolotedeschi", "it"),
    "pt": ("brasil",),
    "zh": ("chinese", "tang300", "song100"),
}


def texts_of(folder: Path, language: Language) -> Iterator[Found]:
    """All texts of a language but those of LibreOffice's help, some more than once."""
    share = folder / "usr" / "share"
    yield from _pages(share, language)
    for path in _in_folders(share, language, "debian-reference/*.{}.html"):
        yield from page_texts("debian-manuals", path)
    for path in _in_folders(share, language, "man/{}/man*/*.gz"):
        if not path.is_symlink():
            for block in read_manual(path):
                yield from _of_block("manpages", block.kind, block.text)
    yield from _messages(folder, language)
    for path in sorted(share.glob("dictd/*.dict.dz")):
        first, second = path.name.removesuffix(".dict.dz").split("-")[1:3]
        if language.long in (first, second):
            side = "from" if language.long == first else "to"
            yield from (Found("freedict", "word", text) for at, text in read_dictionary(path) if at == side)
    for name in language.folders:
        path = folder / "translations" / f"Translation-{name}"
        for block in read_descriptions(path) if path.is_file() else ():
            yield from _of_block("package-descriptions", block.kind, block.text)
    for path in _fortunes(share, language):
        yield from (Found("fortunes", "sentence", text) for text in read_fortunes(path))
    for path in sorted(share.glob(f"mythes/th_{language.code}_*_v2.dat"))[:1] or sorted(
        share.glob(f"mythes/th*_{language.code}*.dat")
    ):
        if not path.is_symlink():
            yield from (Found("thesauri", "word", text) for text in read_thesaurus(path))
    words = folder / "words" / f"{language.code}.txt"
    if words.is_file():
        lines = words.read_text(encoding="utf-8").splitlines()
        yield from (Found("wordfreq", "word", line) for line in lines if len(line) > 1)


def page_texts(source: str, path: Path) -> Iterator[Found]:
    """The titles, headings and sentences of one page."""
    if path.name.endswith(".bz2"):
        text = bz2.decompress(path.read_bytes()).decode("utf-8", "replace")
    else:
        text = path.read_text(encoding="utf-8", errors="replace")
    for block in read_blocks(text):
        yield from _of_block(source, block.kind, block.text)


def _of_block(source: str, kind: str, text: str) -> Iterator[Found]:
    if kind == "text":
        yield from (Found(source, "sentence", sentence) for sentence in sentences(text))
    else:
        yield Found(source, "title", plain_heading(text))


def _in_folders(share: Path, language: Language, pattern: str) -> list[Path]:
    """The files of a pattern, for all names of the language's folder. English has no pages under "C" in most places."""
    return [path for name in language.folders for path in sorted(share.glob(pattern.format(name)))]


def _pages(share: Path, language: Language) -> Iterator[Found]:
    for source, patterns in _PAGES.items():
        for pattern in patterns:
            names = (*language.folders, *(name.lower() for name in language.folders if name.lower() != name))
            for name in dict.fromkeys(names):
                for path in sorted((share / pattern.format(name)).rglob("*")):
                    if path.is_file() and path.name.endswith(_PAGE_NAMES):
                        yield from page_texts(source, path)


def _messages(folder: Path, language: Language) -> Iterator[Found]:
    english = language.code == "en"
    # English stands in every catalogue; German ones are the most complete.
    for name in ("de",) if english else language.folders:
        for path in sorted(folder.rglob(f"{name}/LC_MESSAGES/*.mo")):
            for message, translation in read_messages(path):
                if english or message != translation:
                    yield Found(_origin(path), "message", message if english else translation)


def _origin(path: Path) -> str:
    """A name for the catalogues of one program that has many texts, "messages" for all others."""
    return next(
        (name for name in ("wesnoth", "libreoffice", "wordpress", "iso-codes") if name in str(path)), "messages"
    )


def _fortunes(share: Path, language: Language) -> Iterator[Path]:
    for name in _FORTUNES.get(language.code, language.folders):
        path = share / "games" / "fortunes" / name
        for one in [path] if path.is_file() else sorted(path.glob("*")):
            if one.is_file() and one.suffix not in (".dat", ".u8"):
                yield one
