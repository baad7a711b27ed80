"""A stand-in for a server: Qdrant's REST interface, as far as it is used here, over the client's local mode.

It shows what the client sends and understands. It does not show how a real server searches.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from qdrant_client import QdrantClient, models


class StandIn:
    """Serves the collections of a client of local mode; may be stopped, started again, and paused."""

    def __init__(self) -> None:
        self.client = QdrantClient(":memory:")
        #: What was asked: the last part of each path, and the headers.
        self.asked: list[str] = []
        self.headers: dict[str, str] = {}
        #: What stands before a request is answered with an error instead.
        self.failure: tuple[int, str] | None = None
        self._answering = threading.Event()
        self._answering.set()
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    def start(self) -> None:
        """Listen, on the port of before if there was one."""
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def log_message(self, *_: Any) -> None:
                pass

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                status, said = stand_in._answer(self.path, json.loads(body) if body else {}, dict(self.headers))
                data = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def handle(self) -> None:
                # Whoever asked has gone.
                with suppress(ConnectionError, ValueError):
                    super().handle()

        class Listening(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Listening(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections. Those that are open answer that the server is away, as a proxy does."""
        assert self._server is not None
        self.failure = (503, "stopped")
        self._server.shutdown()
        self._server.server_close()

    def pause(self, *, on: bool = True) -> None:
        """Accept requests, and answer none of them; not ``on``, answer them all."""
        if on:
            self._answering.clear()
        else:
            self._answering.set()

    def _answer(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, Any]:
        self._answering.wait()
        self.headers = {name.lower(): value for name, value in headers.items()}
        if self.failure is not None:
            status, said = self.failure
            return status, {"status": {"error": said}}
        _, _, collection, *rest = path.partition("?")[0].split("/")
        call = "/".join(rest)
        self.asked.append(call)
        try:
            with self._lock:
                return 200, {"result": _CALLS[call](self.client, collection, body), "status": "ok", "time": 0.0}
        except ValueError as error:
            return 404 if "not found" in str(error) else 400, {"status": {"error": str(error)}}


def _query(client: QdrantClient, collection: str, body: dict[str, Any]) -> Any:
    requests = models.QueryRequestBatch(**body).searches
    for request in requests:
        # Local mode warns of them.
        request.params = None
    return [_json(one) for one in client.query_batch_points(collection, requests)]


def _scroll(client: QdrantClient, collection: str, body: dict[str, Any]) -> Any:
    asked = models.ScrollRequest(**body)
    points, following = client.scroll(
        collection,
        scroll_filter=asked.filter,
        limit=asked.limit or 10,
        offset=asked.offset,
        with_payload=True if asked.with_payload is None else asked.with_payload,
        with_vectors=asked.with_vector or False,
    )
    return {"points": [_json(one) for one in points], "next_page_offset": following}


def _retrieve(client: QdrantClient, collection: str, body: dict[str, Any]) -> Any:
    return [_json(one) for one in client.retrieve(collection, body["ids"], with_payload=True)]


def _count(client: QdrantClient, collection: str, body: dict[str, Any]) -> Any:
    return _json(client.count(collection, count_filter=models.CountRequest(**body).filter))


def _update(client: QdrantClient, collection: str, body: dict[str, Any]) -> Any:
    client.batch_update_points(collection, models.UpdateOperations(**body).operations)
    return [{"operation_id": 0, "status": "completed"}]


def _delete(client: QdrantClient, collection: str, body: dict[str, Any]) -> Any:
    client.delete(collection, models.FilterSelector(**body))
    return {"operation_id": 0, "status": "completed"}


def _json(model: Any) -> Any:
    return model.model_dump(mode="json")


_CALLS: dict[str, Callable[[QdrantClient, str, dict[str, Any]], Any]] = {
    "": lambda client, collection, _: _json(client.get_collection(collection)),
    "points": _retrieve,
    "points/query/batch": _query,
    "points/scroll": _scroll,
    "points/count": _count,
    "points/batch": _update,
    "points/delete": _delete,
}
