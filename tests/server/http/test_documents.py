from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest

from tests.server.fakes import DIM, BruteForceIndex, MeanEncoder
from tests.server.running import PATIENCE, Running, eventually, running
from tests.server.writable import WritableIndex
from typeahead.server.access.signing import KeyRing

KEYS = "k:" + "s" * 32
LIMITS: dict[str, Any] = {
    "max_document_bytes": 1 << 20,
    "max_write_bytes": 4 << 20,
    "max_write_documents": 120_000,
    "body_seconds": 0.5,
}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Running, WritableIndex]]:
    index = WritableIndex()
    with running(index, passages=MeanEncoder("passages"), write_token="w", signing_keys=KEYS, **LIMITS) as server:
        yield server, index


@pytest.fixture(autouse=True)
def index(served: tuple[Running, WritableIndex]) -> WritableIndex:
    served[1].reset()
    return served[1]


@pytest.fixture
def client(served: tuple[Running, WritableIndex]) -> Iterator[httpx.Client]:
    with of(served[0], "w") as client:
        yield client


@pytest.fixture
def tenant(served: tuple[Running, WritableIndex]) -> Iterator[httpx.Client]:
    """A client whose token has the scope ``tenant = a``."""
    token, _ = KeyRing.read(KEYS).sign(["write"], seconds=600, filter={"tenant": "a"})
    with of(served[0], token) as client:
        yield client


def of(server: Running, token: str) -> httpx.Client:
    return httpx.Client(base_url=server.http, timeout=PATIENCE, headers={"authorization": f"Bearer {token}"})


def lines(*documents: Any) -> bytes:
    return b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in documents)


def put(client: httpx.Client, *documents: Any) -> Any:
    reply = client.put("/v1/documents", content=lines(*documents))
    assert reply.status_code == 200, reply.text
    return reply.json()


def errors(answer: Any) -> list[tuple[int, str]]:
    return [(error["line"], error["code"]) for error in answer["errors"]]


