"""JSON objects as typed structs, and what is wrong with one, told by the name of its field.

Websocket messages and HTTP bodies are both read here. msgspec parses and checks a well-formed object in one pass. An
object that msgspec refuses is parsed a second time, by orjson, for three reasons:

- msgspec stops at the first wrong type, so it cannot tell a wrong field from text that is not JSON at all;
- orjson bounds the nesting at 1,024 levels and names the character at which it stopped;
- a lone surrogate, which both refuse, has to come through (by :mod:`json`), so that whoever checks the text can say
  where it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
import orjson

from typeahead.errors import ProtocolError

#: What a hit has to score at least, and what such a field has to be, for errors.
MinScore = Annotated[float, msgspec.Meta(ge=0, le=1)]
MIN_SCORE: Final = "a number from 0 to 1"

Struct = TypeVar("Struct", bound=msgspec.Struct)

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
#: The end of msgspec's messages: the path of the value that was refused.
_PATH = re.compile(r" - at `\$\.?([^`]*)`\Z")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`\Z", re.DOTALL)


class BadField(ValueError):
    """A JSON object that is not what it should be. ``field`` is the field at fault, None for the object itself."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class ObjectReader(Generic[Struct]):
    """Reads JSON objects into structs of one kind.

    Args:
        kind: the struct, which has to forbid unknown fields.
        expected: what each field has to be, for errors: ``{"k": "an integer"}``; nested ones as ``"edit.at"``.
    """

    def __init__(self, kind: type[Struct], expected: Mapping[str, str]) -> None:
        self._kind = kind
        self._known = kind.__struct_encode_fields__
        self._expected = expected
        #: Reads well-formed bytes, and raises ``ValueError``, ``RecursionError`` or ``msgspec.DecodeError`` for others.
        self.decode = msgspec.json.Decoder(kind).decode

    def read(self, data: str | bytes) -> Struct:
        """Read a JSON text.

        Raises :class:`BadField` for an object with a wrong, unknown or missing field, and
        :class:`~typeahead.errors.ProtocolError` with code ``bad_json`` or ``bad_message`` for anything else.
        """
        try:
            return self.decode(data)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return self.convert(load_object(data))

    def convert(self, fields: Mapping[str, Any]) -> Struct:
        """Check an object that is parsed already. Raises :class:`BadField`."""
        for name in fields:
            if name not in self._known:
                raise BadField(f"unknown field {_shown(name)}: known are {', '.join(self._known)}")
        try:
            try:
                return msgspec.convert(fields, self._kind)
            except UnicodeEncodeError:
                # A lone surrogate where a name or one of a few words is due. msgspec does not say where, so it gets the
                # object again with question marks, which are none of the words.
                text = json.dumps(fields, ensure_ascii=False).encode(errors="replace")
                return msgspec.convert(json.loads(text), self._kind)
        except msgspec.ValidationError as error:
            raise self._explained(str(error)) from None
        except RecursionError:
            raise BadField("the object is nested too deeply") from None

    def _explained(self, message: str) -> BadField:
        """Put msgspec's message into our words: its own repeats values of any length as they were sent."""
        path = _PATH.search(message)
        what = message[: path.start()] if path else message
        # The place in a list is no field.
        field = path[1].partition("[")[0] if path else ""
        where = f' in "{field}"' if field else ""
        if missing := _MISSING.match(what):
            return BadField(f'the field "{missing[1]}" is missing{where}', field or missing[1])
        if unknown := _UNKNOWN.match(what):
            return BadField(f"unknown field {_shown(unknown[1])}{where}", field or None)
        return BadField(f'"{field}" has to be {self._expected[field]}', field)


def _shown(name: str) -> str:
    """Return a name as it may be repeated: in ASCII, and not much of it."""
    return ascii(name[:40])


def load_object(data: str | bytes) -> dict[str, Any]:
    """Parse a JSON object strictly: no NaN, no trailing comma, at most 1,024 levels. A lone surrogate comes through.

    Raises :class:`~typeahead.errors.ProtocolError` with code ``bad_json`` or, for JSON that is no object,
    ``bad_message``.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        value = _load_with_surrogates(data, error)
    if type(value) is not dict:
        raise ProtocolError("bad_message", "this is JSON, but no object: send one")
    return value


def _load_with_surrogates(data: str | bytes, error: orjson.JSONDecodeError) -> Any:
    text = data if isinstance(data, str) else data.decode(errors="replace")
    if _SURROGATE_ESCAPE.search(text):
        try:
            return json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            pass
    raise ProtocolError("bad_json", f"not JSON: {error.msg} at character {error.pos}") from None


def _no_constant(name: str) -> None:
    raise ValueError(name)
