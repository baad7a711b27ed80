"""A small settings class for the tests, and what a server's settings look like to Hypothesis."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from typeahead.settings.declaring import Group, check, declared, setting
from typeahead.settings.flags import add_flags
from typeahead.settings.sources import Settings, resolve
from typeahead.settings.tokens import read_tokens

SHOP = Group("shop", "What the shop has.")


@dataclass(frozen=True, kw_only=True)
class Toy:
    count: int = setting(3, "Toys on the shelf.", group=SHOP, least=1, most=9, why="the shelf is short")
    weight: float = setting(0.5, "Kilograms of a toy.", group=SHOP, above=0, unit="kilograms")
    wrapped: bool = setting(False, "Wrap 100% of the toys.", group=SHOP)
    colour: Literal["red", "blue"] = setting("red", "Colour of the toys.", group=SHOP)
    names: tuple[str, ...] = setting((), "Name of a toy.", group=SHOP, flag="name")
    owner: str | None = setting(None, "Who owns the shop.", group=SHOP)
    index: str | None = setting(None, "List of the toys.", group=SHOP, names="index")
    model: str = setting("plain", "Model of the toys.", group=SHOP, names="model")
    folder: Path | None = setting(None, "Where the toys are.", group=SHOP)  # noqa: RUF009
    token: str | None = setting(None, "Opens the shop.", group=SHOP, given_by="environment")
    token_file: Path | None = setting(None, "File with the token.", group=SHOP)  # noqa: RUF009
    inner: int = setting(7, "Nobody's business.", group=SHOP, given_by="code")

    def __post_init__(self) -> None:
        check(self)


def resolved(
    *flags: str,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
    kinds: Sequence[type] = (Toy,),
) -> Settings:
    """Settings as a command resolves them."""
    settings = [each for kind in kinds for each in declared(kind)]
    parser = argparse.ArgumentParser()
    add_flags(parser, settings)
    return read_tokens(resolve(settings, options=parser.parse_args(flags), environment=environment or {}, file=file))
