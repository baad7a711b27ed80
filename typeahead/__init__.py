"""typeahead: an incremental query encoder for search boxes.

    >>> import typeahead
    >>> encoder = typeahead.load("minilm-gru")
    >>> session = encoder.session()
    >>> session.update("how to b")
    >>> session.update("how to bo")
    >>> session.embedding.shape
    (384,)

Importing this package loads neither ONNX Runtime nor FAISS nor a server: each is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from typeahead.errors import TypeaheadError

if TYPE_CHECKING:
    from typeahead.models import load

__all__ = ["TypeaheadError", "__version__", "load"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "load":
        from typeahead.models import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
