"""Serves an index with the real models, as a process that a test can kill.

``python -m tests.web.real_server INDEX PORT`` prints the address once it is ready. ``scripted.py`` is the server for
everything that a healthy one would not do.
"""

from __future__ import annotations

import sys

import typeahead
from typeahead.search.addresses import open_backend
from typeahead.server import ServerConfig, serve


def main(folder: str, port: str) -> None:
    config = ServerConfig(port=int(port), events=True)
    encoder = typeahead.load("minilm-gru")
    serve(config, encoder, lambda: open_backend(folder), on_ready=lambda url: print(url, flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
