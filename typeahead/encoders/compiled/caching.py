"""``compiled``: Numba's ``njit`` with a cache that another machine, another path and a read-only file system can use.

Numba's own cache wants a writable folder even to read from it. It keys its files by the absolute path of the sources
and, before version 0.68, by their times, so what an image was built with is not found again. It looks only at the file
of a function, so a change of :mod:`~typeahead.encoders.compiled.kernels` leaves stale code of those who call it.

Here the folder has the name ``typeahead-`` and a digest of all sources of this package. It is looked for in
``NUMBA_CACHE_DIR`` if that is set, otherwise in ``__pycache__`` beside the sources and in the user's cache. Code is
loaded from whichever has it, and saved in the first one that can be written. Processor, Python, Numba and the types of
the arguments are part of Numba's own key: for others the function is compiled anew.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from numba import config, njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.misc.appdirs import AppDirs

_SOURCES: Final = Path(__file__).parent


def compiled(**options: Any) -> Callable[[Any], Any]:
    """Compile a function as ``numba.njit`` does with these options, and keep the code.

    Raises ``RuntimeError`` where there is no folder with code, and none can be made.
    """

    def decorate(function: Any) -> Any:
        dispatcher = njit(**options)(function)
        if hasattr(dispatcher, "enable_caching"):  # else NUMBA_DISABLE_JIT is set
            dispatcher._cache = _KeptCode(function)
        return dispatcher

    return decorate


def dispatchers() -> Iterator[tuple[str, Any]]:
    """Every compiled function of the modules that were imported, by its name."""
    for name, module in sorted(sys.modules.items()):
        if name.startswith(f"{__package__}."):
            for key, value in sorted(vars(module).items()):
                if hasattr(value, "py_func") and value.__module__ == name:
                    yield f"{name.rpartition('.')[2]}.{key}", value


@lru_cache(maxsize=1)
def digest() -> str:
    """Sixteen hexadecimal digits that change with any source of this package."""
    found = hashlib.sha256()
    for path in sorted(_SOURCES.glob("*.py")):
        found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


@lru_cache(maxsize=1)
def folders() -> tuple[tuple[Path, bool], ...]:
    """The folders to look for code in, with whether each can be written."""
    if config.CACHE_DIR:
        roots = [Path(config.CACHE_DIR)]
    else:
        roots = [_SOURCES / "__pycache__", Path(AppDirs(appname="numba", appauthor=False).user_cache_dir)]
    found = []
    for root in roots:
        folder = root / f"typeahead-{digest()}"
        writable = _is_writable(folder)
        if writable or folder.is_dir():
            found.append((folder, writable))
        if writable:
            break
    if not found:
        raise RuntimeError(f"no folder for compiled code can be written: {', '.join(map(str, roots))}")
    return tuple(found)


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


class _Locator:
    """Tells Numba where a function's code is."""

    def __init__(self, folder: Path, line: int) -> None:
        self._folder = folder
        self._line = line
        self._py_file = str(_SOURCES)  # for Numba's warnings

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return digest()

    def get_disambiguator(self) -> str:
        return str(self._line)

    def ensure_cache_path(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)


class _Impl(CompileResultCacheImpl):  # type: ignore[misc]
    """Numba's way to pickle code, without its way to find a folder."""

    def __init__(self, py_func: Any, folder: Path) -> None:
        self._lineno = py_func.__code__.co_firstlineno
        self._locator = _Locator(folder, self._lineno)
        name = f"{py_func.__module__.rpartition('.')[2]}.{py_func.__qualname__}"
        self._filename_base = self.get_filename_base(name, getattr(sys, "abiflags", ""))


class _InFolder(FunctionCache):  # type: ignore[misc]
    """The code of one function in one folder."""

    def __init__(self, py_func: Any, folder: Path) -> None:
        self._impl_class = lambda function: _Impl(function, folder)
        super().__init__(py_func)


class _KeptCode:
    """The code of one function in all folders: what a dispatcher takes for its cache."""

    def __init__(self, py_func: Any) -> None:
        found = folders()
        self._folders = [_InFolder(py_func, folder) for folder, _ in found]
        self._written = next((kept for kept, (_, writable) in zip(self._folders, found, strict=True) if writable), None)

    @property
    def cache_path(self) -> str:
        return str(self._folders[0].cache_path)

    def load_overload(self, signature: Any, context: Any) -> Any:
        for kept in self._folders:
            if (code := kept.load_overload(signature, context)) is not None:
                return code
        return None

    def save_overload(self, signature: Any, code: Any) -> None:
        if self._written is not None:
            self._written.save_overload(signature, code)
        else:
            _warn_of_read_only(self.cache_path)

    def enable(self) -> None:
        for kept in self._folders:
            kept.enable()

    def disable(self) -> None:
        for kept in self._folders:
            kept.disable()

    def flush(self) -> None:
        if self._written is not None:
            self._written.flush()


@lru_cache(maxsize=1)
def _warn_of_read_only(folder: str) -> None:
    """Say once that each process compiles for itself."""
    warnings.warn(
        f"{folder} cannot be written, and has no code for this processor and these versions of Python and Numba: each "
        "process compiles for itself, which takes a while. Run typeahead compile where it can be written",
        RuntimeWarning,
        stacklevel=2,
    )
