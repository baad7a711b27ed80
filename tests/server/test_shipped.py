"""The server with the models that come with the package and an index on disk, where the other tests use small ones."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from tests.server.running import PATIENCE, Running, running
from typeahead.core.encoder import Encoder
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.encoders.transformer import TransformerEncoder
from typeahead.index import Document, build_index, embed, open_index
from typeahead.wire.replies import read_embedding

PASSAGES = {
    "eggs": "Lower the eggs into boiling water, wait for seven minutes, then cool them under the tap.",
    "ties": "Cross the wide end of the necktie over the narrow one, and pull it up through the loop.",
    "moon": "The gravity of the moon and of the sun raises the tides of the sea.",
    "bread": "Knead flour, water, salt and yeast, let the dough rise, and bake it in a hot oven.",
}


@pytest.fixture(scope="module")
def server(
    student: RecurrentEncoder, passage_encoder: TransformerEncoder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("shipped") / "index"
    documents = (Document(name, name, text, "") for name, text in PASSAGES.items())
    build_index(documents, folder, passage_encoder)
    with open_index(folder) as index, running(embed(index), encoder=student, passages=passage_encoder) as server:
        yield server


@pytest.mark.parametrize(
    ("text", "expected"),
    [("how to boil an egg", "eggs"), ("what causes tides", "moon"), ("how do you knot a tie", "ties")],
)
def test_what_is_typed_key_by_key_is_found_and_ready_at_enter(server: Running, text: str, expected: str) -> None:
    with server.client() as client:
        client.say(hello={"k": 2, "embedding": "float32"})
        client.hear()
        for seq, end in enumerate(range(1, len(text) + 1)):
            client.say(seq=seq, text=text[:end])
            assert client.hear()["seq"] == seq
            client.hear()
        client.say(seq=len(text), submit=True)
        reply = client.hear()
        assert reply["ready"]
        assert reply["hits"][0]["id"] == expected
        assert reply["hits"][0]["text"] == PASSAGES[expected]
    found = httpx.post(f"{server.http}/v1/search", json={"query": text, "k": 2}, timeout=PATIENCE).json()
    assert found["hits"] == reply["hits"]


@pytest.mark.parametrize("text", ["how to boil an egg", "한국어를 배우다", "क्या हाल है 🙂", "e\u0301te\u0301"])
def test_the_embedding_of_typing_is_that_of_the_whole_text(
    server: Running, student: RecurrentEncoder, text: str
) -> None:
    with server.client() as client:
        client.say(hello={"embedding": "float32", "search": "submit"})
        client.hear()
        for seq, character in enumerate(text):
            client.say(seq=seq, edit={"at": seq, "del": 0, "ins": character})
            client.hear()
            frame = client.hear()
        _, vector = read_embedding(frame)
    expected = student.encode([text])[0]
    assert vector is not None
    assert float(vector @ expected) >= 0.99999


def test_embeddings_over_http_are_those_of_both_encoders(
    server: Running, student: RecurrentEncoder, passage_encoder: TransformerEncoder
) -> None:
    texts = list(PASSAGES.values())
    for encoder in (student, passage_encoder):
        request = {"model": encoder.config.name, "input": texts}
        reply = httpx.post(f"{server.http}/v1/embeddings", json=request, timeout=PATIENCE).json()
        vectors = np.array([row["embedding"] for row in reply["data"]], np.float32)
        np.testing.assert_allclose(vectors, encoder.encode(texts), atol=1e-6)
        assert reply["usage"]["total_tokens"] > sum(len(text.split()) for text in texts)


def test_long_texts_and_those_that_came_at_once_are_encoded_by_the_fallback(
    student: RecurrentEncoder, passage_encoder: TransformerEncoder
) -> None:
    long = " ".join(["how to boil an egg in the rain without a pot or a pan"] * 9)
    names = (student.config.name, passage_encoder.config.name)
    with (
        running(encoder=student, fallback=passage_encoder, max_chars=1000) as server,
        server.client() as client,
    ):
        client.say(hello={"embedding": "float32", "quality": "best"})
        client.hear()
        expected: Encoder
        for seq, text in enumerate(["how", "how to boil an egg", "how to boil an eggs", long, long + "s"]):
            client.say(seq=seq, text=text)
            reply = client.hear()
            assert reply["seq"] == seq
            expected = passage_encoder if seq in (1, 3, 4) else student
            assert reply["encoder"] == expected.config.name
            _, vector = read_embedding(client.hear())
            assert vector is not None
            assert vector.tolist() == expected.encode([text])[0].tolist()
        request = {"model": names[0], "input": ["how to boil an egg", long]}
        reply = httpx.post(f"{server.http}/v1/embeddings", json=request, timeout=PATIENCE).json()
        assert tuple(row["encoder"] for row in reply["data"]) == names
