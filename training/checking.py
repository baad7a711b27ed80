"""Checks the values of a recipe by the types of the dataclass that they are for.

A field's annotation may also limit its values: ``Annotated[int, AtLeast(1)]``. The aliases below are those that recipes
need.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class AtLeast:
    """A limit for numbers, and for those in a list."""

    least: float
    #: Whether ``least`` itself is not allowed.
    above: bool = False
    most: float = math.inf
    #: Whether ``most`` itself is not allowed.
    below: bool = False

    def admits(self, value: float) -> bool:
        """Whether a number is within the limits."""
        low = value > self.least if self.above else value >= self.least
        return low and (value < self.most if self.below else value <= self.most)

    def __str__(self) -> str:
        low = f"above {self.least:g}" if self.above else f"at least {self.least:g}"
        if self.most == math.inf:
            return low
        return f"{low} and {'below' if self.below else 'at most'} {self.most:g}"


class OneOf:
    """A limit for texts: the ones to choose from."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def admits(self, value: str) -> bool:
        """Whether a text is one of them."""
        return value in self.texts

    def __str__(self) -> str:
        return f"one of {', '.join(map(repr, self.texts))}"


#: A whole number from 1 or 0 on; a number above 0, or from 0 on; a share from 0 to 1, one without 0, one without 1.
Count = Annotated[int, AtLeast(1)]
Natural = Annotated[int, AtLeast(0)]
Positive = Annotated[float, AtLeast(0, above=True)]
NotNegative = Annotated[float, AtLeast(0)]
Share = Annotated[float, AtLeast(0, most=1)]
SomeShare = Annotated[float, AtLeast(0, above=True, most=1)]
HeldOut = Annotated[float, AtLeast(0, most=1, below=True)]

_NAMES = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
_PLURALS = {str: "texts", int: "whole numbers", float: "numbers"}


def wrong_value(kind: type, values: Mapping[str, Any]) -> str | None:
    """What is wrong with the first value that does not fit its field of a dataclass ``kind``, or ``None``.

    Values of fields that are no text, number or list of those are not looked at.
    """
    hints = get_type_hints(kind, include_extras=True)
    for name, value in values.items():
        if name in hints and (wanted := _wanted(hints[name], value)) is not None:
            return f"{name} = {_shown(value)} is not {wanted}"
    return None


def _wanted(hint: Any, value: Any) -> str | None:
    """What a value should be, if it is something else."""
    limit = None
    if get_origin(hint) is Annotated:
        hint, limit = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        choices = [one for one in get_args(hint) if one is not type(None)]
        return None if value is None or len(choices) != 1 else _wanted(choices[0], value)
    described = _described(hint, limit)
    if hint in _NAMES:
        return None if _fits(hint, value) and (limit is None or limit.admits(value)) else described
    if get_origin(hint) is not tuple:
        return None
    inner, *others = get_args(hint)
    length = None if others == [...] else 1 + len(others)
    if get_origin(inner) is Annotated:
        inner, limit = get_args(inner)
    if inner not in _PLURALS:
        return None
    right = isinstance(value, (list, tuple)) and length in (None, len(value))
    if right and all(_fits(inner, one) and (limit is None or limit.admits(one)) for one in value):
        return None
    return f"a list of {'' if length is None else f'{length} '}{_PLURALS[inner]}{f', each {limit}' if limit else ''}"


def _described(hint: Any, limit: AtLeast | OneOf | None) -> str:
    if isinstance(limit, OneOf):
        return str(limit)
    return f"{_NAMES.get(hint, 'right')}{f', {limit}' if limit else ''}"


def _fits(kind: type, value: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, (int, float)) and math.isfinite(value)
    return isinstance(value, kind)


def _shown(value: Any) -> str:
    """As TOML spells it."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
