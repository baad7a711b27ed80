"""The libraries that read markup, loaded when the first page needs them. Without one, the error says how to get it."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from typeahead.errors import MissingExtra


@dataclass(frozen=True, slots=True)
class Yaml:
    """Reads YAML 1.1 and makes only plain values of it."""

    load: Callable[[str], Any]


def library(module: str, package: str) -> Any:
    """Import a module of the extra ``markup``. Raises :class:`~typeahead.errors.MissingExtra`."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(package, "markup") from error


@functools.cache
def yaml() -> Yaml:
    """PyYAML with its safe loader, in C where there is one."""
    module = library("yaml", "pyyaml")
    loader = getattr(module, "CSafeLoader", module.SafeLoader)
    return Yaml(lambda source: module.load(source, loader))