def code(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


A = {"id": "a", "text": "boil an egg", "fields": {"tenant": "a"}}
B = {"id": "b", "text": "bake bread", "fields": {"tenant": "b"}}


def test_what_is_put_can_be_got_and_deleted(client: httpx.Client, index: WritableIndex) -> None:
    whole = {"id": "a", "title": "T", "text": "x", "url": "u", "fields": {"n": 1, "tags": ["p", "q"]}}
    assert put(client, whole, B) == {"upserted": 2, "failed": 0, "errors": [], "version": 1}
    assert client.get("/v1/documents/a").json() == whole
    assert client.delete("/v1/documents/a").json() == {"deleted": 1, "version": 2}
    assert code(client.get("/v1/documents/a")) == code(client.delete("/v1/documents/a")) == (404, "not_found")
    assert list(index.stored) == ["b"]


def test_an_array_is_as_good_as_lines(client: httpx.Client, index: WritableIndex) -> None:
    reply = client.put("/v1/documents", json=[A, {"id": "c"}, B])
    assert (reply.json()["upserted"], errors(reply.json())) == (2, [(2, "no_text")])
    assert client.put("/v1/documents", content=b"").json()["upserted"] == 0
    assert client.put("/v1/documents", content=b"[]").json()["upserted"] == 0
    assert list(index.stored) == ["a", "b"]


def test_documents_are_encoded_as_the_index_encodes_them(client: httpx.Client, index: WritableIndex) -> None:
    put(client, {"id": "a", "title": "Boil", "text": "an egg"})
    entry = index.stored["a"]
    assert (entry.vectors == MeanEncoder().encode(["Boil an egg"])).all()
    assert [passage.text for passage in entry.passages] == ["an egg"]


def test_vectors_that_come_along_are_taken(client: httpx.Client, index: WritableIndex) -> None:
    vector = np.eye(DIM)[0].tolist()
    answer = put(
        client,
        {**A, "vectors": [vector]},
        {**B, "vectors": [vector, vector]},
        {"id": "c", "text": "x", "vectors": [vector[1:]]},
        {"id": "d", "text": "x", "vectors": [[2 * number for number in vector]]},
    )
    assert index.stored["a"].vectors.tolist() == [vector]
    assert errors(answer) == [(2, "vector_count"), (3, "vector_dimension"), (4, "vector_length")]


def test_good_lines_are_written_although_others_are_bad(client: httpx.Client, index: WritableIndex) -> None:
    answer = put(client, b"{", A, b"", {"text": "x"}, {"id": 1, "text": "x"}, {"id": "1", "text": "y"}, B)
    assert errors(answer) == [(1, "bad_json"), (4, "missing_id"), (6, "duplicate_id")]
    assert (answer["upserted"], answer["failed"], list(index.stored)) == (3, 3, ["a", "1", "b"])
    assert index.stored["1"].document.text == "x"
    assert index.writes == [3]


def test_a_field_has_one_kind_of_value(client: httpx.Client, index: WritableIndex) -> None:
    put(client, {"id": "a", "text": "x", "fields": {"year": 1}})
    answer = put(
        client,
        {"id": "b", "text": "x", "fields": {"year": "1"}},
        {"id": "c", "text": "x", "fields": {"new": True}},
        {"id": "d", "text": "x", "fields": {"new": 1}},
    )
    assert errors(answer) == [(1, "field_kind"), (3, "field_kind")]
    assert list(index.stored) == ["a", "c"]


def test_a_writer_that_was_faster_costs_only_the_documents_in_its_way(
    client: httpx.Client, index: WritableIndex
) -> None:
    index.race = {"year": "text"}
    answer = put(client, {"id": "a", "text": "x", "fields": {"year": 1}}, {"id": "b", "text": "x"})
    assert (errors(answer), list(index.stored)) == ([(1, "field_kind")], ["b"])


@pytest.mark.parametrize("key", ["a/b", "a%2Fb", "100%", "a b", "ü🙂", "delete", "a?b#c", "..", "a//b", "+"])
def test_ids_of_any_kind_stand_in_paths(client: httpx.Client, key: str) -> None:
    put(client, {"id": key, "text": "x"})
    path = "/v1/documents/" + "".join(f"%{byte:02X}" for byte in key.encode())
    assert client.get(path).json()["id"] == key
    assert client.delete(path).json()["deleted"] == 1
    assert client.get(path).status_code == 404


def test_documents_are_deleted_by_ids_and_by_filter(client: httpx.Client, index: WritableIndex) -> None:
    put(client, *({"id": n, "text": "x", "fields": {"n": n}} for n in range(10)))
    delete = "/v1/documents/delete"
    assert client.post(delete, json={"ids": ["0", 1, "nobody", "0"]}).json() == {"deleted": 2, "version": 2}
    assert client.post(delete, json={"filter": {"n": {"gte": 6}}}).json() == {"deleted": 4, "version": 3}
    assert client.post(delete, json={"filter": {"n": 99}}).json() == {"deleted": 0, "version": 3}
    assert list(index.stored) == ["2", "3", "4", "5"]


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"filter": {}}, 400, "empty"),
        ({"filter": {"n": {"gte": 0}}}, 409, "too_many"),
        ({"filter": {"not": {"nothing": 1}}}, 409, "too_many"),
        ({"filter": {"n": {"lt": 6}}, "max_shrink": 0.5}, 409, "too_many"),
        ({"filter": {"n": None}}, 400, "bad_filter"),
        ({"filter": []}, 400, "bad_filter"),
        ({"filter": "n"}, 400, "bad_filter"),
        ({}, 400, None),
        ({"ids": ["1"], "filter": {"n": 1}}, 400, None),
        ({"ids": ["1"], "max_shrink": 1}, 400, None),
        ({"ids": "1"}, 400, None),
        ({"ids": [1.5]}, 400, None),
        ({"filter": {"n": 1}, "max_shrink": 2}, 400, None),
        ([], 400, "bad_message"),
    ],
)
def test_a_deletion_that_cannot_be_meant_deletes_nothing(
    client: httpx.Client, index: WritableIndex, body: Any, status: int, named: str | None
) -> None:
    put(client, *({"id": n, "text": "x", "fields": {"n": n}} for n in range(10)))
    reply = client.post("/v1/documents/delete", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, named)
    assert index.count == 10
    assert (
        client.post("/v1/documents/delete", json={"filter": {"n": {"gte": 0}}, "max_shrink": 1}).json()["deleted"] == 10
    )


def test_the_index_is_described(client: httpx.Client) -> None:
    put(client, A)
    assert client.get("/v1/index").json() == {
        "documents": 1,
        "version": 1,
        "parts": 1,
        "bytes": 1000,
        "compacted": None,
    }
    assert code(client.get("/v1/index?index=other")) == (404, "no_index")
    assert client.get("/v1/index?index=default").status_code == 200
    assert client.get("/v1/index?token=w").status_code == 400


@pytest.mark.parametrize("divided", [True, False])
def test_long_documents_are_divided_unless_the_index_is_not(
    client: httpx.Client, index: WritableIndex, divided: bool
) -> None:
    index.divides = divided
    put(client, {"id": "a", "text": "Word. " * 150}, {"id": "b", "text": "Word."})
    assert (len(index.stored["a"].passages) > 1) == divided
    assert len(index.stored["a"].vectors) == len(index.stored["a"].passages)
    assert len(index.stored["b"].passages) == 1


