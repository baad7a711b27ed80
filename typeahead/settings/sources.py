"""Where the value of each setting comes from: a flag, else the environment, else the file, else its default."""

from __future__ import annotations

import argparse
import json
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from enum import IntEnum
from pathlib import Path
from typing import Any, Self, TypeVar

from typeahead.settings.declaring import ConfigError, Declared
from typeahead.settings.file import read_file
from typeahead.settings.flags import given
from typeahead.settings.values import BadValue, accept, parse_variable

T = TypeVar("T")


class Rank(IntEnum):
    """Kinds of sources. A higher one wins."""

    DEFAULT = 0
    FILE = 1
    ENVIRONMENT = 2
    FLAG = 3


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value came from; ``where`` is the flag, the environment variable or the path of the file."""

    rank: Rank = Rank.DEFAULT
    where: str = ""

    @property
    def place(self) -> str:
        """The place to look at when the value is wrong; empty where the setting's name says enough."""
        return self.where if self.rank in (Rank.FILE, Rank.ENVIRONMENT) else ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Effective values of settings, with the source of each."""

    declared: tuple[Declared, ...]
    values: Mapping[str, Any]
    sources: Mapping[str, Source]

    def make(self, kind: type[T]) -> T:
        """A settings object of a class, of those values that it has; raises :class:`ConfigError`."""
        names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
        with self.explained():
            return kind(**{name: self.values[name] for name in names if name in self.values})

    def replaced(self, name: str, value: Any, source: Source | None = None) -> Self:
        """The same settings with another value, which by default counts as a default."""
        return type(self)(
            self.declared, {**self.values, name: value}, {**self.sources, name: source or Source(Rank.DEFAULT)}
        )

    def is_default(self, name: str) -> bool:
        """Whether nobody has set this."""
        return self.sources[name].rank is Rank.DEFAULT

    def outdated(self) -> list[str]:
        """A sentence about each setting that was given and is on its way out."""
        return [
            f"{self.sources[each.name].where}: {each.name} goes in 0.3.0: {each.about.instead}"
            for each in self.declared
            if each.about.instead and not self.is_default(each.name)
        ]

    @contextmanager
    def explained(self) -> Generator[None, None, None]:
        """Add to errors about settings which file or environment variable the values came from."""
        try:
            yield
        except ConfigError as error:
            names = [name for name in (error.setting, *error.others) if name in self.sources]
            places = dict.fromkeys(filter(None, (self.sources[name].place for name in names)))
            if error.place or not places:
                raise
            place = ", ".join(places)
            raise ConfigError(error.setting, error.message, others=error.others, place=place) from error

    def to_json(self) -> str:
        """Write values and sources for :func:`from_json`, for another process of this server. Leaves out secrets."""
        handed = {
            each.name: [_plain(self.values[each.name]), *_plain_source(self.sources[each.name])]
            for each in self.declared
            if each.about.given_by == "all"
        }
        return json.dumps(handed)


def resolve(
    declared: Iterable[Declared],
    *,
    options: argparse.Namespace,
    environment: Mapping[str, str],
    file: Path | None = None,
) -> Settings:
    """Take each setting from the highest source that has it.

    Raises :class:`ConfigError` for a value of the wrong type, and what :func:`~typeahead.settings.file.read_file`
    raises. Bounds are checked by :meth:`Settings.make`.
    """
    declared = tuple(declared)
    flags = given(options, declared)
    in_file = {} if file is None else read_file(file, declared)
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for each in declared:
        if each.name in flags:
            values[each.name], sources[each.name] = flags[each.name], Source(Rank.FLAG, each.flag)
        elif each.about.given_by != "code" and each.variable in environment:
            values[each.name] = _from_environment(each, environment)
            sources[each.name] = Source(Rank.ENVIRONMENT, each.variable)
        elif each.name in in_file:
            values[each.name], sources[each.name] = in_file[each.name], Source(Rank.FILE, str(file))
        else:
            values[each.name], sources[each.name] = each.default, Source()
    return Settings(declared, values, sources)


def from_json(text: str, declared: Iterable[Declared], environment: Mapping[str, str]) -> Settings:
    """Read what :meth:`Settings.to_json` wrote. Secrets come from the environment."""
    declared = tuple(declared)
    handed = json.loads(text)
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for each in declared:
        values[each.name], sources[each.name] = each.default, Source()
        if each.name in handed:
            value, rank, where = handed[each.name]
            values[each.name] = None if value is None else accept(each, value)
            sources[each.name] = Source(Rank(rank), where)
        elif each.about.given_by == "environment" and each.variable in environment:
            values[each.name] = environment[each.variable]
            sources[each.name] = Source(Rank.ENVIRONMENT, each.variable)
    return Settings(declared, values, sources)


def _from_environment(declared: Declared, environment: Mapping[str, str]) -> Any:
    try:
        return parse_variable(declared, environment[declared.variable])
    except BadValue as error:
        raise ConfigError(declared.name, str(error), place=declared.variable) from None


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _plain_source(source: Source) -> tuple[int, str]:
    return int(source.rank), source.where
