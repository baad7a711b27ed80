"""typeahead: an incremental query encoder for search boxes.

    >>> import typeahead
    >>> encoder = typeahead.load("minilm-causal")
    >>> session = encoder.session()
    >>> session.update("how to b")
    >>> session.update("how to bo")
    >>> session.embedding.shape
    (384,)

``typeahead.Box("my-index").search("how to bo")`` searches an index as the server does, at every key.

Importing this package does not load ONNX Runtime, FAISS or a server: each is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from typeahead.errors import TypeaheadError
from typeahead.moved import MOVED, redirect

if TYPE_CHECKING:
    from typeahead.box import Box
    from typeahead.encoders.loading import load

__all__ = ["Box", "TypeaheadError", "__version__", "load"]

__version__ = "0.2.0"

redirect(MOVED)


def __getattr__(name: str) -> object:
    if name == "load":
        from typeahead.encoders.loading import load

        return load
    if name == "Box":
        from typeahead.box import Box

        return Box
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
