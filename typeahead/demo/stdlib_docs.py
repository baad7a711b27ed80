"""Reads signatures and docstrings from modules. ``demo`` runs it as a script and makes documents from its output.

    python -I stdlib_docs.py OUT < MODULES

MODULES is a JSON array of the public modules' names. OUT becomes JSON lines: ``{"module": name}`` before a module is
imported, then one object for each item in it. Importing runs the modules' code, so it happens in a separate process,
which may hang or crash. For the same reason, this file imports only the standard library.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import json
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
#: How docstrings of C functions start: ``range(stop) -> range object``, one line for each way to call them.
_SIGNATURE_LINE = re.compile(r"(?P<name>[\w.]+)(?P<signature>\(.*?\))[ \t]*(?P<result>-+>.*$|:?$|[.:-]+[ \t])", re.M)
_LONGEST_SIGNATURE = 160
#: Maximum number of words in ``-> range object``.
_LONGEST_RESULT = 5
_ROUTINES = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.WrapperDescriptorType,
)


def main(out: str) -> None:
    """Write OUT."""
    names: list[str] = json.load(sys.stdin)
    with Path(out).open("w", encoding="utf-8") as file:
        modules: dict[str, types.ModuleType] = {}
        for name in names:
            _write(file, {"module": name})
            try:
                modules[name] = importlib.import_module(name)
            except (Exception, SystemExit):
                # Not built here, or for another system: there is nothing to document.
                continue
        for name in modules:
            _write(file, {"module": name})
            for record in module_records(name, modules):
                _write(file, record)
        _write(file, {"end": True})


def _write(file: TextIO, record: dict[str, Any]) -> None:
    file.write(json.dumps(record) + "\n")
    file.flush()


def module_records(name: str, modules: dict[str, types.ModuleType]) -> Iterator[dict[str, Any]]:
    """Return records of the module ``name`` and of every public item documented in it."""
    module = modules[name]
    yield {"kind": "module", "home": name, "name": "", "signature": "", "doc": _own_doc(module), "defined": name}
    listed = getattr(module, "__all__", None)
    for key in sorted(set(dir(module) if listed is None else listed)):
        if key.startswith("_"):
            continue
        thing = getattr(module, key, None)
        if home_of(thing, key, name, modules, listed=listed is not None):
            yield from thing_records(thing, key, name, modules)


def home_of(thing: Any, key: str, name: str, modules: dict[str, types.ModuleType], *, listed: bool) -> bool:
    """Whether ``thing``, which the module ``name`` calls ``key``, should be documented there.

    It should, unless another public module defines it. An item defined in a private module (an accelerator such as
    ``_io``, a part of a package such as ``asyncio.tasks``) is documented where ``__all__`` lists it. Without
    ``__all__``, the defining module must belong to this one.
    """
    own = getattr(thing, "__name__", None)
    built_in = isinstance(own, str) and callable(thing) and getattr(builtins, own, None) is thing
    if built_in or name == "builtins":
        # Aliases in other modules (``socket.error``) do not count, whatever ``open.__module__`` says.
        return built_in and name == "builtins" and own == key
    if isinstance(own, str) and own != key and getattr(modules[name], own, None) is thing:
        # An alias, such as ``array.ArrayType``.
        return False
    defined = getattr(thing, "__module__", None)
    if not isinstance(defined, str):
        # Functions of the few C modules that do not state their module.
        return isinstance(thing, types.BuiltinFunctionType) or (listed and _is_form(thing))
    if not (inspect.isclass(thing) or isinstance(thing, _ROUTINES) or inspect.isfunction(thing) or _is_form(thing)):
        return callable(thing) and hasattr(thing, "__wrapped__") and defined == name
    if defined == name:
        return True
    if defined in modules:
        there = getattr(modules[defined], getattr(thing, "__qualname__", key).split(".")[0], None)
        public = getattr(modules[defined], "__all__", None)
        exported = public is None or getattr(thing, "__name__", key) in public
        return (there is not thing or not exported) and listed and not _elsewhere(thing, name, modules)
    accelerator = defined.startswith("_") or defined.split(".")[0] == name.split(".")[0]
    return (listed or accelerator) and not _elsewhere(thing, name, modules)


def _elsewhere(thing: Any, name: str, modules: dict[str, types.ModuleType]) -> bool:
    """Whether a public module earlier in alphabetical order lists the same item."""
    own = getattr(thing, "__name__", None)
    for other, module in modules.items():
        if other == name:
            return False
        listed = getattr(module, "__all__", None) or ()
        if isinstance(own, str) and own in listed and getattr(module, own, None) is thing:
            return True
    return False


def _is_form(thing: Any) -> bool:
    """Whether it is a form such as ``typing.Optional``, which is not a class."""
    return type(thing).__module__ == "typing" and type(thing).__name__.endswith("SpecialForm")


def thing_records(thing: Any, key: str, home: str, modules: dict[str, types.ModuleType]) -> Iterator[dict[str, Any]]:
    """Return records of a class with its methods, or of a function."""
    if not inspect.isclass(thing):
        yield _record("function" if callable(thing) and not _is_form(thing) else "special form", thing, key, home)
        return
    yield _record("class", thing, key, home)
    seen: set[str] = set()
    for owner in _owners(thing, modules):
        for name, value in sorted(vars(owner).items()):
            if name.startswith("_") or name in seen:
                continue
            seen.add(name)
            yield from _member_records(owner, name, value, key, home)


def _owners(cls: type, modules: dict[str, types.ModuleType]) -> Iterator[type]:
    """Return the class and its undocumented bases, such as ``_socket.socket``."""
    yield cls
    for base in cls.__mro__[1:-1]:
        defined = modules.get(base.__module__)
        if defined is not None and getattr(defined, base.__qualname__.split(".")[0], None) is base:
            continue
        if not any(getattr(module, base.__name__, None) is base for module in modules.values()):
            yield base


def _member_records(owner: type, name: str, value: Any, key: str, home: str) -> Iterator[dict[str, Any]]:
    qualified = f"{key}.{name}"
    if inspect.isclass(value):
        if value.__qualname__ == f"{owner.__qualname__}.{name}":
            yield _record("class", value, qualified, home)
    elif isinstance(value, staticmethod | classmethod | types.ClassMethodDescriptorType):
        # Bound, so that the signature does not include the class.
        yield _record("method", getattr(owner, name), qualified, home, owner=owner)
    elif isinstance(value, _ROUTINES):
        yield _record("method", value, qualified, home, owner=owner)
    elif isinstance(value, property | types.GetSetDescriptorType) or type(value).__name__ == "cached_property":
        doc = _own_doc(value)
        # The docstring of a named tuple's field is just "Alias for field number 0".
        if doc and not doc.startswith("Alias for field"):
            record = _record("attribute", value, qualified, home)
            yield record | {"signature": ""}


def _record(kind: str, thing: Any, key: str, home: str, *, owner: type | None = None) -> dict[str, Any]:
    signature, doc = describe(thing, key.rsplit(".", 1)[-1], method=owner is not None)
    if not doc and owner is not None:
        doc = inspect.getdoc(getattr(owner, key.rsplit(".", 1)[-1], None)) or ""
    defined = getattr(thing, "__module__", None) or home
    return {"kind": kind, "home": home, "name": key, "signature": signature, "doc": doc, "defined": str(defined)}


def describe(thing: Any, name: str, *, method: bool) -> tuple[str, str]:
    """Return signature and cleaned docstring; in C functions, the docstring's first line may hold the signature."""
    doc = _own_doc(thing)
    stated = ""
    while match := _SIGNATURE_LINE.match(doc):
        if not stated and match["name"].rsplit(".", 1)[-1] == name:
            stated = match["signature"]
        elif not match["result"]:
            break
        if len(match["result"].split()) > _LONGEST_RESULT:
            # The docstring continues with a description of the result.
            break
        doc = doc[match.end() :].lstrip()
    try:
        signature = _format(inspect.signature(thing), drop_first=method and not inspect.ismethod(thing))
    except (TypeError, ValueError, AttributeError, NameError):
        signature = stated or ("()" if method else "")
    if _is_form(thing):
        signature = ""
    if len(signature) > _LONGEST_SIGNATURE:
        signature = signature[:_LONGEST_SIGNATURE].rsplit(",", 1)[0] + ", ...)"
    return signature, doc


