"""Finds the column of a table that holds the texts: by its name, or else by what stands in it.

Whoever reads a file says what was found. If several columns could be meant, that is an error with all names, never a
guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from training.gathering import weblog

#: Names of columns with counts, the best first. Names are compared without case and without what is no letter.
COUNTS = tuple(
    "count counts cnt freq frequency occurrences searches totalsearches queries hits num n volume searchvolume weight "
    "impressions clicks total".split()
)
#: Other names that tell a header from a row of data.
_OTHERS = frozenset(
    "id qid pid docid queryid userid anonid sessionid session user timestamp time querytime date url clickurl itemrank "
    "rank lang language locale country ip source category label split results position ctr".split()
)
_ADDRESSES = frozenset("url uri request requesturi requesturl path address location link page pageurl referer".split())

_NUMBER = re.compile(r"[+-]?[\d.,:/ ]*\d[\d.,]*\s*%?")
_DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}\b.*|\d{1,2}:\d{2}\b.*")
_ADDRESS = re.compile(r"(?:[a-z][a-z+.-]*://|www\.|/)\S*|\S+\.(?:com|org|net|html?|php)\S*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The names that a column with the texts has, the best first, and what such texts are called."""

    what: str
    names: tuple[str, ...]
    titles: tuple[str, ...] = ()