# Scopes


def test_a_scope_hides_the_documents_of_others(
    client: httpx.Client, tenant: httpx.Client, index: WritableIndex
) -> None:
    put(client, A, B)
    assert tenant.get("/v1/documents/a").status_code == 200
    missing, foreign = tenant.get("/v1/documents/nobody"), tenant.get("/v1/documents/b")
    assert (missing.status_code, missing.content) == (foreign.status_code, foreign.content)
    assert missing.status_code == 404
    assert tenant.delete("/v1/documents/b").content == missing.content
    assert tenant.post("/v1/documents/delete", json={"ids": ["b"]}).json() == {"deleted": 0}
    assert tenant.post("/v1/documents/delete", json={"filter": {"tenant": "b"}}).json() == {"deleted": 0}
    assert tenant.get("/v1/index").json() == {"documents": 1}
    assert set(index.stored) == {"a", "b"}


def test_a_scope_holds_for_what_is_written(client: httpx.Client, tenant: httpx.Client, index: WritableIndex) -> None:
    put(client, A, B)
    mine = {"tenant": "a"}
    answer = put(
        tenant,
        {"id": "c", "text": "new", "fields": mine},
        {"id": "d", "text": "not mine", "fields": {"tenant": "b"}},
        {"id": "e", "text": "nobody's"},
        {"id": "b", "text": "theft", "fields": mine},
        {"id": "a", "text": "mine before", "fields": mine},
    )
    assert errors(answer) == [(2, "outside_scope"), (3, "outside_scope"), (4, "outside_scope")]
    # Whether an id exists elsewhere is not told in another way than that a document would lie elsewhere.
    assert len({error["message"] for error in answer["errors"]}) == 1
    assert "version" not in answer
    assert {key: entry.document.text for key, entry in index.stored.items()} == {
        "a": "mine before", "b": "bake bread", "c": "new"
    }  # fmt: skip


def test_the_share_that_may_be_deleted_is_of_the_scope(
    client: httpx.Client, tenant: httpx.Client, index: WritableIndex
) -> None:
    put(client, A, *({"id": n, "text": "x", "fields": {"tenant": "b"}} for n in range(10)))
    reply = tenant.post("/v1/documents/delete", json={"filter": {"tenant": ["a", "b"]}})
    assert code(reply) == (409, "too_many")
    assert "1 of 1" in reply.json()["error"]["message"]
    assert tenant.post("/v1/documents/delete", json={"filter": {"not": {"x": 1}}, "max_shrink": 1}).json() == {
        "deleted": 1
    }
    assert index.count == 10


# Hostile bodies


def test_what_is_too_long_is_refused_and_the_rest_is_written(client: httpx.Client, index: WritableIndex) -> None:
    answer = put(client, A, {"id": "long", "text": "x" * (1 << 20)}, B)
    assert (errors(answer), list(index.stored)) == ([(2, "document_too_long")], ["a", "b"])


def test_a_hundred_thousand_bad_lines_are_counted_and_a_hundred_listed(client: httpx.Client) -> None:
    answer = put(client, A, b"{\n" * 100_000, B)
    assert (answer["upserted"], answer["failed"], len(answer["errors"])) == (2, 100_000, 100)


def test_a_body_that_is_cut_short_writes_what_was_whole(client: httpx.Client, index: WritableIndex) -> None:
    reply = client.put("/v1/documents", content=json.dumps([A, B]).encode()[:-5])
    assert (reply.json()["upserted"], errors(reply.json())) == (1, [(2, "bad_json")])
    assert list(index.stored) == ["a"]


def test_a_body_that_is_too_long_is_refused_before_or_as_it_comes(client: httpx.Client, index: WritableIndex) -> None:
    huge = lines(A, *[{"id": n, "text": "x" * 1000} for n in range(5000)])
    reply = client.put("/v1/documents", content=huge)
    assert code(reply) == (413, "body_too_long")
    assert reply.json()["upserted"] == index.count == 0
    reply = client.put("/v1/documents", content=iter([huge]))
    assert code(reply) == (413, "body_too_long")
    assert reply.json()["upserted"] == index.count > 0


def test_too_many_documents_are_refused(client: httpx.Client) -> None:
    reply = client.put("/v1/documents", content=b"1\n" * 120_001)
    assert code(reply) == (413, "too_many_documents")
    assert reply.json()["failed"] == 120_000


def test_a_compressed_body_is_refused_as_it_is(client: httpx.Client, index: WritableIndex) -> None:
    body = gzip.compress(lines(A))
    reply = client.put("/v1/documents", content=body, headers={"content-encoding": "gzip"})
    assert code(reply) == (415, "unknown_format")
    assert errors(client.put("/v1/documents", content=body).json())[0][1] == "bad_json"
    assert index.count == 0


