"""Secrets, which come from a file of their own or from the environment.

A secret ``token`` belongs to a setting ``token_file``. The one from the higher source wins; if both come from the
environment, the file does.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from typeahead.settings.declaring import ConfigError, Group
from typeahead.settings.sources import Settings

TOKENS: Final = Group(
    "tokens",
    "Tokens and keys come from these files or from the environment variables TYPEAHEAD_TOKEN, "
    "TYPEAHEAD_OPERATOR_TOKEN, TYPEAHEAD_WRITE_TOKEN and TYPEAHEAD_SIGNING_KEYS, never from the command line, which "
    "every user of the machine can read.",
)

#: No token is longer; this much of a token file is read, in bytes.
_MAX_BYTES: Final = 64 << 10


def read_tokens(settings: Settings) -> Settings:
    """Read the files of secrets; where the environment wins over a file, the file's setting becomes None.

    Raises :class:`~typeahead.settings.declaring.ConfigError` for a file that is not text, and ``OSError``.
    """
    for secret in settings.declared:
        name, file_name = secret.name, f"{secret.name}_file"
        if secret.about.given_by != "environment" or settings.values.get(file_name) is None:
            continue
        if settings.sources[name].rank > settings.sources[file_name].rank:
            settings = settings.replaced(file_name, None)
        else:
            source = settings.sources[file_name]
            path = settings.values[file_name]
            settings = settings.replaced(name, _read(file_name, path), replace(source, where=str(path)))
    return settings


def _read(name: str, path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ConfigError(name, f"is {path}, which is too large for a token: is it the right file?")
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise ConfigError(name, f"is {path}, which is not UTF-8 (byte {error.start}): is it the right file?") from None
