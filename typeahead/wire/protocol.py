"""The wire contract ``typeahead.v1`` without any I/O: frames in, messages out, and back.

:class:`Conversation` is what one client may say and when; what it hears is written by :mod:`typeahead.wire.replies`.
Texts are checked by :class:`~typeahead.core.session.Session`; sockets and searches are the business of
:mod:`typeahead.server`, which drives this module as a test does, with strings.

Client messages are JSON objects, one to a text frame, with these fields and no others::

    {"hello": {"k": 8, "embedding": "float32", "search": "keystroke", "quality": "fast", "token": "…"}}
                                                             first, if at all; all optional
    {"seq": 1, "text": "how t"}                              the whole text
    {"seq": 2, "edit": {"at": 5, "del": 0, "ins": "o"}}      a change, in code points of the text before it
    {"seq": 3, "submit": true}                               Enter

``seq`` is an integer of 32 bits that grows from message to message; gaps are fine. A message that is refused has used
up its ``seq`` and changed nothing else. A hello that is refused may be sent again, corrected.

The server answers in the order of ``seq``. A keystroke that a newer one overtook is not answered; the last keystroke,
each submit and each refused message are::

    {"hello": {…what was agreed, see write_hello…}}
    {"seq": 1, "hits": […], "encoder": "…"}
    {"seq": 3, "hits": […], "submit": true, "ready": true, "encoder": "…"}
    {"error": {"code": "bad_edit", "message": "…"}, "seq": 2}

A hit is ``{"id", "score", "title", "text", "url", "marks": {"title": [[0, 3]], "text": []}}``. Its ``text`` is a part
of a long passage: its beginning, or what stands round the query's words beyond that. ``marks`` say where the query's
words stand in title and text as they are sent: ``[start, end)`` in code points, in order, apart from each other
(:mod:`typeahead.search.marks`). Where words are searched beside vectors, ``arms`` says which found the hit: "dense",
"lexical" or both. Nothing that is sent is HTML; what shows it has to treat it as text.
``hits`` is missing where no search was due: by the hello's ``search``, or because the server has no index. Fields may
be added to what the server says; a client leaves alone what it does not know.

Operators, who show a token of their own in the hello, get another field with each reply: ``"timing_us": {"queue",
"tokenize", "step", "search", "serialize", "total"}``, where its time went. Everybody gets it if the server is told so.

``encoder`` names the model that encoded the text; it is missing where there was no text yet. That is the server's
``encoder``, or its ``fallback`` where it has one (the answer to the hello names both, ``fallback`` null without one):

- for a text beyond the length that the encoder was trained on;
- with ``"quality": "best"`` in the hello, for a text that came at once: the message put in two words or more, or 16
  code points. A space after it, which changes no token, changes no encoder. ``"best"`` is refused where there is no
  fallback; ``"fast"``, the default, never is;
- where the encoder fails.

An overloaded server leaves the first two to the encoder again. **No answer is ever refined**: there is one reply to a
``seq``, by one encoder, and a submit is answered by the encoder that answered the text as it stands. So whatever Enter
brings, and whatever comes without a key, does not reorder what a person is about to click.

=================  ===================================================================  ==========
error code         sent when                                                            connection
=================  ===================================================================  ==========
``bad_json``       the frame is not JSON: malformed, NaN, Infinity, nested too deeply   stays open
``bad_frame``      a binary frame; clients send text frames only                        stays open
``bad_message``    JSON, but not a message: unknown or missing field, wrong type        stays open
``bad_seq``        ``seq`` repeats or runs backwards; has no ``seq`` of its own, so     stays open
                   that those that are sent never run backwards
``bad_hello``      a hello that is not first, or asks for what the server lacks         stays open
``unauthorized``   the server wants a token: it is missing or wrong                     closed 1008
``bad_text``       a lone surrogate; the message names its position                     stays open
``text_too_long``  more code points than the limit                                      stays open
``bad_edit``       the edit does not lie within the text                                stays open
``overloaded``     the server has too much to do for this keystroke. Its text is        stays open
                   taken, so the next key or Enter stands on it; Enter is never
                   answered so
``internal``       the server failed; its log says why                                  stays open
=================  ===================================================================  ==========

Other close codes: 1000 after an idle time, 1009 for a frame that is too large, 1012 when the server restarts, 1013 when
it is full or overloaded.

With ``embedding`` in the hello each reply that is not an error is followed by one binary frame, little-endian: ``seq``
u32, ``dtype`` u8, ``dim`` u16, reserved u8 (0), then ``dim`` values. ``dim`` is 0 for a text without a token.

=========  =====  ====================================================================================================
dtype      code   values
=========  =====  ====================================================================================================
float32    1      the embedding as it is
float16    2      rounded to half precision
int8       3      ``round(127 · x / max|x|)``: the embedding's direction; divide by the norm to get a unit vector back.
                  Refused where vectors are compared by dot product, as their length would be lost
=========  =====  ====================================================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from typing import Any, Final, TypeVar

import orjson

from typeahead.errors import BadEdit, ProtocolError, TextError, TextTooLong
from typeahead.wire.access import Access, Tokens

SUBPROTOCOL: Final = "typeahead.v1"
MAX_SEQ: Final = 2**32 - 1

CLOSE_IDLE: Final = 1000
CLOSE_POLICY: Final = 1008
CLOSE_RESTART: Final = 1012
CLOSE_FULL: Final = 1013

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class SearchMode(StrEnum):
    """When a session wants its text searched; a submit is always searched."""

    KEYSTROKE = "keystroke"
    WORD = "word"
    SUBMIT = "submit"


class Quality(StrEnum):
    """What a client wants for a text that came at once: the answer that is soonest, or the best that the server has."""

    FAST = "fast"
    BEST = "best"


class Dtype(IntEnum):
    """Element type of an embedding frame, with its code on the wire."""

    FLOAT32 = 1
    FLOAT16 = 2
    INT8 = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server grants: code points of a text, hits by default and at most, element types of embeddings.

    ``fallback`` names the encoder that ``"quality": "best"`` asks for, None where there is none.
    """

    max_chars: int = 512
    default_k: int = 8
    max_k: int = 100
    dtypes: frozenset[Dtype] = frozenset(Dtype)
    fallback: str | None = None


