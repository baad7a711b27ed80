"""Serves an index with the real models, as a process that a test can kill.

``python -m tests.web.real_server INDEX PORT`` prints the address once it is ready. ``scripted.py`` is the server for
everything that a healthy one would not do.
"""

from __future__ import annotations

import sys
from pathlib import Path

import typeahead
from typeahead.index import open_index
from typeahead.server import ServerConfig, serve


def main(folder: str, port: str) -> None:
    index = open_index(Path(folder))
    config = ServerConfig(port=int(port))
    serve(config, typeahead.load("minilm-gru"), index, on_ready=lambda url: print(url, flush=True))
    index.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