def test_a_client_that_never_sends_its_body_is_told_so(served: tuple[Running, WritableIndex]) -> None:
    head = b"PUT /v1/documents HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer w\r\ncontent-length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served[0].port), timeout=PATIENCE) as connection:
        connection.sendall(head + lines(A) + b"\n")
        answer = b""
        while part := connection.recv(4096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":"late"' in answer


def test_a_client_that_goes_away_leaves_nothing_half_done(
    served: tuple[Running, WritableIndex], index: WritableIndex, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"PUT /v1/documents HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer w\r\ncontent-length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served[0].port), timeout=PATIENCE) as connection:
        connection.sendall(head + lines(A)[:10])
    assert put(client, B)["upserted"] == 1
    assert list(index.stored) == ["b"]
    assert "Exception" not in caplog.text


def test_two_writers_at_once_get_what_they_wrote(client: httpx.Client, index: WritableIndex) -> None:
    def write(writer: int) -> list[int]:
        return [put(client, {"id": f"{writer}-{n}", "text": "x"}, {"id": "shared", "text": f"{writer}"})["version"]
                for n in range(10)]  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(write, range(2))
    assert sorted(one + other) == list(range(1, 21))
    assert index.count == 21


def test_two_tenants_cannot_take_the_same_id(served: tuple[Running, WritableIndex]) -> None:
    def take(tenant: str) -> list[Any]:
        token, _ = KeyRing.read(KEYS).sign(["write"], seconds=600, filter={"tenant": tenant})
        with of(served[0], token) as client:
            return [put(client, {"id": n, "text": tenant, "fields": {"tenant": tenant}})["upserted"] for n in range(30)]

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(take, "ab")
    assert [a + b for a, b in zip(one, other, strict=True)] == [1] * 30


def test_a_full_back_end_is_told_with_what_was_written(client: httpx.Client, index: WritableIndex) -> None:
    index.full = True
    reply = client.put("/v1/documents", content=lines(A, b"{"))
    assert code(reply) == (429, "busy")
    assert int(reply.headers["retry-after"]) >= 1
    assert (reply.json()["upserted"], errors(reply.json())) == (0, [(2, "bad_json")])


def test_a_disk_that_is_full_is_no_secret_path_in_an_answer(
    client: httpx.Client, index: WritableIndex, caplog: pytest.LogCaptureFixture
) -> None:
    index.broken_disk = True
    reply = client.put("/v1/documents", content=lines(A))
    assert code(reply) == (500, "internal")
    assert "secret" not in reply.text
    assert "No space left" in caplog.text
    index.broken_disk = False
    assert put(client, A)["upserted"] == 1


def test_more_writers_than_the_server_takes_are_told_to_come_again() -> None:
    with running(WritableIndex(), write_token="w", max_writes=1, body_seconds=PATIENCE) as server:
        head = b"PUT /v1/documents HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer w\r\ncontent-length: 9\r\n\r\n"
        with of(server, "w") as client, socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head)
            eventually(lambda: client.get("/v1/index").status_code == 429)
            reply = client.put("/v1/documents", content=lines(A))
            assert code(reply) == (429, "busy")
            assert reply.headers["retry-after"] == "1"


def test_without_an_encoder_documents_bring_their_vectors() -> None:
    index = WritableIndex()
    with running(index, write_token="w") as server, of(server, "w") as client:
        answer = put(client, A, {**B, "vectors": [np.eye(DIM)[0].tolist()]})
        assert (errors(answer), list(index.stored)) == ([(1, "no_encoder")], ["b"])
        assert "--passage-encoder" in answer["errors"][0]["message"]


def test_a_text_that_the_encoder_fails_at_spoils_no_other() -> None:
    index, encoder = WritableIndex(), MeanEncoder("passages")
    encoder.poison = encoder.tokenizer.encode("poison")[0]
    with running(index, passages=encoder, write_token="w") as server, of(server, "w") as client:
        answer = put(client, A, {"id": "p", "text": "poison"}, B)
        assert (errors(answer), list(index.stored)) == ([(2, "encoding_failed")], ["a", "b"])


def test_an_index_that_cannot_be_written_says_so() -> None:
    with running(BruteForceIndex(), write_token="w") as server, of(server, "w") as client:
        assert code(client.put("/v1/documents", content=lines(A))) == (403, "read_only")
        assert code(client.get("/v1/documents/d0")) == (403, "read_only")
        assert client.get("/v1/index").json()["documents"] == 7
    with running(None, write_token="w") as server, of(server, "w") as client:
        assert code(client.get("/v1/index")) == (404, "no_index")
