"""How a setting is declared, and the checks that follow from its declaration."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from typeahead.errors import TypeaheadError

T = TypeVar("T")

#: Where a dataclass field keeps its :class:`Setting`.
_KEY: Final = "typeahead.setting"
#: A name before an index. A folder that is called like this is written as ./name=x.
_NAMED: Final = re.compile(r"([A-Za-z0-9_-]{1,64})=")
#: Environment variables of settings begin like this.
_PREFIX: Final = "TYPEAHEAD_"

Scalar = type[bool] | type[int] | type[float] | type[str] | type[Path]


class ConfigError(TypeaheadError, ValueError):
    """A setting that cannot be used.

    ``setting`` is its name, ``others`` are the settings that it contradicts, and ``message`` says what is wrong with
    it. The text of the error is ``place: setting message``, where ``place`` is the file or the environment variable
    that the value came from, if known.
    """

    def __init__(self, setting: str, message: str, *, others: tuple[str, ...] = (), place: str = "") -> None:
        super().__init__(f"{place}: {setting} {message}" if place else f"{setting} {message}")
        self.setting = setting
        self.message = message
        self.others = others
        self.place = place


@dataclass(frozen=True, slots=True)
class Group:
    """Settings that stand together in ``--help`` and in printed configurations."""

    title: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is declared about a setting beside its name, type and default."""

    #: Sentences in plain English, for every place that explains the setting.
    help: str
    group: Group
    #: Bounds of a number. ``least`` and ``most`` are allowed values, ``above`` is not. A float must also be finite.
    least: float | None = None
    above: float | None = None
    most: float | None = None
    #: Unit of a number, in the plural, for errors.
    unit: str = ""
    #: Why a bound is where it is, or what a special value means, for errors.
    why: str = ""
    #: Name of the flag without dashes, if not the setting's own: repeatable flags are singular.
    flag: str = ""
    metavar: str = ""
    #: What a relative path in a string means: see :meth:`Declared.anchored`. Settings of type ``Path`` need none.
    names: Literal["text", "model", "index"] = "text"
    #: "environment" is for secrets, which have neither a flag nor a key in the file; "code" settings have no variable
    #: either.
    given_by: Literal["all", "environment", "code"] = "all"
    #: For a setting that is on its way out, what to do instead: help leaves it out, and whoever gives it is told.
    instead: str = ""


def setting(
    default: T,
    help: str,
    *,
    group: Group,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    unit: str = "",
    why: str = "",
    flag: str = "",
    metavar: str = "",
    names: Literal["text", "model", "index"] = "text",
    given_by: Literal["all", "environment", "code"] = "all",
    instead: str = "",
) -> T:
    """Declare a field of a settings class; the arguments are those of :class:`Setting`.

    The result is a dataclass field. It is typed as its default, as :func:`dataclasses.field` is, so that a type
    checker compares the default with the annotation.
    """
    about = Setting(
        help=help,
        group=group,
        least=least,
        above=above,
        most=most,
        unit=unit,
        why=why,
        flag=flag,
        metavar=metavar,
        names=names,
        given_by=given_by,
        instead=instead,
    )
    return field(default=default, metadata={_KEY: about}, repr=given_by != "environment")


@dataclass(frozen=True, slots=True)
class Declared:
    """A setting with all that its class says about it.

    ``scalar`` is the type of the value, or of each item where ``many`` is set; then values are tuples. ``choices`` are
    the only strings allowed, if there are any. An ``optional`` value may be None.
    """

    name: str
    scalar: Scalar
    many: bool
    optional: bool
    choices: tuple[str, ...]
    default: Any
    about: Setting

    @classmethod
    def read(cls, name: str, hint: Any, default: Any, about: Setting) -> Self:
        """Read a type annotation; raise ``TypeError`` for one that settings cannot have."""
        optional = get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)
        if optional:
            (hint,) = (part for part in get_args(hint) if part is not NoneType)
        many = get_origin(hint) is tuple
        if many:
            hint = get_args(hint)[0]
        choices: tuple[str, ...] = ()
        if get_origin(hint) is Literal:
            choices, hint = get_args(hint), str
        if hint not in (bool, int, float, str, Path):
            raise TypeError(f"a setting cannot be of type {hint!r}, as {name} is")
        return cls(name, hint, many, optional, choices, default, about)

    @property
    def flag(self) -> str:
        """The command-line flag, such as ``--max-chars``."""
        return "--" + (self.about.flag or self.name.replace("_", "-"))

    @property
    def variable(self) -> str:
        """The environment variable, such as ``TYPEAHEAD_MAX_CHARS``."""
        return _PREFIX + self.name.upper()

    @property
    def bounds(self) -> str:
        """The bounds in words, such as "at least 1"; empty where there are none."""
        about = self.about
        if about.above == 0 and about.most is None:
            return "a positive number" + (f" of {about.unit}" if about.unit else "")
        if about.least is not None and about.most is not None:
            return f"from {about.least} to {about.most}"
        parts = (("at least", about.least), ("above", about.above), ("at most", about.most))
        return " and ".join(f"{words} {bound}" for words, bound in parts if bound is not None)

    def check(self, value: Any) -> None:
        """Raise :class:`ConfigError` for a value out of bounds, or for one that is not a choice."""
        if value is None and self.optional:
            return
        if self.choices and value not in self.choices:
            raise ConfigError(self.name, f"is {value!r}: it must be one of {', '.join(self.choices)}")
        if self.scalar not in (int, float):
            return
        about = self.about
        within = (
            (about.least is None or value >= about.least)
            and (about.above is None or value > about.above)
            and (about.most is None or value <= about.most)
        )
        if not math.isfinite(value):
            raise ConfigError(self.name, f"is {value}: it must be {self.bounds or 'a number'}, and finite")
        if not within:
            why = f" ({about.why})" if about.why else ""
            raise ConfigError(self.name, f"is {value}: it must be {self.bounds}{why}")

    def anchored(self, value: Any, folder: Path) -> Any:
        """The same value where a relative path is taken to start at ``folder``.

        An index is a path unless it holds ``://``; ``name=`` may stand before it. A model is the name of one that comes
        with the package unless it has a slash, or ``folder`` has a folder of that name.
        """
        if isinstance(value, tuple):
            return tuple(self.anchored(one, folder) for one in value)
        if isinstance(value, Path):
            return folder / value
        if not isinstance(value, str) or self.about.names == "text":
            return value
        if self.about.names == "index":
            name, address = split_name(value)
            anchored = address if "://" in address else str(folder / address)
            return f"{name}={anchored}" if name else anchored
        is_name = len(Path(value).parts) == 1 and not (folder / value).is_dir()
        return value if is_name else str(folder / value)


@cache
def split_name(index: str) -> tuple[str, str]:
    """Split ``name=ADDRESS`` into the name of an index, empty for none, and its address."""
    found = _NAMED.match(index)
    return (found[1], index[found.end() :]) if found else ("", index)


def declared(settings: type) -> tuple[Declared, ...]:
    """The settings of a class, in its order."""
    hints = get_type_hints(settings)
    return tuple(
        Declared.read(found.name, hints[found.name], found.default, found.metadata[_KEY]) for found in fields(settings)
    )


def check(settings: object) -> None:
    """Raise :class:`ConfigError` for the first value of a settings object that its declaration does not allow."""
    for each in declared(type(settings)):  # a class is hashable
        each.check(getattr(settings, each.name))
