"""A typist against servers that do what a script says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.sync.server import ServerConnection

from benchmarks import asking
from benchmarks.asking import ids, typist
from tests.benchmarks.scripted import Script, websocket_server
from typeahead.errors import TypeaheadError


def after_hello(script: Script, seen: list[dict[str, Any]]) -> Script:
    """A script that notes what comes, agrees to the hello, and leaves the rest to ``script``."""

    def answer(connection: ServerConnection, message: dict[str, Any]) -> None:
        seen.append(message)
        if "hello" in message:
            connection.send(json.dumps({"hello": message["hello"]}))
        else:
            script(connection, message)

    return answer


def echo(connection: ServerConnection, message: dict[str, Any]) -> None:
    connection.send(json.dumps({"seq": message["seq"], "hits": [{"id": message.get("text", "at Enter")}]}))


def test_a_query_is_spelt_key_by_key_from_the_empty_field_and_without_enter() -> None:
    seen: list[dict[str, Any]] = []
    with websocket_server(after_hello(echo, seen)) as address, typist(address, k=5) as session:
        assert ids(session.spell("len")) == ["len"]
    assert seen[0] == {"hello": {"k": 5}}
    assert seen[1:] == [{"seq": at + 1, "text": "len"[:at]} for at in range(4)]


def test_enter_follows_with_the_next_number() -> None:
    seen: list[dict[str, Any]] = []
    with websocket_server(after_hello(echo, seen)) as address, typist(address) as session:
        session.press("a")
        assert ids(session.enter()) == ["at Enter"]
    assert seen[-1] == {"seq": 2, "submit": True}


def test_an_overloaded_server_gets_the_key_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_PAUSE", 0.0)

    def script(connection: ServerConnection, message: dict[str, Any]) -> None:
        if message["seq"] < 3:
            connection.send(json.dumps({"seq": message["seq"], "error": {"code": "overloaded", "message": ""}}))
        else:
            echo(connection, message)

    seen: list[dict[str, Any]] = []
    with websocket_server(after_hello(script, seen)) as address, typist(address) as session:
        assert ids(session.press("a")) == ["a"]
    assert [message.get("text") for message in seen] == [None, "a", "a", "a"]


def test_a_server_that_stays_overloaded_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_PAUSE", 0.0)

    def script(connection: ServerConnection, message: dict[str, Any]) -> None:
        connection.send(json.dumps({"seq": message["seq"], "error": {"code": "overloaded", "message": ""}}))

    with (
        websocket_server(after_hello(script, [])) as address,
        typist(address) as session,
        pytest.raises(TypeaheadError, match="fewer connections"),
    ):
        session.press("a")


def test_a_refused_key_and_a_closed_connection_are_errors() -> None:
    def script(connection: ServerConnection, message: dict[str, Any]) -> None:
        if message["seq"] > 1:
            connection.close()
        else:
            connection.send(json.dumps({"seq": 1, "error": {"code": "bad_text", "message": "no"}}))

    with websocket_server(after_hello(script, [])) as address, typist(address) as session:
        with pytest.raises(TypeaheadError, match="bad_text"):
            session.press("a")
        with pytest.raises(TypeaheadError, match="instead of answering message 2"):
            session.press("b")


def test_a_reply_without_a_search_has_no_ids() -> None:
    assert ids({"seq": 1}) == []
