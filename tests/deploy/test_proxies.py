"""The configurations of ``deploy/proxies`` in front of a real server: websockets, prefix, TLS, silence, reloads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.deploy.proxied import HOST, KINDS, Kind, Proxy, proxied
from tests.server.running import PATIENCE, Running, eventually, running
from tests.server.writable import WritableIndex

#: Settings of the server that the configurations name.
NAMED: dict[str, Any] = {"allowed_hosts": (HOST,), "trusted_proxies": ("127.0.0.1",)}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@contextmanager
def served(kind: Kind, folder: Path, *, idle: str = "", **settings: Any) -> Iterator[tuple[Running, Proxy]]:
    with running(WritableIndex(), **NAMED | settings) as server:
        place = f"unix:{settings['socket']}" if "socket" in settings else f"127.0.0.1:{server.port}"
        with proxied(kind, folder, place, idle=idle) as proxy:
            yield server, proxy


def ask(proxy: Proxy, method: str, path: str, **options: Any) -> httpx.Response:
    # The name is that of the certificate; nothing outside is asked for it.
    extensions = {"sni_hostname": HOST}
    headers = {"host": f"{HOST}:{proxy.port}", **options.pop("headers", {})}
    with httpx.Client(verify=proxy.trusting(), timeout=PATIENCE) as client:
        address = f"https://127.0.0.1:{proxy.port}{path}"
        return client.request(method, address, headers=headers, extensions=extensions, **options)


@contextmanager
def session(proxy: Proxy, **options: Any) -> Iterator[ClientConnection]:
    with connect(
        f"wss://{HOST}:{proxy.port}/search/v1/type",
        sock=proxy.connected(),
        ssl=proxy.trusting(),
        origin=Origin(proxy.origin),
        subprotocols=[Subprotocol("typeahead.v1")],
        compression=None,
        open_timeout=PATIENCE,
        **options,
    ) as client:
        yield client


def type_and_hear(client: ClientConnection, seq: int) -> None:
    client.send(json.dumps({"seq": seq, "text": f"boil {seq} eggs"}))
    assert json.loads(client.recv(timeout=PATIENCE))["seq"] == seq


def test_people_type_over_tls_below_a_prefix_from_a_page_of_the_same_origin(kind: Kind, tmp_path: Path) -> None:
    with served(kind, tmp_path) as (_, proxy), session(proxy) as client:
        for seq in range(1, 6):
            type_and_hear(client, seq)


def test_pages_and_requests_work_below_the_prefix_and_without_its_slash(kind: Kind, tmp_path: Path) -> None:
    with served(kind, tmp_path, web=Path("web").resolve()) as (_, proxy):
        page = ask(proxy, "GET", "/search/")
        assert page.status_code == 200
        assets = [found for found in re.findall(r'(?:src|href)="([^"#:]+)"', page.text) if found != "./v1/type"]
        assert len(assets) > 2
        for asset in assets:
            assert not asset.startswith("/"), "an address that leaves the prefix"
            assert ask(proxy, "GET", f"/search/{asset}").status_code == 200, asset
        moved = ask(proxy, "GET", "/search")
        assert (moved.status_code, moved.headers["location"]) == (301, "/search/")
        found = ask(proxy, "POST", "/search/v1/search", json={"query": "egg"})
        assert found.status_code == 200
        assert found.json()["hits"]


def test_the_proxy_names_requests_and_clients_and_clients_cannot(kind: Kind, tmp_path: Path) -> None:
    forged = {"x-request-id": "forged", "x-forwarded-for": "192.0.2.1", "forwarded": "for=192.0.2.2"}
    with served(kind, tmp_path, max_connections_per_address=1) as (_, proxy):
        name = ask(proxy, "GET", "/search/healthz", headers=forged).headers["x-request-id"]
        assert "forged" not in name
        assert len(name) > 16
        # All are one address, whatever they say.
        with session(proxy, additional_headers=forged) as client:
            type_and_hear(client, 1)
            forged["x-forwarded-for"] = "192.0.2.3"
            assert ask(proxy, "GET", "/search/healthz", headers=forged).status_code == 429


#: What proxies like to tidy up: slashes that stand together, dots, escapes.
IDS = ["plain", "https://example.org/a//b/../c?d=1#e", "50%", "a b+c", "%2F"]


def test_documents_of_many_megabytes_pass_and_their_ids_stay_as_they_are(kind: Kind, tmp_path: Path) -> None:
    headers = {"authorization": "Bearer w"}
    vector = [1.0] + [0.0] * 15
    with served(kind, tmp_path, write_token="w") as (_, proxy):
        lines = [json.dumps({"id": key, "text": "x" * 3_000_000, "vectors": [vector]}) for key in IDS]
        written = ask(proxy, "PUT", "/search/v1/documents", content="\n".join(lines), headers=headers)
        assert written.status_code == 200, written.text
        assert written.json()["upserted"] == len(IDS)
        for key in IDS:
            found = ask(proxy, "GET", f"/search/v1/documents/{quote(key, safe='')}", headers=headers)
            assert found.status_code == 200, (key, found.text)
            assert found.json()["id"] == key


def test_a_silent_session_outlives_the_time_out_by_its_pings(kind: Kind, tmp_path: Path) -> None:
    if kind.name == "caddy":
        pytest.skip("Caddy 2.6 has no time-out for websockets")
    with (
        served(kind, tmp_path, idle="1s", ping_seconds=0.3) as (_, proxy),
        session(proxy, ping_interval=None) as client,
    ):
        type_and_hear(client, 1)
        with pytest.raises(TimeoutError):
            client.recv(timeout=2.5)
        type_and_hear(client, 2)


def test_without_pings_the_time_out_would_end_it(kind: Kind, tmp_path: Path) -> None:
    if kind.name == "caddy":
        pytest.skip("Caddy 2.6 has no time-out for websockets")
    silent: dict[str, Any] = {"ping_interval": None}
    with (
        served(kind, tmp_path, idle="1s", ping_seconds=60) as (_, proxy),
        session(proxy, **silent) as client,
        pytest.raises(ConnectionClosed),
    ):
        client.recv(timeout=PATIENCE)


def test_a_reload_keeps_sessions_where_the_proxy_can_and_new_ones_come_in(kind: Kind, tmp_path: Path) -> None:
    with served(kind, tmp_path) as (server, proxy), session(proxy) as client:
        type_and_hear(client, 1)
        proxy.kind.reload(proxy)
        for _ in range(3):
            eventually(lambda: _comes_in(proxy))
        if proxy.kind.keeps:
            type_and_hear(client, 2)
        else:
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=PATIENCE)
        assert server.server.app.status == "ready"


def _comes_in(proxy: Proxy) -> bool:
    try:
        with session(proxy) as client:
            type_and_hear(client, 1)
    except (OSError, ConnectionClosed):
        return False
    return True


def test_a_unix_socket_stands_behind_each(kind: Kind, tmp_path: Path) -> None:
    with served(kind, tmp_path, socket=tmp_path / "s") as (_, proxy), session(proxy) as client:
        type_and_hear(client, 1)
        assert ask(proxy, "GET", "/search/healthz").status_code == 200


def test_a_server_that_was_not_told_its_public_name_refuses(kind: Kind, tmp_path: Path) -> None:
    with served(kind, tmp_path, allowed_hosts=()) as (_, proxy):
        answer = ask(proxy, "POST", "/search/v1/search", json={"query": "egg"})
        assert answer.status_code == 421
        assert "allowed_hosts" in answer.text
