"""Compiles every function for the arguments that it gets, before anybody asks: for images and read-only file systems.

The arguments of each function are listed here in short: ``f32:2`` is a matrix of float32, ``i64`` a number. Arrays are
contiguous, unless ``~`` follows, and can be written, unless ``!`` follows, as for files that are mapped into memory.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

#: What only runs on processors with AVX-512 VNNI.
_VNNI: Final = ("byte_rows", "causal_steps", "hidden", "recurrent", "recurrent_layer")

_WEIGHTS: Final = "u8:1 f32:1 i64:1 f32 bool"
_SPANS: Final = "i64:1 i64:1 i64:1 f32:1 bool:1"
_SEARCHED: Final = "i64:1 i64:1 f32:1 i64:1 i64:1 f64:1 f32:2 f32:2"
_GATES: Final = "u16:2 i8:1 i32:1 f32:1 f32:1 i8:1 i32:1 f32:1 f32:2 f32:2 i64 i64"
_STEPS: Final = f"i64:2 i64:1 u16:2 f32:2 i64:1 i64:1 i64:1 {_WEIGHTS}"

ARGUMENTS: Final = {
    "admitted.scan": ("u8:2 i64:1 f32:1 f32:1",),
    "byte_rows._multiply": ("u8:2 i8:1 i32:1 i32:2 f32:2 i64",),
    "byte_rows._pack": ("i8:2 i8:1 i64", "i8:2! i8:1 i64"),
    "causal_steps.step_slots": (f"u16:2 u16:2 f32:2 i32:2 i64:1 i64:1 i64:1 i64:1 {_WEIGHTS}",),
    "causal_steps.step_text": (f"u16:2 u16:2 f32:2 i64 i64:1 {_WEIGHTS}",),
    "causal_steps.steps": (f"u16:2 u16:2! {_STEPS}", f"u16:2 u16:2 {_STEPS}"),
    "evidence.count_terms": (
        f"i64:1 i64 i64:1! u32:1! u8:1! {_SPANS} f32:3 f32:3",
        f"i64:1 i64 i64:1 u32:1 u8:1 {_SPANS} f32:3 f32:3",
    ),
    "evidence.hold_together": (
        f"i64:1 i64:1 i64 i64 i64:1! u32:1! {_SEARCHED}",
        f"i64:1 i64:1 i64 i64 i64:1 u32:1 {_SEARCHED}",
    ),
    "evidence.score_terms": (
        f"i64:1 i64 i64:1! u32:1! u8:1! {_SPANS} f32:1 f32:1 i64 f32 f32:2",
        f"i64:1 i64 i64:1 u32:1 u8:1 {_SPANS} f32:1 f32:1 i64 f32 f32:2",
    ),
    "hidden._advance": ("f32:2 f32:2 i64:1 f32:2 i8:1 i32:1 f32:1 f32:2",),
    "hidden._read": ("f32:2 i8:1 i32:1 f32:1 f32:2",),
    "promising.cheap_scores": ("f32:1 f32:1 f32:1 i64:1",),
    "promising.reaching": ("f32:1 f32:1 f32 f32",),
    "recurrent._step": (f"f32:2 i64:1 {_GATES}", f"f32:2 i64:1~ {_GATES}"),
    "recurrent_layer.step_with_layer": (f"f32:2 i64:1 {_GATES}", f"f32:2 i64:1~ {_GATES}"),
    "weighing.weigh_postings": ("i64:2 f32:1 f32:1 i64:1 i32:1 u8:1 f32:2 f32 f32:1 f32:1",),
}

_ARGUMENT: Final = re.compile(r"([a-z]+\d*)(?::(\d)([!~]?))?")
_KINDS: Final = {
    "bool": "boolean",
    "f32": "float32",
    "f64": "float64",
    "i8": "int8",
    "i32": "int32",
    "i64": "int64",
    "u8": "uint8",
    "u16": "uint16",
    "u32": "uint32",
}


class Compiled(NamedTuple):
    """One function for one kind of arguments."""

    name: str
    #: Whether it was compiled now, and not loaded.
    now: bool


def compile_ahead() -> Iterator[Compiled]:
    """Compile or load everything that this processor runs, one after the other.

    Raises ``ImportError`` without Numba, and ``RuntimeError`` where no folder can be written.
    """
    from typeahead.encoders.compiled.vnni import supported

    fast = supported()
    for name, forms in ARGUMENTS.items():
        module, _, function = name.partition(".")
        if module in _VNNI and not fast:
            continue
        dispatcher = getattr(importlib.import_module(f"{__package__}.{module}"), function)
        for form in forms:
            before = sum(dispatcher.stats.cache_misses.values())
            dispatcher.compile(types_of(form))
            yield Compiled(name, sum(dispatcher.stats.cache_misses.values()) > before)


def types_of(form: str) -> tuple[Any, ...]:
    """Numba's types of arguments in short."""
    from numba import types

    found = []
    for argument in form.split():
        match = _ARGUMENT.fullmatch(argument)
        assert match is not None, argument
        kind, dimensions, mark = match.groups()
        number = getattr(types, _KINDS[kind])
        if dimensions is not None:
            layout = "A" if mark == "~" else "C"
            number = types.Array(number, int(dimensions), layout, readonly=mark == "!")
        found.append(number)
    return tuple(found)
