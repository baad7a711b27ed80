"""What the server relies on in uvicorn, and how it serves with a uvicorn that it does not know."""

from __future__ import annotations

import logging
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import ConnectionClosed

from tests.server.fakes import BruteForceIndex, MeanEncoder
from tests.server.running import Running, eventually, metric, running
from typeahead.server import ServerConfig
from typeahead.server.process import protocols
from typeahead.server.process.heads import BoundedHttp
from typeahead.server.process.protocols import INSTALL, KNOWN, RELIED_ON, unknown_uvicorn
from typeahead.server.process.run import prepared
from typeahead.server.process.websocket import BoundedWebsocket
from typeahead.wire.replies import read_embedding

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    protocols._unknown.cache_clear()
    yield
    protocols._unknown.cache_clear()


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the installed uvicorn a release that this server does not know."""
    monkeypatch.setattr(uvicorn, "__version__", "0.99.0")


@pytest.mark.parametrize("place", RELIED_ON)
def test_all_that_is_relied_upon_is_there_in_the_installed_uvicorn(place: str) -> None:
    assert protocols._lacking(place) == []
    assert unknown_uvicorn() is None


@pytest.mark.parametrize(
    ("ours", "theirs"), [(BoundedHttp, HttpToolsProtocol), (BoundedWebsocket, WebSocketsSansIOProtocol)]
)
def test_every_method_of_uvicorns_that_is_overridden_is_relied_upon(ours: type[Any], theirs: type[Any]) -> None:
    mixed_in = [kind for kind in ours.__mro__ if not issubclass(theirs, kind)]
    overridden = {name for kind in mixed_in for name in vars(kind) if name in vars(theirs)}
    methods, _ = RELIED_ON[f"{theirs.__module__}:{theirs.__name__}"]
    assert {name for name in overridden if not name.startswith("__")} <= set(methods)


def test_pyproject_allows_the_known_releases_and_no_others() -> None:
    server = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["server"]
    assert INSTALL in server
    bounds = re.fullmatch(r"uvicorn>=0\.(\d+),<0\.(\d+)", INSTALL)
    assert bounds is not None
    assert [(0, minor) for minor in range(int(bounds[1]), int(bounds[2]))] == list(KNOWN)


def test_a_method_that_has_other_parameters_or_is_gone_makes_uvicorn_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpToolsProtocol, "on_header", HttpToolsProtocol.on_body)
    monkeypatch.delattr(WebSocketsSansIOProtocol, "keepalive_timeout")
    unknown = unknown_uvicorn()
    assert unknown is not None
    assert unknown.startswith("it lacks HttpToolsProtocol.on_header(name, value), WebSocketsSansIOProtocol.keepalive")


def test_a_module_that_is_gone_makes_uvicorn_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn.protocols.http.httptools_impl", None)
    assert unknown_uvicorn() == "it lacks HttpToolsProtocol"


@pytest.mark.usefixtures("stranger")
def test_with_an_unknown_uvicorn_one_line_says_what_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        prepared(ServerConfig(), warn=False)
        prepared(ServerConfig(), warn=True)
    (line,) = [record.getMessage() for record in caplog.records if "uvicorn" in record.getMessage()]
    for part in ("it is version 0.99.0, and not 0.54", "heads", "slow readers", "uvicorn>=0.54,<0.55"):
        assert part in line


@pytest.fixture
def server(stranger: None) -> Iterator[Running]:
    del stranger
    with running(BruteForceIndex(), max_frame_bytes=2048) as server:
        assert server.server.config.http_protocol_class is not BoundedHttp
        yield server


def test_with_an_unknown_uvicorn_people_still_type(server: Running) -> None:
    with server.client() as client:
        client.say(hello={"embedding": "float32", "k": 2})
        assert client.hear()["hello"]["encoder"] == "mean"
        client.say(seq=1, text="boil an eg")
        assert client.hear()["seq"] == 1
        client.hear()
        client.say(seq=2, edit={"at": 10, "del": 0, "ins": "g"})
        assert client.hear()["hits"][0]["title"] == "boil an egg"
        seq, vector = read_embedding(client.hear())
        assert seq == 2
        np.testing.assert_array_equal(vector, MeanEncoder().encode(["boil an egg"])[0])
        client.say(seq=3, submit=True)
        assert client.hear()["ready"] is True
        client.hear()
        client.say(seq=3, text="again")
        assert client.hear()["error"]["code"] == "bad_seq"
        client.connection.send("x" * 4096)
        with pytest.raises(ConnectionClosed) as caught:
            client.hear()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009
    eventually(lambda: metric(server, "typeahead_active_sessions") == 0)


def test_with_an_unknown_uvicorn_http_is_answered_and_connections_are_bounded(server: Running) -> None:
    reply = httpx.post(f"{server.http}/v1/search", json={"query": "bake bread", "k": 1})
    assert reply.json()["hits"][0]["title"] == "bake bread"
    assert server.server.config.limit_concurrency == server.server.app.door.max_connections