def _format(signature: inspect.Signature, *, drop_first: bool) -> str:
    """Format parameters without annotations, which are mostly noise in search results."""
    parameters = list(signature.parameters.values())
    if drop_first and parameters and parameters[0].name in ("self", "cls", "$self"):
        parameters = parameters[1:]
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty, default=_default(parameter.default))
        for parameter in parameters
    ]
    return str(inspect.Signature(bare))


class _Verbatim:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _default(value: Any) -> Any:
    """Return a default whose text is the same in every process."""
    if value is inspect.Parameter.empty or value is None or isinstance(value, bool | int | float):
        return value
    if inspect.isclass(value) or isinstance(value, types.FunctionType | types.BuiltinFunctionType):
        return _Verbatim(value.__qualname__)
    text = repr(value)
    if text.startswith("<") or isinstance(value, set | frozenset | dict) or len(text) > 40 or _ADDRESS.search(text):
        return _Verbatim("...")
    return _Verbatim(text)


def _own_doc(thing: Any) -> str:
    """Return the docstring, unless it is the one of the item's type."""
    doc = getattr(thing, "__doc__", None)
    if not isinstance(doc, str):
        return ""
    if not inspect.isclass(thing) and doc == type(thing).__doc__:
        return ""
    return inspect.cleandoc(doc)


if __name__ == "__main__":
    main(sys.argv[1])
