"""Servers that do with keys what a script says, in threads: what the load generator reports has to be just that."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

#: Given a connection and a message that came on it, does something.
Script = Callable[[ServerConnection, dict[str, Any]], None]


def answer(connection: ServerConnection, message: dict[str, Any]) -> None:
    """Answer as typeahead does."""
    if "seq" in message:
        connection.send(json.dumps({"seq": message["seq"], "timing_us": {"total": 1}}))


@contextmanager
def websocket_server(script: Script) -> Iterator[str]:
    """A websocket server that runs ``script`` for each message; gives its address."""

    def handle(connection: ServerConnection) -> None:
        try:
            for frame in connection:
                script(connection, json.loads(frame))
        except ConnectionClosed:
            return

    with serve(handle, "127.0.0.1", 0, subprotocols=["typeahead.v1"], compression=None) as server:  # type: ignore[list-item]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def http_server(status: Callable[[dict[str, Any]], int]) -> Iterator[str]:
    """An HTTP server that keeps connections, and answers each body with ``status`` of it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # named by http.server
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status(body))
            self.send_header("CONTENT-length", "1536")
            self.end_headers()
            self.wfile.write(bytes(1536))

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