@dataclass(frozen=True, slots=True)
class Hello:
    """What a client asked for in its first message."""

    k: int
    dtype: Dtype | None = None
    search: SearchMode = SearchMode.KEYSTROKE
    quality: Quality = Quality.FAST


# These are made for each key: a frozen dataclass takes twice as long to make.
@dataclass(slots=True)
class Text:
    """The whole text after a keystroke."""

    seq: int
    text: str


@dataclass(slots=True)
class Edit:
    """A keystroke as a change: at code point ``at``, remove ``delete`` code points, then put in ``insert``."""

    seq: int
    at: int
    delete: int
    insert: str


@dataclass(slots=True)
class Submit:
    """Enter."""

    seq: int


Message = Hello | Text | Edit | Submit


class State(Enum):
    """Where a conversation stands."""

    START = "nothing was accepted yet: a hello may come"
    OPEN = "a message was accepted: keystrokes and submits"
    CLOSED = "nothing more is read"


class Conversation:
    """What one client may say: each frame becomes a message, or a :class:`ProtocolError` to send back.

    Where ``tokens`` ask for one, the first message has to be a hello with it. :attr:`hello` holds what holds for the
    session, the defaults until a hello says otherwise, and :attr:`access` what the client may do.
    """

    __slots__ = ("_last_seq", "_limits", "_tokens", "access", "hello", "state")

    def __init__(self, limits: Limits, tokens: Tokens | None = None) -> None:
        self._limits = limits
        self._tokens = tokens or Tokens()
        self.access = self._tokens.access(b"")
        self._last_seq = -1
        self.state = State.START
        self.hello = Hello(k=limits.default_k)

    @property
    def authorized(self) -> bool:
        """Whether keystrokes are taken: at once without a token, after the right hello with one."""
        return self.access > Access.NONE

    def receive(self, frame: str | bytes) -> Message:
        """Read a text frame: its text, or its payload as it came.

        Raises :class:`ProtocolError` with one of the codes of the module's table. The conversation goes on, unless
        :func:`close_code` of the error says otherwise. ``UnicodeDecodeError`` is raised for what is not UTF-8.
        """
        if self.state is State.CLOSED:
            raise ProtocolError("bad_message", "the conversation is closed: connect again")
        try:
            fields = load_object(frame)
        except ProtocolError:
            if isinstance(frame, bytes):
                frame.decode()
            raise
        if self.state is State.OPEN and len(fields) == 2:
            # Nearly all messages are well-formed keystrokes: what they are not is found out below.
            seq = fields.get("seq")
            if type(seq) is int and self._last_seq < seq <= MAX_SEQ:
                if type(edit := fields.get("edit")) is dict and len(edit) == 3:
                    at, delete, insert = edit.get("at"), edit.get("del"), edit.get("ins")
                    if type(at) is int and type(delete) is int and type(insert) is str:
                        self._last_seq = seq
                        return Edit(seq, at, delete, insert)
                elif type(text := fields.get("text")) is str:
                    self._last_seq = seq
                    return Text(seq, text)
        if "hello" in fields:
            return self._receive_hello(fields)
        if not self.authorized:
            self.state = State.CLOSED
            raise ProtocolError("unauthorized", 'this server wants a token: send {"hello": {"token": "…"}} first')
        seq = self._next_seq(fields)
        self.state = State.OPEN
        return self._read(fields, seq)

    def receive_binary(self) -> Message:
        """Refuse a binary frame: raises :class:`ProtocolError`."""
        if self.state is State.CLOSED:
            raise ProtocolError("bad_message", "the conversation is closed: connect again")
        raise ProtocolError("bad_frame", "a binary frame: send JSON in text frames")

    def close(self) -> None:
        """Read nothing more."""
        self.state = State.CLOSED

    def _next_seq(self, fields: dict[str, Any]) -> int:
        seq = fields.get("seq")
        if type(seq) is not int or not 0 <= seq <= MAX_SEQ:
            raise ProtocolError("bad_message", f'"seq" has to be there, an integer from 0 to {MAX_SEQ}')
        if seq <= self._last_seq:
            raise ProtocolError("bad_seq", f'"seq" {seq} does not follow {self._last_seq}: count up')
        self._last_seq = seq
        return seq

    def _read(self, fields: dict[str, Any], seq: int) -> Message:
        if len(fields) == 2:
            if "text" in fields:
                return Text(seq, _string(fields["text"], "text", seq))
            if "edit" in fields:
                return self._edit(fields["edit"], seq)
            if "submit" in fields:
                if fields["submit"] is not True:
                    raise ProtocolError("bad_message", '"submit" can only be true', seq=seq)
                return Submit(seq)
        unknown = _unknown(fields, ("seq", "text", "edit", "submit"))
        raise ProtocolError(
            "bad_message", f'{unknown}besides "seq" a message has one of "text", "edit", "submit"', seq=seq
        )

    def _edit(self, edit: Any, seq: int) -> Edit:
        if type(edit) is not dict:
            raise ProtocolError("bad_message", '"edit" has to be an object with "at", "del" and "ins"', seq=seq)
        if len(edit) != 3 or not ("at" in edit and "del" in edit and "ins" in edit):
            unknown = _unknown(edit, ("at", "del", "ins"))
            raise ProtocolError("bad_message", f'{unknown}"edit" has exactly "at", "del" and "ins"', seq=seq)
        at, delete = edit["at"], edit["del"]
        if type(at) is not int or type(delete) is not int:
            raise ProtocolError("bad_message", '"at" and "del" have to be integers', seq=seq)
        return Edit(seq, at, delete, _string(edit["ins"], "ins", seq))

    def _receive_hello(self, fields: dict[str, Any]) -> Hello:
        if self.state is not State.START:
            raise ProtocolError("bad_hello", "a hello can only be the first message: connect again to change it")
        wishes = fields["hello"]
        if len(fields) != 1 or type(wishes) is not dict:
            raise ProtocolError("bad_hello", 'a hello is {"hello": {…}} and nothing else')
        self._authorize(wishes.get("token"))
        if unknown := _unknown(wishes, ("k", "embedding", "search", "quality", "token")):
            raise ProtocolError("bad_hello", f'{unknown}a hello has "k", "embedding", "search", "quality" and "token"')
        self.hello = Hello(
            k=self._k(wishes.get("k", self._limits.default_k)),
            dtype=self._dtype(wishes["embedding"]) if "embedding" in wishes else None,
            search=_choice(SearchMode, wishes.get("search", SearchMode.KEYSTROKE), "search"),
            quality=self._quality(wishes.get("quality", Quality.FAST)),
        )
        self.state = State.OPEN
        return self.hello

    def _authorize(self, token: Any) -> None:
        given = token.encode(errors="surrogatepass") if type(token) is str else b""
        self.access = self._tokens.access(given)
        if self.access is Access.NONE:
            self.state = State.CLOSED
            raise ProtocolError("unauthorized", "the token is missing or wrong")

    def _k(self, k: Any) -> int:
        if type(k) is not int or not 1 <= k <= self._limits.max_k:
            raise ProtocolError("bad_hello", f'"k" has to be an integer from 1 to {self._limits.max_k}')
        return k

    def _dtype(self, name: Any) -> Dtype:
        dtype = Dtype[_choice(_DtypeName, name, "embedding").name]
        if dtype not in self._limits.dtypes:
            raise ProtocolError("bad_hello", f'this server\'s encoder has no embeddings as "{dtype.name.lower()}"')
        return dtype

    def _quality(self, name: Any) -> Quality:
        quality = _choice(Quality, name, "quality")
        if quality is Quality.BEST and self._limits.fallback is None:
            raise ProtocolError("bad_hello", 'this server has no fallback encoder: leave "quality" out')
        return quality


