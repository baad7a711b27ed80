"""Cleans texts of a language, makes short phrases of some, and draws a balanced set.

What is drawn depends on hashes of the texts alone, so the same packages give the same texts in the same order.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import zip_longest

from training.data.languages.packages import Found

#: The share of each kind in a language's texts. What one kind lacks, the others give.
SHARES = {"title": 0.16, "sentence": 0.30, "message": 0.17, "word": 0.15, "phrase": 0.22}
#: Of titles, words and phrases, this share is in lower case, as most people type.
_LOWERED = 0.5
_LONGEST, _LONGEST_DENSE = 280, 120
_DENSE = ("ja", "zh", "ko")
#: How many of the most frequent words a phrase must not begin or end with.
_FREQUENT = 120

_HAN, _KANA, _HANGUL = "\u3400-\u9fff", "\u3040-\u30ff", "\uac00-\ud7a3"
_CYRILLIC, _ARABIC, _LATIN = "\u0400-\u04ff", "\u0600-\u06ff", "A-Za-z\u00c0-\u024f"
#: Letters of the languages that are not written in Latin ones.
_LETTERS = {
    "ru": re.compile(f"[{_CYRILLIC}]"),
    "ja": re.compile(f"[{_KANA}{_HAN}]"),
    "zh": re.compile(f"[{_HAN}]"),
    "ko": re.compile(f"[{_HANGUL}]"),
    "ar": re.compile(f"[{_ARABIC}]"),
}
_LATIN_LETTERS = re.compile(f"[{_LATIN}]")
_KANA_LETTERS = re.compile(f"[{_KANA}]")
_WORD = re.compile(r"\w")
_ENGLISH = frozenset("the of and is are that with for this you be it can not from will by when your if which".split())
_NOISE = re.compile(r"https?:|www\.|\.{4,}|--\w|©|\x00|\ufffd|[/\\_=<>|{}#$^~][^/\\_=<>|{}#$^~]*[/\\_=<>|{}#$^~]")
#: A run of content words in Japanese: kanji or katakana, joined by the particle "no".
_JAPANESE_RUN = re.compile(f"(?:[{_HAN}々]+|[\u30a0-\u30ff]{{2,}})(?:の(?:[{_HAN}々]+|[\u30a0-\u30ff]{{2,}}))*")
_CLAUSE = re.compile(r"[,;:،؛、，；：()（）「」『』“”«»\"。．.!?！？؟]+")


def usable(text: str, language: str) -> bool:
    """Whether a text is of a fitting length, mostly letters, in the language's script, and not English by mistake."""
    longest = _LONGEST_DENSE if language in _DENSE else _LONGEST
    if not 2 <= len(text) <= longest or _NOISE.search(text):
        return False
    letters = len(_WORD.findall(text))
    own = len(_LETTERS.get(language, _LATIN_LETTERS).findall(text))
    blanks = text.count(" ")
    if letters < 0.7 * (len(text) - blanks) or own < 0.4 * letters:
        return False
    if language == "ja" and len(text) > 12 and not _KANA_LETTERS.search(text):
        return False
    words = text.lower().split()
    return language == "en" or sum(word in _ENGLISH for word in words) < max(2, 0.2 * len(words))


def clean(text: str) -> str:
    """A text without list marks, outer quotes and the final full stop."""
    text = " ".join(text.split()).lstrip("•·-–—*▪ ").strip()
    if len(text) > 2 and text[0] in "\"'„“«「" and text[-1] in "\"'“”»」":
        text = text[1:-1].strip()
    return text.rstrip(" .。:：…")


def frequent_words(texts: Iterable[str]) -> frozenset[str]:
    """The most frequent words of some texts, in lower case."""
    counts = Counter(word for text in texts for word in text.lower().split())
    return frozenset(word for word, _ in counts.most_common(_FREQUENT))


def phrases(text: str, language: str, frequent: Set[str]) -> Iterator[str]:
    """Short phrases that somebody could search for, cut from a sentence: at most two."""
    if language == "ja":
        runs = [run for run in _JAPANESE_RUN.findall(text) if 2 <= len(run) <= 14]
        yield from _drawn(runs, text, 2)
    clauses = [part for clause in _CLAUSE.split(text) if (part := clause.strip())]
    if language in ("ja", "zh"):
        yield from _drawn([clause for clause in clauses if 3 <= len(clause) <= 14], text, 1)
        return
    for number, clause in enumerate(_drawn(clauses, text, 2)):
        words = clause.split()
        length = 1 + digest(f"{number}{text}") % 5
        fitting = [
            start
            for start in range(len(words) - length + 1)
            if _content(words[start], frequent) and _content(words[start + length - 1], frequent)
        ]
        if fitting:
            start = fitting[digest(f"{number}\0{text}") % len(fitting)]
            yield " ".join(words[start : start + length])


def _content(word: str, frequent: Set[str]) -> bool:
    return len(word) > 2 and word.lower() not in frequent


def _drawn(parts: Sequence[str], key: str, count: int) -> list[str]:
    return sorted(parts, key=lambda part: digest(key + "\0" + part))[:count]


def digest(text: str) -> int:
    """A hash of a text, as the order in which texts are drawn."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def draw(found: Iterable[Found], language: str, count: int, excluded: Set[str]) -> list[tuple[str, str]]:
    """Draw about ``count`` distinct texts of a language, as (source, text), in an order that a hash decides.

    Args:
        found: all texts there are.
        language: its code.
        count: how many texts to draw.
        excluded: texts in lower case that must not be drawn: what a test asks or contains.
    """
    pools: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    seen = set(excluded)

    def add(source: str, kind: str, text: str) -> None:
        if kind in ("title", "word", "phrase") and digest("lower" + text) < _LOWERED * 2**64:
            text = text.lower()
        if text.lower() not in seen and usable(text, language):
            seen.add(text.lower())
            pools[kind][source].append(text)

    bases: list[Found] = []
    for one in found:
        text = clean(one.text)
        if one.kind == "sentence" and usable(text, language) and text.lower() not in excluded:
            bases.append(Found(one.source, one.kind, text))
        add(one.source, one.kind, text)
    bases = sorted(bases, key=lambda one: digest("base" + one.text))[: 2 * count]
    frequent = frequent_words(one.text for one in bases)
    for one in bases:
        for phrase in phrases(one.text, language, frequent):
            add(one.source, "phrase", phrase)
    return _balanced(pools, count)


def _balanced(pools: dict[str, dict[str, list[str]]], count: int) -> list[tuple[str, str]]:
    """Take each kind's share, from each of its sources in turn."""
    queues = {}
    for kind, sources in pools.items():
        ordered = [[(source, text) for text in sorted(texts, key=digest)] for source, texts in sorted(sources.items())]
        queues[kind] = [one for turn in zip_longest(*ordered) for one in turn if one is not None]
    taken = {kind: min(len(queue), int(SHARES[kind] * count)) for kind, queue in queues.items()}
    while sum(taken.values()) < count and (open_kinds := [k for k in queues if taken[k] < len(queues[k])]):
        missing = max(1, (count - sum(taken.values())) // len(open_kinds))
        for kind in open_kinds:
            taken[kind] = min(len(queues[kind]), taken[kind] + missing)
    drawn = [one for kind, number in taken.items() for one in queues[kind][:number]]
    return sorted(drawn, key=lambda one: digest("order" + one[1]))[:count]
