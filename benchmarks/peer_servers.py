"""Servers that a user might write instead of running typeahead, for :mod:`benchmarks.peers`.

    python -m benchmarks.peer_servers SPEC

SPEC names an encoder as in :mod:`typeahead.evaluate.peers.names`. Encoders of whole texts are served by FastAPI on
uvicorn, with uvloop and httptools, at ``POST /embed``: ``{"text": …}`` in, the embedding's float32 bytes out, which are
cheaper to write and read than JSON. Each server has one core, so the model runs on one thread inside the event loop; a
thread pool would only take turns on that core. Incremental encoders are served by typeahead's own websocket. Prints the
server's address once it is ready.
"""

from __future__ import annotations

import argparse
from typing import Annotated, Any

import uvicorn

from typeahead.errors import MissingExtra
from typeahead.evaluate.peers.names import load_peer
from typeahead.server import ServerConfig, serve
from typeahead.server.process.listening import listen, listener_port

try:
    from fastapi import Body, FastAPI, Response
except ImportError as error:
    raise MissingExtra(error.name or "fastapi", "bench") from error


def make_app(encoder: Any) -> FastAPI:
    """Make the application that a user would write."""
    app = FastAPI()

    @app.post("/embed")  # type: ignore[untyped-decorator]
    async def embed(text: Annotated[str, Body(embed=True)]) -> Response:
        vector = encoder.encode([text])[0]
        return Response(vector.tobytes(), media_type="application/octet-stream")

    return app


class _Announcing(uvicorn.Server):
    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        print(f"http://127.0.0.1:{listener_port(sockets or [])}", flush=True)


def serve_whole(encoder: Any) -> None:
    """Serve an encoder of whole texts until SIGTERM."""
    encoder.encode(["how to boil an egg"])
    sockets = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        make_app(encoder), loop="uvloop", http="httptools", access_log=False, log_level="warning", lifespan="off"
    )
    _Announcing(config).run(sockets)


def main() -> None:
    """Load and serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peer_servers", description=__doc__)
    parser.add_argument("spec", metavar="SPEC")
    peer = load_peer(parser.parse_args().spec, threads=1)
    if peer.incremental:
        serve(ServerConfig(port=0), peer.encoder, on_ready=lambda address: print(address, flush=True))
    else:
        serve_whole(peer.encoder)


if __name__ == "__main__":
    main()
