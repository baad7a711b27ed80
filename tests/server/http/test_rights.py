"""Every endpoint, asked with every kind of token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.server.fakes import MeanEncoder
from tests.server.running import PATIENCE, Running, running
from tests.server.writable import WritableIndex
from typeahead.server.access.signing import KeyRing
from typeahead.text.document import Document

KEYS = "k:" + "s" * 32
SCOPE = {"tenant": "a"}
#: Tokens are signed when the module is imported, and the tests may be run much later.
SECONDS = 86_400.0


def signed(*rights: str, scope: bool = False, indexes: tuple[str, ...] = ()) -> str:
    return KeyRing.read(KEYS).sign(rights, seconds=SECONDS, filter=SCOPE if scope else None, indexes=indexes)[0]


TOKENS = {
    "none": None,
    "wrong": "wrong",
    "client": "client",
    "operator": "operator",
    "writer": "writer",
    "search": signed("search"),
    "write": signed("write"),
    "metrics": signed("metrics"),
    "dashboard": signed("dashboard"),
    "all": signed("search", "write", "metrics", "dashboard"),
    "scoped search": signed("search", scope=True),
    "scoped write": signed("write", scope=True),
    "other index": signed("search", "write", indexes=("other",)),
    "other key": KeyRing.read("k:" + "t" * 32).sign(["search", "write"], seconds=SECONDS)[0],
}

#: Method, path and body, and who is answered by another status than 401 and 403.
ENDPOINTS = {
    ("POST", "/v1/search", '{"query": "egg"}'): {"client", "operator", "search", "all", "scoped search", "other index"},
    ("POST", "/v1/embeddings", '{"model": "mean", "input": "egg"}'): {
        "client", "operator", "search", "all", "scoped search", "other index"
    },
    ("POST", "/v1/embed", '{"texts": ["egg"]}'): {
        "client", "operator", "search", "all", "scoped search", "other index"
    },
    ("POST", "/v1/client-timings", "{}"): {"client", "operator", "search", "all", "scoped search", "other index"},
    ("POST", "/v1/events", "{}"): {"client", "operator", "search", "all", "scoped search", "other index"},
    ("GET", "/metrics", ""): {"operator", "metrics", "all"},
    ("GET", "/v1/dashboard", ""): {"operator", "dashboard", "all"},
    ("PUT", "/v1/documents", '{"id": "n", "text": "x"}'): {"writer", "write", "all", "scoped write", "other index"},
    ("GET", "/v1/documents/mine", ""): {"writer", "write", "all", "scoped write", "other index"},
    ("DELETE", "/v1/documents/nobodys", ""): {"writer", "write", "all", "scoped write", "other index"},
    ("POST", "/v1/documents/delete", '{"ids": []}'): {"writer", "write", "all", "scoped write", "other index"},
    ("GET", "/v1/index", ""): {"operator", "writer", "write", "metrics", "all", "scoped write", "other index"},
    ("GET", "/healthz", ""): set(TOKENS),
    ("GET", "/readyz", ""): set(TOKENS),
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    index = WritableIndex()
    index.reset(Document("mine", text="x", fields={"tenant": "a"}))
    settings: dict[str, Any] = {"token": "client", "operator_token": "operator", "write_token": "writer"}
    with running(index, passages=MeanEncoder("passages"), signing_keys=KEYS, events=True, **settings) as server:
        yield server


def bearer(name: str) -> dict[str, str]:
    token = TOKENS[name]
    return {} if token is None else {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_opens_what_it_has_the_right_to_and_nothing_else(server: Running, name: str) -> None:
    with httpx.Client(base_url=server.http, timeout=PATIENCE, headers=bearer(name)) as client:
        for (method, path, body), allowed in ENDPOINTS.items():
            reply = client.request(method, path, content=body)
            known = name not in ("none", "wrong", "other key")
            if name in allowed:
                assert reply.status_code not in (401, 403), (name, method, path)
                if name == "other index" and ("documents" in path or "index" in path):
                    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "no_index")
            else:
                # Plain tokens have always been told that metrics and dashboard want another token.
                plain = name in ("client", "writer") and path in ("/metrics", "/v1/dashboard")
                assert reply.status_code == (403 if known and not plain else 401), (name, method, path)
            assert reply.headers.get("access-control-allow-origin") is None


#: The back end of these tests makes no views, and its index has another name.
REFUSED_ROOMS = {"scoped search": "unsupported_filter", "other index": "unknown_index"}


@pytest.mark.parametrize("name", TOKENS)
def test_typing_needs_the_right_to_search(server: Running, name: str) -> None:
    with server.client() as client:
        client.say(hello={"token": TOKENS[name]})
        answer = client.hear()
        if name in REFUSED_ROOMS:
            # The right is there, but no index is for this token.
            assert answer["error"]["code"] == REFUSED_ROOMS[name]
        elif name in ENDPOINTS["POST", "/v1/search", '{"query": "egg"}']:
            assert "hello" in answer
        else:
            assert answer["error"]["code"] == "unauthorized"
            with pytest.raises(ConnectionClosed) as closed:
                client.hear()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008


def test_a_token_in_the_url_opens_nothing(server: Running) -> None:
    for name in ("token", "access_token", "api_key"):
        reply = httpx.delete(f"{server.http}/v1/documents/mine?{name}=writer", timeout=PATIENCE)
        assert reply.status_code == 401


def test_a_session_ends_with_its_token() -> None:
    with running(WritableIndex(), signing_keys=KEYS) as server:
        token, _ = KeyRing.read(KEYS).sign(["search"], seconds=2)
        with server.client(token=token) as client:
            with pytest.raises(ConnectionClosed) as closed:
                client.hear()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, "expired" in closed.value.rcvd.reason) == (1008, True)
        with server.client() as client:
            client.say(hello={"token": token})
            assert "expired" in client.hear()["error"]["message"]


def test_without_a_token_for_writes_there_are_none() -> None:
    with running(WritableIndex(), token="client") as server:
        headers = bearer("client")
        reply = httpx.put(f"{server.http}/v1/documents", content="{}", headers=headers, timeout=PATIENCE)
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "writes_off")
        assert "TYPEAHEAD_WRITE_TOKEN" in reply.json()["error"]["message"]
        described = httpx.get(f"{server.http}/v1/index", headers=headers, timeout=PATIENCE)
        assert described.status_code == 200


@pytest.mark.parametrize("origins", [(), ("https://friend.example",), ("*",)])
def test_pages_of_other_origins_never_write(origins: tuple[str, ...]) -> None:
    with running(WritableIndex(), write_token="writer", allowed_origins=origins) as server:
        url = f"{server.http}/v1/documents"
        for origin in ("https://friend.example", "null", "http://127.0.0.1:1"):
            headers = {**bearer("writer"), "origin": origin}
            reply = httpx.put(url, content='{"id": "a", "text": "x"}', headers=headers, timeout=PATIENCE)
            assert reply.status_code == 403
            asked = {**headers, "access-control-request-method": "PUT"}
            preflight = httpx.options(url, headers=asked, timeout=PATIENCE)
            for answer in (reply, preflight):
                assert not [name for name in answer.headers if name.startswith("access-control")]
        own = {**bearer("writer"), "origin": server.http}
        assert httpx.get(f"{url}/nobody", headers=own, timeout=PATIENCE).status_code == 404