QUERIES = Wanted(
    "queries",
    tuple(
        "query queries q querytext searchquery searchqueries search searchterm searchterms searchtext searchstring "
        "searchphrase searchkeyword term terms keyword keywords keyphrase phrase topqueries question text input "
        "utterance anchor suchbegriff suchanfrage suchwort requete consulta".split()
    ),
)
PASSAGES = Wanted(
    "passages",
    tuple(
        "text passage passagetext body content contents pagecontent document doc documenttext abstract article "
        "description paragraph chunk sentence summary answer context positive".split()
    ),
    tuple("title name headline heading subject question".split()),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Columns by their names. ``addresses`` says that the texts are parameters of addresses, as in ``/search?q=…``."""

    text: str
    count: str | None = None
    title: str | None = None
    addresses: bool = False

    def __str__(self) -> str:
        """What a report says: "column 'query', counts in 'n'"."""
        parts = [f"{'addresses in column' if self.addresses else 'column'} {self.text!r}"]
        parts += [f"titles in {self.title!r}"] if self.title is not None else []
        parts += [f"counts in {self.count!r}"] if self.count is not None else []
        return ", ".join(parts)


class ColumnError(ValueError):
    """No column can be chosen; the message names the columns and the remedy."""


def normal(name: str) -> str:
    """A column's name as names are compared: ``Search_Term`` is ``searchterm``. Of a dotted path, the last part."""
    return "".join(one for one in name.rpartition(".")[2].casefold() if one.isalnum())


def is_known(name: str, wanted: Wanted) -> bool:
    """Whether ``name`` is that of some column, and so stands in a header."""
    found = normal(name)
    return found in wanted.names or found in wanted.titles or found in COUNTS or found in _OTHERS


def choose(columns: Mapping[str, Sequence[Any]], wanted: Wanted, asked: str | None, *, named: bool = True) -> Choice:
    """Choose among the columns of a sample, which maps names to values.

    ``asked`` is the column that the user names: its name or, without a header, its number from 1. ``named`` says
    whether the names mean anything; the columns of a table without a header are called "1", "2", ….

    Raises :class:`ColumnError`.
    """
    texts = {name: [value for value in values if value not in (None, "")] for name, values in columns.items()}
    if asked is not None:
        text = _asked(asked, list(columns))
        return Choice(text, _count(texts, text, named), _title(texts, wanted, text))
    by_name = {normal(name): name for name in reversed(texts)} if named else {}
    for candidate in wanted.names:
        name = by_name.get(candidate)
        # Searches for part numbers are still searches.
        certain = (
            candidate.startswith(("query", "search")) and name is not None and _share(texts[name], _is_string) > 0.5
        )
        if name is not None and (certain or _share(texts[name], _is_text) > 0.5):
            return Choice(name, _count(texts, name, named), _title(texts, wanted, name))
    likely = {name: values for name, values in texts.items() if _is_likely(values)}
    spaced = [name for name, values in likely.items() if _share(values, _has_space) >= 0.3]
    found = spaced if len(spaced) == 1 else list(likely)
    found = [name for name in found if normal(name) not in _ADDRESSES] if named else found
    if len(texts) == 1 and not found:
        found = list(texts)
    if len(found) == 1:
        return Choice(found[0], _count(texts, found[0], named), _title(texts, wanted, found[0]))
    if not found and wanted is QUERIES:
        for name, values in texts.items():
            if _share(values, lambda value: weblog.query_of(str(value)) is not None) >= 0.2:
                return Choice(name, addresses=True)
    raise ColumnError(_explained(wanted, list(columns), found, named))


def _asked(asked: str, names: list[str]) -> str:
    if asked in names:
        return asked
    for name in names:
        if name.casefold() == asked.casefold():
            return name
    if asked.isdecimal() and 1 <= int(asked) <= len(names):
        return names[int(asked) - 1]
    raise ColumnError(f"there is no column {asked!r}; {_listed(names)}")


def _explained(wanted: Wanted, names: list[str], found: list[str], named: bool) -> str:
    several = f"{' and '.join(map(repr, found[:5]))} could all hold the {wanted.what}"
    what = several if found else f"no column looks like {wanted.what}"
    example = found[0] if found else names[0] if names else "NAME"
    by = "" if named else ", by its number because there is no header"
    return f"{what}; {_listed(names)}: name one as FILE:COLUMN{by}, such as FILE:{example}"


def _listed(names: list[str]) -> str:
    more = f", and {len(names) - 20:,} more" if len(names) > 20 else ""
    return f"the columns are {', '.join(map(repr, names[:20])) or 'none'}{more}"


def _title(texts: Mapping[str, Sequence[Any]], wanted: Wanted, text: str) -> str | None:
    for candidate in wanted.titles:
        for name, values in texts.items():
            if name != text and normal(name) == candidate and _share(values, _is_text) > 0.5:
                return name
    return None


def _count(texts: Mapping[str, Sequence[Any]], text: str, named: bool) -> str | None:
    """The column with counts: by its name, or in a table without names the one with integers that are no ids."""
    numeric = [name for name in texts if name != text and texts[name] and all(map(_is_count, texts[name]))]
    if named:
        by_name = {normal(name): name for name in reversed(numeric)}
        return next((by_name[name] for name in COUNTS if name in by_name), None)
    for name in numeric:
        numbers = [int(value) for value in texts[name]]
        falling = all(one >= other for one, other in pairwise(numbers))
        behind = list(texts).index(name) > list(texts).index(text)
        # Ids come once each and in any order. The list that "sort -rn" makes falls.
        if behind or len(set(numbers)) < len(numbers) or (falling and len(numbers) > 2):
            return name
    return None


def _is_likely(values: Sequence[Any]) -> bool:
    """Whether a column holds texts that people write: no numbers, dates, ids, addresses, and no few labels."""
    few = len(values) >= 10 and len({str(value) for value in values}) * 5 <= len(values)
    return _share(values, _is_text) > 0.5 and not few and _share(values, _is_id) < 0.8


def _share(values: Sequence[Any], holds: Callable[[Any], bool]) -> float:
    return sum(map(holds, values)) / len(values) if values else 0.0


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _is_text(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(one, str) for one in value)
    if not isinstance(value, str):
        return False
    value = value.strip()
    return not (_NUMBER.fullmatch(value) or _DATE.fullmatch(value) or _ADDRESS.fullmatch(value))


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and not _has_space(value) and any(one.isdigit() or one == "@" for one in value)


def _has_space(value: Any) -> bool:
    return isinstance(value, str) and " " in value.strip()


def _is_count(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, str) and value.strip().isdecimal() and len(value) < 16)
