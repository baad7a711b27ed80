"""What the contract of the search port compares with: documents, vectors and filters, and what a good answer is."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.search.filters import And, AnyOf, Equal, Exists, Filter, Not, Or, Range
from typeahead.search.port import DENSE, LEXICAL, Backend, Candidates, Request
from typeahead.search.terms import FIELDS, Term, Words, forms, weight_of
from typeahead.text.document import Document

DIM = 16
COUNT = 60
#: Seconds; far more than any test needs.
LONG = 30.0
NAMES = (
    "apple bread cheese dates eggs flour garlic honey icing jam kale lemon mango nutmeg olive pea peanut quail rice "
    "sugar thyme udon vinegar wheat yeast zest basil cocoa dill endive fennel ginger herring leek mint oregano"
).split()
#: Words with parts, with diacritics, and in another order.
PHRASES = ("Ice-cream", "Crème brûlée", "sour.dough", "the ice", "cream ice")

FILTERS: tuple[Filter, ...] = (
    Equal("year", 2000),
    Equal("odd", True),
    Equal("odd", 1),
    Equal("tags", "eggs"),
    Equal("nothing", "eggs"),
    AnyOf("tags", ("eggs", "jam")),
    AnyOf("year", ()),
    Range("year", gte=2000, lt=2010),
    Range("a", gt=1.0),
    Range("tags", lte="c"),
    Exists("year"),
    Exists("nothing"),
    Not(Exists("nothing")),
    And((Equal("odd", False), Range("year", gt=2020))),
    Or((Equal("tags", "kale"), Not(Range("year", gte=1995)))),
    And(()),
    Or(()),
)


def documents(*, fields: bool) -> list[Document]:
    """Documents of a few words each, with fields if the back end keeps them. Most hold the word "the"."""
    draw = random.Random(7)
    return [
        Document(
            f"id {row}" if row % 7 else f"ïd/{row}",
            " ".join([*draw.choices(NAMES, k=2), *(PHRASES[:2] if row % 20 == 3 else ())]),
            " ".join(
                [
                    *draw.choices(NAMES, k=draw.randrange(0, 12)),
                    *(["the"] if row % 4 else []),
                    *([PHRASES[row // 5 % len(PHRASES)]] if row % 5 == 2 else []),
                    *draw.choices(NAMES, k=draw.randrange(0, 3)),
                ]
            ),
            f"https://example.org/{row}",
            {"year": 1990 + row, "tags": draw.sample(NAMES[:12], 2), "odd": row % 2 == 1, "a": row / 7}
            if fields
            else {},
        )
        for row in range(COUNT)
    ]


def unit_vectors(count: int, seed: int) -> Vectors:
    """Random vectors of length 1: float32 (count, DIM)."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def asked(text: str) -> Words:
    """What asks for all forms of a text, and for nothing else."""
    return Words([Term({form: 1.0}) for form in forms(text)])


def holds(document: Document, words: Words) -> bool:
    """Whether a document holds any of the terms."""
    return any(
        weight_of(form, term) for form in {*forms(document.title), *forms(document.text)} for term in words.terms
    )


def count_forms(documents: list[Document]) -> Counter[str]:
    """In how many documents each form occurs."""
    return Counter(form for one in documents for form in {*forms(one.title), *forms(one.text)})


def later() -> float:
    """A deadline that nothing here misses."""
    return time.monotonic() + LONG


def assert_form(array: NDArray[Any], kind: type[np.generic], *shape: int) -> None:
    """An array has a type and a shape."""
    assert (array.shape, array.dtype.type) == (shape, kind)


async def ask(backend: Backend, request: Request) -> Candidates:
    """The answer to one request, once its form is that of the port."""
    (found,) = await backend.candidates([request], later())
    n, terms = len(found.keys), len(request.words.terms) if request.words else 0
    assert len(set(found.keys)) == n
    assert set(found.arms) <= {DENSE, LEXICAL}
    assert (LEXICAL in found.arms) <= (request.words is not None)
    assert (DENSE in found.arms) <= (request.vector is not None)
    for arm in found.arms.values():
        assert_form(arm, np.bool_, n)
    assert n == np.count_nonzero(np.any([*found.arms.values(), np.zeros(n, np.bool_)], axis=0))
    assert_form(found.similarities, np.float32, n)
    assert_form(found.frequencies, np.float32, n, len(FIELDS), terms)
    assert_form(found.weights, np.float32, n, len(FIELDS), terms)
    assert_form(found.lengths, np.float32, n, len(FIELDS))
    assert_form(found.document_frequencies, np.float64, terms)
    if found.together is not None:
        assert_form(found.together, np.float32, n, terms)
        assert (found.together <= found.weights.max(axis=1)).all()
    return found


def ids(found: Candidates, arm: str) -> set[str]:
    """The documents that an arm found; none if it was not asked."""
    mask = found.arms.get(arm, np.zeros(len(found.keys), np.bool_))
    return {found.keys[row].document for row in np.flatnonzero(mask).tolist()}


def assert_same(one: Candidates, other: Candidates) -> None:
    """Two answers are the same in everything, to the bit."""
    assert list(one.keys) == list(other.keys)
    assert one.arms.keys() == other.arms.keys()
    for arm, mask in one.arms.items():
        np.testing.assert_array_equal(mask, other.arms[arm])
    names = ("similarities", "frequencies", "weights", "lengths", "document_frequencies", "average_length", "together")
    for name in names:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


async def eventually(done: Callable[[], bool]) -> None:
    """Wait until something is the case, as it is within a second of a write."""
    async with asyncio.timeout(10):
        while not done():
            await asyncio.sleep(0.01)


async def until(backend: Backend, version: int) -> None:
    """Wait until searches know the version that a write has returned."""
    await eventually(lambda: int(backend.version) >= version)
