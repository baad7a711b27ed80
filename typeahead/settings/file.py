"""The configuration file: TOML whose keys are the names of settings."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from typeahead.settings.declaring import ConfigError, Declared
from typeahead.settings.values import BadValue, accept, did_you_mean

#: The largest file that is read, in bytes. Anything larger is no configuration.
MAX_BYTES: Final = 1 << 20


def read_file(path: Path, settings: Iterable[Declared]) -> dict[str, Any]:
    """The values in a configuration file, by the names of their settings.

    Relative paths start at the file's folder. Raises :class:`ConfigError`, which names the file and the key, and
    ``OSError`` where the file cannot be read. Bounds are not checked here.
    """
    known = {each.name: each for each in settings if each.about.given_by != "code"}
    values = {}
    for key, value in _table(path).items():
        values[key] = _value(path, key, value, known)
    return values


def _table(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ConfigError("config", f"{path} is larger than {MAX_BYTES >> 20} MiB: is it the right file?")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError("config", f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    except RecursionError:
        raise ConfigError("config", f"{path} is not valid TOML: it is nested too deeply") from None
    except ValueError as error:
        raise ConfigError("config", f"{path} is not valid TOML: {error}") from None


def _value(path: Path, key: str, value: Any, known: dict[str, Declared]) -> Any:
    place = str(path)
    declared = known.get(key)
    if declared is None:
        names = [each.name for each in known.values() if each.about.given_by == "all"]
        hint = ": write settings without [tables]" if isinstance(value, dict) else did_you_mean(key, names)
        raise ConfigError(key if key.isprintable() else ascii(key), f"is not a setting{hint}", place=place)
    if declared.about.given_by == "environment":
        raise ConfigError(
            key,
            f"must not be in the configuration file: put it into a file of its own and give its path as {key}_file, or "
            f"set the environment variable {declared.variable}",
            place=place,
        )
    try:
        return declared.anchored(accept(declared, value), path.parent)
    except BadValue as error:
        raise ConfigError(key, str(error), place=place) from None
