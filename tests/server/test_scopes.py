"""Rooms over the wire: tokens with a scope, several indexes, filters, facets and pages, as clients see them."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.server.running import PATIENCE, Client, Running, running
from tests.server.shelf import DOCUMENTS, Shelf
from typeahead.server.access.signing import KeyRing

KEY = "k1:" + "s" * 32
RING = KeyRing.read(KEY)


def token(tenant: str | None = None, **options: Any) -> str:
    tree = None if tenant is None else {"tenant": tenant}
    return RING.sign(["search"], seconds=options.pop("seconds", 600), filter=tree, **options)[0]


def search(server: Running, given: str | None = None, **body: Any) -> Any:
    headers = {} if given is None else {"authorization": f"Bearer {given}"}
    reply = httpx.post(f"{server.http}/v1/search", content=json.dumps(body), headers=headers, timeout=PATIENCE)
    return reply.json() | {"status": reply.status_code}


def ask(client: Client, seq: int, **message: Any) -> Any:
    client.say(seq=seq, **message)
    return client.hear_until(seq)[-1]


def ids(reply: Any) -> set[str]:
    return {hit["id"] for hit in reply["hits"]}


def test_each_tenant_sees_its_own_documents_and_nothing_of_others() -> None:
    with running(Shelf(), signing_keys=KEY) as server:
        heard = {}
        for tenant in "ab":
            with server.client() as client:
                client.say(hello={"token": token(tenant), "k": 100, "facets": ["tenant", "secret", "draft"]})
                # Keys may come before the room is there.
                client.say(seq=1, text="recipe")
                hello = client.hear()["hello"]
                assert (hello["documents"], hello["index"]) == (10, "default")
                heard[tenant] = [client.hear_until(1)[-1]]
                heard[tenant] += [
                    ask(client, 2, text=""),
                    ask(client, 3, text="ap", filter={"tenant": ["a", "b"]}),
                    ask(client, 4, text="sweet", filter={"any": [{"tenant": "a"}, {"tenant": "b"}]}, offset=2),
                    ask(client, 5, filter={"year": {"gte": 5}}),
                    ask(client, 6, text="quince", filter=None),
                ]
            for text in ("apple", "apricot", "medlar", "quince"):
                reply = search(server, token(tenant), query=text, k=100, facets=["tenant"])
                assert {one[0] for one in ids(reply)} == {tenant}
                assert [one["value"] for one in reply["facets"]["tenant"]["values"]] == [tenant]
        for tenant, replies in heard.items():
            assert {one[0] for reply in replies for one in ids(reply)} == {tenant}
            for reply in replies:
                assert [one["value"] for one in reply["facets"]["tenant"]["values"]] == [tenant]
            assert len({reply["version"] for reply in replies}) == 1
        assert [len(reply["hits"]) for reply in heard["a"]] == [10, 0, 10, 8, 4, 10]
        assert heard["a"][1]["facets"]["secret"] == {"values": [{"value": True, "count": 1}]}
        assert heard["b"][1]["facets"]["secret"] == {"values": []}


def test_an_unknown_field_is_an_error_that_names_the_fields_of_the_scope_alone() -> None:
    with running(Shelf(), signing_keys=KEY) as server, server.client(token=token("b")) as client:
        messages: list[dict[str, Any]] = [{"text": "jam"}, {"edit": {"at": 0, "del": 0, "ins": "a "}}, {}]
        for seq, message in enumerate(messages, 1):
            error = ask(client, seq, filter={"secret": True}, **message)["error"]
            assert error["code"] == "unknown_field"
            assert error["message"] == "no document has the field 'secret': the fields are draft, tenant, year"
        # Each key is refused until the filter is changed, and Enter is, too.
        assert ask(client, 7, text="jam x")["error"]["code"] == "unknown_field"
        assert ask(client, 8, submit=True)["error"]["code"] == "unknown_field"
        assert ids(ask(client, 9, filter={"draft": True})) == {"b-other"}
        reply = search(server, token("b"), query="jam", filter={"secret": True})
        assert (reply["status"], reply["error"]["code"], reply["error"]["param"]) == (400, "unknown_field", "filter")


def test_a_session_ends_with_its_token() -> None:
    with running(Shelf(), signing_keys=KEY) as server, server.client(token=token("a")) as client:
        assert ask(client, 1, text="apple")["hits"]
        server.server.app._endpoint.tokens._clock = lambda: time.time() + 1000  # type: ignore[attr-defined]
        with pytest.raises(ConnectionClosed) as end:
            client.hear()
        assert end.value.rcvd is not None
        assert (end.value.rcvd.code, "expired" in end.value.rcvd.reason) == (1008, True)


def test_one_of_several_indexes_is_chosen_by_name_and_several_are_searched_as_one() -> None:
    indexes = {"pies": Shelf(DOCUMENTS[:9]), "jams": Shelf(DOCUMENTS[9:18])}
    with running(indexes) as server:
        with server.client(query="?index=jams") as client:
            assert ids(ask(client, 1, text="apple")) <= {one.id for one in DOCUMENTS[9:18]}
        with server.client() as client:
            client.say(hello={})
            assert client.hear()["hello"]["index"] == "pies"
        with server.client(query="?index=jams,pies") as client:
            client.say(hello={"k": 18})
            hello = client.hear()["hello"]
            assert (hello["index"], hello["documents"]) == ("jams,pies", 18)
            reply = ask(client, 1, text="sweet ap")
            assert {hit["index"] for hit in reply["hits"]} == {"jams", "pies"}
            scores = [hit["score"] for hit in reply["hits"]]
            assert scores == sorted(scores, reverse=True)


def test_an_index_that_is_not_there_is_not_found() -> None:
    with running({"pies": Shelf()}) as server:
        with pytest.raises(InvalidStatus) as refusal, server.client(query="?index=jams"):
            pass
        assert refusal.value.response.status_code == 404
        assert b"there is no index 'jams' for you here" in refusal.value.response.body
        reply = httpx.post(f"{server.http}/v1/search?index=jams", json={"query": "apple"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "unknown_index")
        assert httpx.post(f"{server.http}/v1/search?index=pies", json={"query": "apple"}).json()["hits"]
        assert httpx.post(f"{server.http}/v1/search", json={"query": "apple", "index": "pies"}).json()["hits"]


def test_a_token_that_does_not_admit_an_index_hears_what_it_hears_of_one_that_is_not_there() -> None:
    with running({"pies": Shelf(), "jams": Shelf()}, signing_keys=KEY) as server:
        given = token(indexes=["jams"])
        for name in ("pies", "none"):
            with server.client(query=f"?index={name}") as client:
                client.say(hello={"token": given})
                error = client.hear()["error"]
                assert (error["code"], error["message"].replace(name, "X")) == (
                    "unknown_index",
                    "there is no index 'X' for you here: check the name",
                )
                with pytest.raises(ConnectionClosed) as end:
                    client.hear()
                assert end.value.rcvd is not None
                assert end.value.rcvd.code == 1008
            reply = search(server, given, query="apple", index=name)
            assert (reply["status"], reply["error"]["code"]) == (404, "unknown_index")
        # Its own is the one that is meant where none is named.
        with server.client(token=given) as client:
            assert ask(client, 1, text="apple")["hits"]


def test_pages_over_the_wire_are_the_whole_list() -> None:
    with running(Shelf()) as server, server.client() as client:
        client.say(hello={"k": 3})
        client.hear()
        pages = [ask(client, 1, text="sweet recipe")]
        pages += [ask(client, 2 + offset, offset=offset) for offset in range(3, 21, 3)]
        shown = [hit["id"] for page in pages for hit in page["hits"]]
        whole = search(server, query="sweet recipe", k=100)
        assert shown == [hit["id"] for hit in whole["hits"]]
        assert len(shown) == 20
        # An offset counts for its message alone, and the filter from there on.
        assert ask(client, 50, text="sweet recipe", filter={"tenant": "a"})["hits"][0]["id"][0] == "a"
        first = ask(client, 51, text="sweet recipe ")
        assert ids(first) == ids(search(server, query="sweet recipe", k=3, filter={"tenant": "a"}))


def test_facets_are_those_of_the_filter_where_nothing_is_typed_and_of_the_candidates_otherwise() -> None:
    with running(Shelf()) as server, server.client() as client:
        client.say(hello={"facets": ["tenant"], "filter": {"year": {"lt": 3}}})
        assert client.hear()["hello"]["facets"] == ["tenant"]
        nothing = ask(client, 1, text="")
        counts = [{"value": "a", "count": 3}, {"value": "b", "count": 3}]
        assert (nothing["hits"], nothing["facets_over"]) == ([], "filter")
        assert nothing["facets"] == {"tenant": {"values": counts}}
        typed = ask(client, 2, text="apple")
        assert typed["facets_over"] == "candidates"
        assert typed["facets"]["tenant"]["values"] == counts
        assert "facets" not in ask(client, 3, facets=[])
        assert search(server, query="", facets=["tenant"], filter={"year": 1})["facets_over"] == "filter"


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"filter": []}, "bad_filter", "filter"),
        ({"filter": {"year": {"from": 1}}}, "bad_filter", "filter"),
        ({"filter": {"not": [1]}}, "bad_filter", "filter"),
        ({"offset": -1}, None, "offset"),
        ({"offset": 1001}, None, "offset"),
        ({"facets": "tenant"}, None, "facets"),
        ({"facets": ["a"] * 17}, None, "facets"),
        ({"facets": ["\ud800"]}, None, "facets"),
        ({"filter": {"a": "\ud800"}}, "bad_filter", "filter"),
        ({"index": 3}, None, "index"),
    ],
)
def test_what_narrows_a_request_wrongly_is_refused_by_name(fields: Any, code: str | None, param: str) -> None:
    with running(Shelf()) as server:
        reply = search(server, query="apple", **fields)
        assert (reply["status"], reply["error"]["code"], reply["error"]["param"]) == (400, code, param)


def test_a_deeply_nested_filter_is_refused() -> None:
    with running(Shelf()) as server, server.client() as client:
        for levels in (17, 500, 1500):
            tree = '{"not":' * levels + "{}" + "}" * levels
            client.connection.send('{"seq": ' + str(levels) + ', "text": "a", "filter": ' + tree + "}")
            assert client.hear()["error"]["code"] in ("bad_filter", "bad_json")
            body = '{"query": "a", "filter": ' + tree + "}"
            reply = httpx.post(f"{server.http}/v1/search", content=body, timeout=PATIENCE)
            assert reply.status_code == 400
        assert ask(client, 2000, text="apple")["hits"]
