"""typeahead: an incremental query encoder for search boxes.

    >>> import typeahead
    >>> encoder = typeahead.load("minilm-causal")
    >>> session = encoder.session()
    >>> session.update("how to b")
    >>> session.update("how to bo")
    >>> session.embedding.shape
    (384,)

``typeahead.Box("my-index").search("how to bo")`` searches an index as the server does, at every key, and
``typeahead.open_index("my-index")`` changes its documents. ``typeahead.distill(…)`` trains an encoder for your own
teacher.

Importing this package does not load ONNX Runtime, FAISS or a server: each is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typeahead.errors import TypeaheadError
from typeahead.moved import MOVED, redirect

if TYPE_CHECKING:
    from typeahead.box import Box
    from typeahead.encoders.loading import load
    from typeahead.index.opened import open_index

    def distill(*_arguments: Any, **_options: Any) -> Any:
        """See :func:`training.guided.distilling.distill`, which needs the extra "training"."""

    #: Of the installed distribution, which has it from the tag.
    __version__: str

__all__ = ["Box", "TypeaheadError", "__version__", "distill", "load", "open_index"]

redirect(MOVED)


def __getattr__(name: str) -> object:
    if name == "load":
        from typeahead.encoders.loading import load

        return load
    if name == "Box":
        from typeahead.box import Box

        return Box
    if name == "open_index":
        from typeahead.index.opened import open_index

        return open_index
    if name == "distill":
        from typeahead.installation import import_training

        return import_training("guided.distilling").distill
    if name == "__version__":
        from typeahead.installation import version

        return version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
