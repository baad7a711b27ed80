"""The old names of modules that have moved: they still import, for one release, with a ``DeprecationWarning``.

Version 0.2.0 put the modules of ``typeahead`` and ``training`` into folders by what they do. :func:`redirect` adds a
finder to the end of ``sys.meta_path``, so that it is asked only for names that nothing else answers. It works for
``python -m`` too.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType

#: See :func:`redirect`.
MOVED = (
    ("typeahead", "typeahead.core", "engine prefixes session states tokens"),
    ("typeahead.encoders", "typeahead.core", "base=encoder"),
    ("typeahead", "typeahead.models", "golden"),
    ("typeahead", "typeahead.storage", "sealed sums"),
    ("typeahead", "typeahead.wire", "access protocol replies"),
    ("typeahead", "typeahead.encoders", "static_import"),
    (
        "typeahead.encoders",
        "typeahead.encoders.compiled",
        "attention causal_layers compiled_causal=causal compiled_hidden=hidden compiling=importing kernels "
        "vnni vnni_blocks",
    ),
    ("typeahead", "typeahead.demo", "stdlib_docs stdlib_pages"),
    ("typeahead.index", "typeahead.text", "delimited encodings notes records=reading sources"),
    ("typeahead.evaluate", "typeahead.text", "ids"),
    ("typeahead.index", "typeahead.evaluate.measures", "fusion"),
    ("typeahead.server", "typeahead.search", "anytime=reuse marks snippets"),
    ("typeahead.server", "typeahead.server.typing", "channel connection dialogue fallback pipeline query"),
    ("typeahead.server", "typeahead.server.http", "api client_timings dashboard embed embedder formats"),
    ("typeahead.server", "typeahead", "logs"),
    (
        "typeahead.server",
        "typeahead.server.observe",
        "looplag=loop_lag metrics registry=counters slow teacher=teacher_cost tracing",
    ),
    (
        "typeahead.server",
        "typeahead.server.process",
        "addresses descriptors door heads listening run siblings stall supervisor websocket",
    ),
    ("typeahead.evaluate", "typeahead.evaluate.data", "catalogue collection dataset_files datasets traces"),
    ("typeahead.evaluate", "typeahead.evaluate.vectors", "passages products search shards vector_cache"),
    (
        "typeahead.evaluate",
        "typeahead.evaluate.measures",
        "comparison hybrid latency lexical metrics mteb online=query_latency prefixes retrieval runs "
        "throughput typists websocket",
    ),
    ("typeahead.evaluate", "typeahead.evaluate.report", "plots prefix_report results tables"),
    ("typeahead.evaluate", "typeahead.evaluate", "ports=text_encoder"),
    ("typeahead.evaluate.peers", "typeahead.evaluate.peers", "registry=names"),
)


class _Redirect(InspectLoader):
    """Loads the module of the new name under the old one, too."""

    def __init__(self, old: str, new: str) -> None:
        self._old = old
        self._new = new
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        del spec
        self._warn()
        module = importlib.import_module(self._new)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing more: the module ran under its new name."""
        # The import system has just labelled the module with its old name.
        module.__spec__ = self._spec

    def get_code(self, fullname: str) -> CodeType | None:
        """The code to run for ``python -m OLD``."""
        del fullname
        self._warn()
        spec = importlib.util.find_spec(self._new)
        assert spec is not None
        assert isinstance(spec.loader, InspectLoader)
        return spec.loader.get_code(self._new)

    def get_source(self, fullname: str) -> str | None:
        """The source of the module, of which there is none under the old name."""
        del fullname
        return None

    def _warn(self) -> None:
        warnings.warn(
            f"{self._old} has moved to {self._new}; the old name goes with version 0.3.0",
            DeprecationWarning,
            stacklevel=3,
        )


class _Finder(MetaPathFinder):
    def __init__(self, moved: Mapping[str, str]) -> None:
        self._moved = moved

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find an old name."""
        del path, target
        new = self._moved.get(fullname)
        return None if new is None else ModuleSpec(fullname, _Redirect(fullname, new), origin=new)


def redirect(moved: Iterable[tuple[str, str, str]]) -> None:
    """Let old names import what has moved.

    ``moved`` holds, for each move, the old package, the new package, and the names of its modules, with blanks between
    them; ``old=new`` is a module that was also renamed.
    """
    names: dict[str, str] = {}
    for before, after, modules in moved:
        for module in modules.split():
            old, _, new = module.partition("=")
            names[f"{before}.{old}"] = f"{after}.{new or old}"
    sys.meta_path.append(_Finder(names))


def moved_names(module: str, names: Mapping[str, str]) -> Callable[[str], object]:
    """Make the ``__getattr__`` of a module that some names have left, each to ``module:name``."""

    def getattr_moved(name: str) -> object:
        where = names.get(name)
        if where is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, new = where.partition(":")
        warnings.warn(
            f"{module}.{name} is now {home}.{new}; the old name will be removed in version 0.3.0",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(importlib.import_module(home), new)

    return getattr_moved
