"""Model folders: their format; finding, checking and writing them; and the golden vectors that verify a load.

:func:`typeahead.load` makes an encoder from a model folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from typeahead.moved import moved_names

if not TYPE_CHECKING:
    __getattr__ = moved_names(
        __name__,
        {
            "CONFIG": "typeahead.models.config:CONFIG",
            "FORMAT_VERSION": "typeahead.models.config:FORMAT_VERSION",
            "ModelConfig": "typeahead.models.config:ModelConfig",
            "TeacherInfo": "typeahead.models.config:TeacherInfo",
            "check_texts": "typeahead.core.tokens:check_texts",
            "find": "typeahead.models.folder:find",
            "is_plain_name": "typeahead.models.config:is_plain_name",
            "load": "typeahead.encoders.loading:load",
            "open_config": "typeahead.models.folder:open_config",
            "read_config": "typeahead.models.folder:read_config",
            "shipped_models": "typeahead.models.folder:shipped_models",
            "write_config": "typeahead.models.folder:write_config",
        },
    )
