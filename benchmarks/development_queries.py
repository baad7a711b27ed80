"""Queries with known answers, from the links and headings of a :class:`~benchmarks.development_corpus.Corpus`.

``development_typing`` makes what people type (names, half-typed words, slips) of the same corpus.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from benchmarks.development_corpus import Corpus, Entry, split_of, words

__all__ = ["KINDS", "Query", "judged_queries"]

KINDS = ("link", "sentence", "heading")
#: Words of a query that is a sentence.
_SENTENCE = range(6, 21)
#: More documents than these are no answer to a query, but a subject.
_MOST_ANSWERS = 5
#: Queries of a kind that one document answers. A page that everything refers to would outweigh the rest.
_MOST_PER_ANSWER = 10

_SENTENCE_END = re.compile(r"(?<=[.!?])[)\"”]?\s+(?=[A-Z\"“(])")
#: Link texts that name a place rather than a subject.
_PLACE = re.compile(
    r"(?:(?:sub)?section|chapter|table|figure|appendix|part|example|step|footnote)\s+[\dA-Z][\d.]*|[\d.\s]+"
    r"|.*\b(?:below|above|following|previous|next|earlier|here|this|these|elsewhere|more|details?|documentation|docs|"
    r"guide|section|page|chapter|manual|tutorial|release notes|reference|introduction|discussion|instructions)\b.*"
    r"|(?:sqlite |postgresql |django |git )?(?:version|release)?\s*v?\d[\d.\w]*|ticket.*|cve.*|#\d+",
    re.IGNORECASE,
)
#: Asides that send the reader elsewhere: "(see Section 11.8)", ", as described in Section 11.8".
_ASIDE = re.compile(
    r"\s*\((?:see|cf\.|e\.g\.,? see|refer|described|as described|discussed)\b[^()]*\)"
    r"|[,;(—–]?\s*(?:\b(?:and|but|instead)\s+)?\b(?:see|(?:as )?(?:described|discussed|explained) in)\s.*$",
    re.IGNORECASE,
)
_BOILERPLATE = re.compile(
    r"^(?:see|for (?:more|further|additional|full|complete|details|information)|note that see|read|consult|a list of"
    r"|for an? (?:full|complete|example|list|introduction)|the list of|(?:also )?refer|as of|beginning with|added in"
    r"|this (?:is|section|page|document|chapter)\b.*(?:documented|described)|new in|changed in|deprecated|removed in"
    r"|prior to|used? by|for .*\bexample)\b"
    r"|\b(?:documentation (?:for|of|on)|for details|more information|for more|mailing list|release notes"
    r"|see also|documented|listed in|refer to|defined in|detailed in|summarized in|described (?:below|above|here)"
    r"|be found|more details|available here|learn more)\b"
    r"|\b(?:section|chapter|appendix|table|figure)\s+(?-i:[A-Z\d])[\d.]*(?!\w)"
    r"|\b(?:to|in|of|the|an?|and|or|by|with|for|as|is|are)$",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Query:
    """A query of some ``kind``, the documents that answer it, and those that must not be in the running."""

    text: str
    kind: str
    relevant: set[str] = field(default_factory=set)
    #: Documents that hold the link: they repeat the query word for word.
    exclude: set[str] = field(default_factory=set)
    #: The page of the first document that answers it. It decides the split.
    page: str = ""

    @property
    def split(self) -> str:
        """``"dev-a"`` or ``"dev-b"``."""
        return split_of(self.page)


def judged_queries(corpus: Corpus, *, most: int = 1500, seed: int = 0) -> list[Query]:
    """At most ``most`` queries of each kind, drawn with ``seed``, in the order of the corpus.

    ``link`` queries are link texts that do not repeat the title that they lead to. ``sentence`` queries are the
    sentences around links. ``heading`` queries are headings, to be answered without titles. Queries of the same words
    are one query with several answers.
    """
    made: list[Query] = []
    by_id = {entry.id: entry for entry in corpus}
    for kind, source in zip(KINDS, (_links, _sentences, _headings), strict=True):
        found = _merge(kind, source(corpus, by_id), by_id)
        rows = sorted(random.Random(seed).sample(range(len(found)), min(most, len(found))))
        made += [found[row] for row in rows]
    return made


#: A text, the document that answers it, and the document that it was found in.
_Found = tuple[str, str, str | None]


def _merge(kind: str, found: Iterable[_Found], by_id: dict[str, Entry]) -> list[Query]:
    merged: dict[str, Query] = {}
    for text, relevant, holder in found:
        query = merged.setdefault(" ".join(words(text)), Query(text, kind, page=by_id[relevant].page))
        query.relevant.add(relevant)
        if holder:
            query.exclude.add(holder)
    for query in merged.values():
        query.exclude -= query.relevant
    answered = Counter[str]()
    kept = []
    for query in merged.values():
        if len(query.relevant) <= _MOST_ANSWERS and all(answered[id] < _MOST_PER_ANSWER for id in query.relevant):
            answered.update(query.relevant)
            kept.append(query)
    return kept


def _links(corpus: Corpus, by_id: dict[str, Entry]) -> Iterator[_Found]:
    for entry in corpus:
        for link, text in entry.section.anchor_texts():
            target = corpus.target(entry, link)
            if not target or target == entry.id:
                continue
            text = _trimmed(text)
            if len(text.split()) < 2 or len(words(text)) < 2 or len(text) > 100 or _PLACE.fullmatch(text):
                continue
            if f" {' '.join(words(text))} " not in f" {' '.join(words(by_id[target].title))} ":
                yield text, target, entry.id


def _sentences(corpus: Corpus, by_id: dict[str, Entry]) -> Iterator[_Found]:
    del by_id
    for entry in corpus:
        section = entry.section
        for row, block in enumerate(section.blocks):
            links = [link for link in section.links if link.block == row]
            for start, end in _spans(block) if links else ():
                inside = [link for link in links if start <= link.start and link.end <= end]
                targets = {corpus.target(entry, link) for link in inside} - {entry.id}
                text = _sentence(block[start:end])
                # A sentence that leads to several places is answered by none of them alone.
                if len(targets) == 1 and (target := targets.pop()) and text:
                    yield text, target, entry.id


def _headings(corpus: Corpus, by_id: dict[str, Entry]) -> Iterator[_Found]:
    del by_id
    for entry in corpus:
        if len(words(entry.heading)) >= 3 and len(entry.heading.split()) >= 3 and "(*" not in entry.heading:
            yield entry.heading, entry.id, None


def _spans(block: str) -> Iterator[tuple[int, int]]:
    """Beginning and end of each sentence of a block."""
    start = 0
    for match in _SENTENCE_END.finditer(block):
        yield start, match.start()
        start = match.end()
    yield start, len(block)


def _sentence(text: str) -> str | None:
    """A sentence without asides that send the reader elsewhere; ``None`` if it does nothing else."""
    text = text.strip()
    if text[-1:] not in tuple(".!?)"):
        return None
    text = _trimmed(_ASIDE.sub("", text).strip().rstrip(".!?:,;"))
    if text.count("(") != text.count(")"):
        return None
    if len(text.split()) not in _SENTENCE or _BOILERPLATE.search(text) or not text[:1].isalnum():
        return None
    return text


def _trimmed(text: str) -> str:
    """A text without the section of a manual, "git-commit(1)", and without dangling punctuation."""
    return re.sub(r"\((?:\d*\w?)?\)", "", text).strip(" ,;:.—–").strip()
