"""What addresses of engines have in common: parameters after a question mark, checked, and no secrets."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from typeahead.errors import AddressError

_TRUTHS: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class Parts(NamedTuple):
    """An address in parts."""

    #: As it may be shown.
    shown: str
    split: SplitResult
    given: Mapping[str, str]

    def truth(self, key: str, *, default: bool) -> bool:
        """Read yes or no."""
        text = self.given.get(key)
        if text is None:
            return default
        if text not in _TRUTHS:
            raise AddressError(self.shown, f"{key} is {text[:40]!r}: give yes or no")
        return _TRUTHS[text]

    def number(self, key: str, most: int) -> int | None:
        """Read a number from 1 to ``most``."""
        text = self.given.get(key)
        if text is not None and not (text.isascii() and text.isdecimal() and 1 <= int(text) <= most):
            raise AddressError(self.shown, f"{key} is {text[:40]!r}: give a number from 1 to {most}")
        return None if text is None else int(text)

    def names(self, key: str) -> tuple[str, ...] | None:
        """Read names, separated by commas."""
        text = self.given.get(key)
        return None if text is None else tuple(name for name in text.split(",") if name)

    def similarity(self) -> str | None:
        """Read how vectors of an unknown teacher compare."""
        text = self.given.get("similarity")
        if text not in (None, "cosine", "dot"):
            raise AddressError(self.shown, f"similarity is {text[:40]!r}: give cosine or dot")
        return text

    def port(self, default: int, form: str) -> int:
        """Read the port of an address in some form."""
        try:
            port = self.split.port or default
        except ValueError:
            raise AddressError(self.shown, f"the port is no number: give {form}") from None
        if not self.split.hostname:
            raise AddressError(self.shown, f"it names no host: give {form}")
        return port

    @property
    def host(self) -> str:
        """The host as URLs have it."""
        host = self.split.hostname or ""
        return f"[{host}]" if ":" in host else host


def read_parts(address: str, parameters: Mapping[str, str], secrets: tuple[str, ...], instead: str) -> Parts:
    """Part an address that has some parameters.

    Raises :class:`~typeahead.errors.AddressError`, whose message holds no secret, for other parameters, and for
    ``secrets``; ``instead`` says where these belong.
    """
    split = urlsplit(address)
    pairs = parse_qsl(split.query, keep_blank_values=True)
    kept = urlencode([(key, value) for key, value in pairs if key in parameters], safe="/,.:")
    shown = f"{split.scheme}://{split.netloc.rpartition('@')[2]}{split.path}{'?' if kept else ''}{kept}"
    if "@" in split.netloc or any(key in secrets for key, _ in pairs):
        raise AddressError(shown, instead)
    given: dict[str, str] = {}
    for key, value in pairs:
        if key not in parameters:
            close = get_close_matches(key, parameters, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(parameters)}"
            raise AddressError(shown, f"there is no parameter {key[:40]!r}: {hint}")
        given[key] = value
    return Parts(shown, split, given)
