"""Model folders: their format; finding, checking and writing them; and the golden vectors that verify a load.

:func:`typeahead.load` makes an encoder from a model folder.
"""

from __future__ import annotations

import warnings
from importlib import import_module

#: Names that used to be in this module, and where they are now.
_MOVED = {
    "CONFIG": "typeahead.models.config",
    "FORMAT_VERSION": "typeahead.models.config",
    "ModelConfig": "typeahead.models.config",
    "TeacherInfo": "typeahead.models.config",
    "check_texts": "typeahead.core.tokens",
    "find": "typeahead.models.folder",
    "is_plain_name": "typeahead.models.config",
    "load": "typeahead.encoders.loading",
    "open_config": "typeahead.models.folder",
    "read_config": "typeahead.models.folder",
    "shipped_models": "typeahead.models.folder",
    "write_config": "typeahead.models.folder",
}


def __getattr__(name: str) -> object:
    where = _MOVED.get(name)
    if where is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        f"typeahead.models.{name} has moved to {where}; the old name will be removed in version 0.3.0",
        DeprecationWarning,
        stacklevel=2,
    )
    return getattr(import_module(where), name)
