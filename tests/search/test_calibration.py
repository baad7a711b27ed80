"""What similarities and scores mean in an index, measured by searching it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

import typeahead
from tests.search.memory_backend import MemoryBackend
from typeahead.core.encoder import Encoder, Vectors
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.encoders.transformer import TransformerEncoder
from typeahead.search.calibration import Requests, calibrate, meaningless
from typeahead.search.port import Candidates, Request
from typeahead.search.ranking import find
from typeahead.search.reading import Reader
from typeahead.search.scoring import UNCALIBRATED
from typeahead.text.document import Document

SENTENCES = (
    "How to boil an egg|Put the egg into boiling water and wait for eight minutes.",
    "Soft-boiled eggs|The yolk stays soft if the egg is boiled for five minutes only.",
    "Bread without yeast|Baking soda and buttermilk make the dough of soda bread rise.",
    "Sourdough starter|Mix flour with water, and feed the starter every day for a week.",
    "Growing tomatoes|Tomatoes need sun, water at the roots, and a stake to climb on.",
    "Pruning apple trees|Cut the branches in late winter, before the buds open.",
    "Changing a bicycle tyre|Take the wheel out, lift the tyre off the rim with levers.",
    "Cleaning a bicycle chain|Degrease the chain, rinse it, dry it and oil it again.",
    "Learning to swim|Begin with breathing out under water, then float on your back.",
    "Sailing upwind|A boat tacks against the wind by turning its bow from side to side.",
    "Why the sky is blue|Air scatters short waves of light more than long ones.",
    "Phases of the moon|The sun lights half of the moon, and we see a part of that half.",
    "How vaccines work|A vaccine shows the immune system what a virus looks like.",
    "Lowering blood pressure|Less salt, more exercise and less stress lower the pressure.",
    "Renting a flat|The contract says how long the notice is, and who pays for repairs.",
    "Filing taxes|Income, deductions and what was paid already go into the return.",
    "Sorting a list|The function sorted returns a new list, and sort works in place.",
    "Opening a file|The function open returns a file object; use it in a with statement.",
    "Creating a branch|The command git branch creates a branch from the current commit.",
    "Joining two tables|An inner join returns the rows that match in both tables.",
    "The French Revolution|In 1789 the people of Paris stormed the Bastille.",
    "The fall of Rome|The last emperor of the west was deposed in the year 476.",
    "Playing the violin|Hold the bow lightly, and draw it straight across the string.",
    "Tuning a guitar|The strings are tuned to E, A, D, G, B and E.",
)
DOCUMENTS = [
    Document(f"d{row}", title, text) for row, one in enumerate(SENTENCES) for title, _, text in [one.partition("|")]
]
QUESTIONS = ("how long do I boil an egg", "why is the sky blue", "tune my guitar", "when did rome fall", "sort a list")


class Products(MemoryBackend):
    """Compares by the inner product with vectors of up to ``length``."""

    def __init__(self, documents: Sequence[Document], vectors: Vectors, length: float) -> None:
        super().__init__(documents, vectors)
        self.space = replace(self.space, similarity="dot")
        self._lengths = {one.id: length * (1 + row % 3) / 3 for row, one in enumerate(documents)}

    def _find(self, request: Request, counts: Counter[str]) -> Candidates:
        found = super()._find(replace(request, k=max(request.k, self.count)), counts)
        lengths = np.array([self._lengths[key.document] for key in found.keys], np.float32)
        return replace(found, similarities=found.similarities * lengths)


def later() -> float:
    return time.monotonic() + 60


def asking(encoder: Encoder) -> Requests:
    """Makes requests of texts, as a server does at a key."""
    reader = Reader(None)

    async def requests(texts: Sequence[str]) -> list[Request]:
        return [
            Request(vector if vector.any() else None, reader.read(text).words, 5)
            for text, vector in zip(texts, encoder.encode(texts), strict=True)
        ]

    return requests


@pytest.fixture(scope="module")
def backend(passage_encoder: TransformerEncoder) -> MemoryBackend:
    return MemoryBackend(DOCUMENTS, passage_encoder.encode([one.passage for one in DOCUMENTS]))


def test_strings_without_meaning_are_the_same_every_time_and_are_no_words() -> None:
    strings = meaningless(128)
    assert strings == meaningless(128)
    assert len(set(strings)) == 128
    assert {len(one.split()) for one in strings} == {1, 2}
    assert not set("aeiou") & set("".join(strings))


async def test_an_index_has_one_scale_however_often_it_is_measured(
    backend: MemoryBackend, student: RecurrentEncoder
) -> None:
    first = await calibrate(backend, asking(student), later())
    assert await calibrate(backend, asking(student), later()) == first
    assert -1 <= first.low < first.high <= 1
    assert 0 < first.weak < 1


@pytest.mark.parametrize("model", ["minilm-gru", "minilm-causal"])
async def test_what_the_index_is_about_is_strong_and_strings_without_meaning_are_weak(
    backend: MemoryBackend, model: str
) -> None:
    requests = asking(typeahead.load(model))
    scale = await calibrate(backend, requests, later())
    # Other strings than those that it was measured by.
    strings = await find(backend, await requests(meaningless(60)), later(), scale)
    assert sum(found.weak for found in strings) >= 50
    assert all(found.hits for found in strings)
    questions = await find(backend, await requests(QUESTIONS), later(), scale)
    assert not any(found.weak for found in questions)


async def test_an_index_without_documents_has_no_scale_and_asks_for_nothing() -> None:
    async def none(texts: Sequence[str]) -> list[Request]:
        raise AssertionError(f"nothing is to be searched for: {texts}")

    assert await calibrate(MemoryBackend([], np.zeros((0, 4), np.float32)), none, later()) == UNCALIBRATED


async def test_one_document_is_enough_for_a_scale(
    passage_encoder: TransformerEncoder, student: RecurrentEncoder
) -> None:
    backend = MemoryBackend(DOCUMENTS[:1], passage_encoder.encode([DOCUMENTS[0].passage]))
    requests = asking(student)
    scale = await calibrate(backend, requests, later())
    assert scale.low < scale.high
    found = await find(backend, await requests(["boil an egg", *meaningless(20)]), later(), scale)
    assert not found[0].weak
    assert sum(one.weak for one in found[1:]) >= 15


async def test_the_scale_goes_up_even_where_passages_are_unlike_their_own_words(
    passage_encoder: TransformerEncoder, student: RecurrentEncoder
) -> None:
    backend = MemoryBackend(DOCUMENTS[:1], -passage_encoder.encode([DOCUMENTS[0].passage]))
    scale = await calibrate(backend, asking(student), later())
    assert scale.low < scale.high


async def test_a_document_without_a_word_is_borne(student: RecurrentEncoder) -> None:
    backend = MemoryBackend([Document("empty")], np.zeros((1, student.dim), np.float32))
    scale = await calibrate(backend, asking(student), later())
    assert scale.low < scale.high
    assert np.isfinite([scale.low, scale.high, scale.weak]).all()


@pytest.mark.parametrize("length", [1.0, 9.0, 300.0])
async def test_inner_products_have_a_scale_of_their_own(
    passage_encoder: TransformerEncoder, student: RecurrentEncoder, length: float
) -> None:
    backend = Products(DOCUMENTS, passage_encoder.encode([one.passage for one in DOCUMENTS]), length)
    requests = asking(student)
    scale = await calibrate(backend, requests, later())
    assert scale.low < scale.high
    found = await find(backend, await requests([*QUESTIONS, *meaningless(20)]), later(), scale)
    assert all(0 <= hit.score <= 1 for one in found for hit in one.hits)
    assert not any(one.weak for one in found[: len(QUESTIONS)])
    assert sum(one.weak for one in found[len(QUESTIONS) :]) >= 15