_Choice = TypeVar("_Choice", bound=StrEnum)


class _DtypeName(StrEnum):
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


def _choice(kind: type[_Choice], value: Any, name: str) -> _Choice:
    for member in kind:
        if value == member:
            return member
    raise ProtocolError("bad_hello", f'"{name}" has to be one of ' + ", ".join(f'"{member}"' for member in kind))


def _string(value: Any, name: str, seq: int) -> str:
    if type(value) is not str:
        raise ProtocolError("bad_message", f'"{name}" has to be a string', seq=seq)
    return value


def _unknown(fields: Collection[str], known: tuple[str, ...]) -> str:
    """Name the first field that is not known, for the start of a message."""
    for name in fields:
        if name not in known:
            return f"unknown field {name[:40]!a}: "
    return ""


def load_object(frame: str | bytes) -> dict[str, Any]:
    """Parse a JSON object, strictly: no NaN, no trailing comma, at most 1,024 levels.

    A lone surrogate, which orjson refuses like any broken escape, comes through, so that whoever reads the field can
    say which one it is. Raises :class:`ProtocolError` with code ``bad_json`` or ``bad_message``.
    """
    try:
        value = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        value = _load_with_surrogates(frame, error)
    if type(value) is not dict:
        raise ProtocolError("bad_message", "a message is a JSON object")
    return value


def _load_with_surrogates(frame: str | bytes, error: orjson.JSONDecodeError) -> Any:
    text = frame if isinstance(frame, str) else frame.decode(errors="replace")
    if _SURROGATE_ESCAPE.search(text):
        try:
            return json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            pass
    raise ProtocolError("bad_json", f"not JSON: {error.msg} at character {error.pos}") from None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def refuse_text(error: TextError, seq: int | None) -> ProtocolError:
    """Turn a session's refusal of a text or an edit into the error that the client is sent."""
    code = {TextTooLong: "text_too_long", BadEdit: "bad_edit"}.get(type(error), "bad_text")
    return ProtocolError(code, str(error), seq=seq)


def close_code(error: ProtocolError) -> int | None:
    """Return the code to close the connection with after this error, or None where it stays open."""
    return CLOSE_POLICY if error.code == "unauthorized" else None
