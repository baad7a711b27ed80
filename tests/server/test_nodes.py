"""What holds across several servers that know nothing of each other: tokens everywhere, limits at each by itself."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.server.fakes import BruteForceIndex
from tests.server.running import Client, Running, running
from tests.server.shelf import Shelf
from typeahead.server.access.signing import KeyRing

OLD, NEW = "old:" + "o" * 32, "new:" + "n" * 32


def signed(keys: str, tenant: str = "a") -> tuple[str, str]:
    return KeyRing.read(keys).sign(["search"], seconds=600, filter={"tenant": tenant})


def shown(server: Running, token: str, text: str) -> list[str]:
    with server.client() as client:
        client.say(hello={"token": token, "k": 20})
        client.say(seq=1, text=text)
        return [hit["id"] for hit in client.hear_until(1)[-1]["hits"]]


def test_a_session_that_moves_to_another_server_sees_the_same_by_the_same_token() -> None:
    token, _ = signed(OLD)
    with running(Shelf(), signing_keys=OLD) as one, running(Shelf(), signing_keys=OLD) as other:
        with one.client() as client:
            client.say(hello={"token": token, "k": 20})
            client.say(seq=1, text="appl")
            client.say(seq=2, edit={"at": 4, "del": 0, "ins": "e"})
            before = [hit["id"] for hit in client.hear_until(2)[-1]["hits"]]
            one.server.should_exit = True
            with pytest.raises(ConnectionClosed) as closed:
                client.hear()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
        assert shown(other, token, "apple") == before
        assert before


def test_a_new_key_has_to_be_everywhere_before_anybody_signs_with_it() -> None:
    with running(Shelf(), signing_keys=f"{OLD},{NEW}") as ready, running(Shelf(), signing_keys=OLD) as late:
        assert shown(ready, signed(OLD)[0], "apple") == shown(late, signed(OLD)[0], "apple")
        assert shown(ready, signed(NEW)[0], "apple")
        with late.client() as client:
            client.say(hello={"token": signed(NEW)[0]})
            assert client.hear()["error"]["code"] == "unauthorized"


def test_a_token_is_revoked_at_each_server_that_has_the_file(tmp_path: Path) -> None:
    revoked = tmp_path / "revoked"
    revoked.write_text("")
    token, name = signed(OLD)
    settings: dict[str, Any] = {"signing_keys": OLD, "revoked": revoked}
    with (
        running(Shelf(), **settings) as one,
        running(Shelf(), **settings) as other,
        one.client() as client,
        other.client() as second,
    ):
        for each in (client, second):
            each.say(hello={"token": token})
            each.hear()
        revoked.write_text(f"{name}\n")
        # Whatever the file system's clock says, it is another time.
        os.utime(revoked, (time.time() + 5, time.time() + 5))
        for each in (client, second):
            with pytest.raises(ConnectionClosed) as closed:
                each.hear()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008


def test_limits_count_at_each_server_alone() -> None:
    settings: dict[str, Any] = {"max_connections_per_address": 1}
    with (
        running(BruteForceIndex(), **settings) as one,
        running(BruteForceIndex(), **settings) as other,
        one.client() as first,
        other.client() as second,
    ):
        assert answers(first)
        assert answers(second)
        for server in (one, other):
            assert httpx.get(f"{server.http}/healthz").status_code == 429


def answers(client: Client) -> bool:
    client.say(seq=1, text="tea")
    return "hits" in client.hear_until(1)[-1]
