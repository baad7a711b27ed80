from __future__ import annotations

import os
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.server.fakes import DIM, MeanEncoder
from typeahead.core.encoder import Vectors
from typeahead.index.build import encode_passages
from typeahead.search.port import Entry
from typeahead.server.writing.drafts import BadDocument, Draft
from typeahead.server.writing.encoding import CHUNK, Encoding
from typeahead.text.document import Document, Passage


class Noting(MeanEncoder):
    """Notes the texts that it encodes in one go."""

    def __init__(self) -> None:
        super().__init__("passages")
        self.chunks: list[Sequence[str]] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.chunks.append(texts)
        return super().encode(texts)


def lines(document: Document) -> tuple[Passage, ...]:
    return tuple(Passage(line) for line in document.text.splitlines(keepends=True))


@pytest.fixture
async def encoding() -> AsyncIterator[Encoding]:
    encoding = Encoding(Noting(), lines)
    yield encoding
    encoding.close()


async def test_a_document_has_a_vector_for_each_passage(encoding: Encoding) -> None:
    document = Document("a", "Eggs", "boil\npoach\n")
    (entry,) = await encoding.entries([Draft(document, None)])
    assert isinstance(entry, Entry)
    assert entry.passages == (Passage("boil\n"), Passage("poach\n"))
    assert (entry.vectors == MeanEncoder().encode(["Eggs boil", "Eggs poach"])).all()


async def test_vectors_of_a_cosine_are_brought_to_length_one_as_a_build_brings_them() -> None:
    class Long(Noting):
        def encode(self, texts: Sequence[str]) -> Vectors:
            return 3 * super().encode(texts)

    encoder = Long()
    encoder.config = replace(
        encoder.config, similarity="cosine", teacher=replace(encoder.config.teacher, normalized=False)
    )
    encoding = Encoding(encoder)
    document = Document("a", "Eggs", "boil")
    (entry,) = await encoding.entries([Draft(document, None)])
    encoding.close()
    assert isinstance(entry, Entry)
    np.testing.assert_array_equal(entry.vectors, encode_passages(encoder, [(document, Passage("boil"))]))
    assert np.linalg.norm(entry.vectors[0]) == pytest.approx(1)


async def test_one_vector_stands_for_the_whole_and_more_for_the_passages(encoding: Encoding) -> None:
    document = Document("a", "", "boil\npoach\n")
    one, two, three = (
        np.eye(DIM, dtype=np.float32)[:1],
        np.eye(DIM, dtype=np.float32)[:2],
        np.eye(DIM, dtype=np.float32)[:3],
    )
    whole, divided, wrong = await encoding.entries([Draft(document, vectors) for vectors in (one, two, three)])
    assert isinstance(whole, Entry)
    assert whole.passages == (Passage(document.text),)
    assert isinstance(divided, Entry)
    assert len(divided.passages) == 2
    assert isinstance(wrong, BadDocument)
    assert (wrong.code, "2 passages" in str(wrong)) == ("vector_count", True)


async def test_little_is_encoded_in_one_go_so_that_others_take_turns() -> None:
    encoder = Noting()
    encoding = Encoding(encoder)
    entries = await encoding.entries([Draft(Document(str(n), "", f"text {n}"), None) for n in range(CHUNK + 1)])
    assert list(map(len, encoder.chunks)) == [CHUNK, 1]
    expected = MeanEncoder().encode([f"text {n}" for n in range(CHUNK + 1)])
    assert all(
        isinstance(entry, Entry) and (entry.vectors == vector).all()
        for entry, vector in zip(entries, expected, strict=True)
    )
    encoding.close()


async def test_texts_of_one_length_are_encoded_together() -> None:
    encoder = Noting()
    encoding = Encoding(encoder)
    texts = ["long " * 100 if n % 2 else f"short {n}" for n in range(2 * CHUNK)]
    entries = await encoding.entries([Draft(Document(str(n), "", text), None) for n, text in enumerate(texts)])
    assert [sorted(set(map(len, chunk)))[0] > 100 for chunk in encoder.chunks] == [False, True]
    assert [entry.document.text for entry in entries if isinstance(entry, Entry)] == texts
    vectors = np.concatenate([entry.vectors for entry in entries if isinstance(entry, Entry)])
    assert (vectors == MeanEncoder().encode([text.strip() for text in texts])).all()
    encoding.close()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux alone")
async def test_the_thread_steps_back_and_no_other_does(encoding: Encoding) -> None:
    def nice() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    here = nice()
    assert await encoding.run(nice) == min(19, here + 10)
    assert nice() == here
