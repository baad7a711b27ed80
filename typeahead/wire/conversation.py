"""What one client may say, and when: frames in, messages or refusals out. No I/O.

The contract is in :mod:`typeahead.wire.protocol`.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from typeahead.errors import ProtocolError
from typeahead.wire.access import SEARCH, Grant, PlainTokens, TokenRefused, Tokens
from typeahead.wire.fields import MIN_SCORE, BadField, MinScore, ObjectReader, load_object
from typeahead.wire.protocol import (
    MAX_SEQ,
    Dtype,
    Edit,
    Hello,
    Limits,
    Message,
    Quality,
    SearchMode,
    Submit,
    Text,
)

#: Bounds of 64 bits. Whether an edit lies within the text is the session's business.
_Place = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class _EditFields(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    at: _Place
    delete: _Place = msgspec.field(name="del")
    insert: str = msgspec.field(name="ins")


class _Keystroke(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Everything but a hello."""

    seq: Annotated[int, Meta(ge=0, le=MAX_SEQ)]
    text: str | UnsetType = UNSET
    edit: _EditFields | UnsetType = UNSET
    submit: bool | UnsetType = UNSET


class _HelloFields(msgspec.Struct, forbid_unknown_fields=True):
    k: int | UnsetType = UNSET
    embedding: Literal["float32", "float16", "int8"] | UnsetType = UNSET
    search: SearchMode = SearchMode.KEYSTROKE
    quality: Quality = Quality.FAST
    min_score: MinScore = 0.0
    # A token that the server does not ask for is ignored, whatever it is.
    token: Any = None


_SEQ: Final = f"an integer from 0 to {MAX_SEQ}"
_KEYSTROKES: Final = ObjectReader(
    _Keystroke,
    {
        "seq": _SEQ,
        "text": "a string",
        "edit": 'an object with "at", "del" and "ins"',
        "edit.at": "an integer",
        "edit.del": "an integer",
        "edit.ins": "a string",
        "submit": "true",
    },
)
_HELLOS: Final = ObjectReader(
    _HelloFields,
    {
        "k": "an integer",
        "embedding": '"float32", "float16" or "int8"',
        "search": '"keystroke", "word" or "submit"',
        "quality": '"fast" or "best"',
        "min_score": MIN_SCORE,
    },
)
_decode_keystroke: Final = _KEYSTROKES.decode


class State(Enum):
    """Where a conversation stands."""

    START = "nothing was accepted yet: a hello may come"
    OPEN = "a message was accepted: keystrokes and submits"
    CLOSED = "nothing more is read"


class Conversation:
    """Turns each frame of one client into a message, or into a :class:`ProtocolError` to send back.

    Where ``tokens`` ask for one, the first message has to be a hello with it. :attr:`hello` is what the session agreed
    on, the defaults until a hello says otherwise; :attr:`grant` is what the client may do, None before it has shown a
    token that is needed.
    """

    __slots__ = ("_last_seq", "_limits", "_tokens", "grant", "hello", "state")

    def __init__(self, limits: Limits, tokens: Tokens | None = None) -> None:
        self._limits = limits
        self._tokens = tokens or PlainTokens()
        self.grant: Grant | None
        try:
            self.grant = self._tokens.grant(b"")
        except TokenRefused:
            self.grant = None
        self._last_seq = -1
        self.state = State.START
        self.hello = Hello(k=limits.default_k)

    @property
    def authorized(self) -> bool:
        """Whether keystrokes are taken: at once without a token, after the right hello with one."""
        return self.grant is not None and SEARCH in self.grant.rights

    def receive(self, frame: str | bytes) -> Message:
        """Read a text frame, given as text or as the bytes of its payload.

        Raises :class:`ProtocolError` with one of the codes in :mod:`typeahead.wire.protocol`. The conversation goes on
        afterwards, unless :func:`~typeahead.wire.protocol.close_code` of the error says otherwise. Raises
        ``UnicodeDecodeError`` for bytes that are not UTF-8.
        """
        if self.state is State.OPEN:
            # Nearly all frames are well-formed keystrokes. What is wrong with the others is found out below.
            try:
                keystroke = _decode_keystroke(frame)
            except (msgspec.DecodeError, RecursionError, ValueError):
                pass
            else:
                if keystroke.seq > self._last_seq:
                    self._last_seq = keystroke.seq
                    return _message(keystroke)
        elif self.state is State.CLOSED:
            raise ProtocolError("bad_message", "the conversation is closed: connect again")
        try:
            fields = load_object(frame)
        except ProtocolError:
            if isinstance(frame, bytes):
                frame.decode()
            raise
        if "hello" in fields:
            return self._receive_hello(fields)
        if not self.authorized:
            self.state = State.CLOSED
            raise ProtocolError("unauthorized", 'this server wants a token: send {"hello": {"token": "…"}} first')
        # First of all, because an error about any other field carries it.
        seq = self._next_seq(fields)
        self.state = State.OPEN
        try:
            return _message(_KEYSTROKES.convert(fields))
        except BadField as error:
            raise ProtocolError("bad_message", str(error), seq=seq) from None

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
            raise ProtocolError("bad_message", f'"seq" has to be {_SEQ}')
        if seq <= self._last_seq:
            raise ProtocolError("bad_seq", f'"seq" {seq} does not follow {self._last_seq}: count up')
        self._last_seq = seq
        return seq

    def _receive_hello(self, fields: dict[str, Any]) -> Hello:
        if self.state is not State.START:
            raise ProtocolError("bad_hello", "a hello can only be the first message: connect again to change it")
        wishes = fields["hello"]
        if len(fields) != 1 or type(wishes) is not dict:
            raise ProtocolError("bad_hello", 'a hello is {"hello": {…}} and nothing else')
        # Before anything else is looked at: only clients with the token get advice.
        self._authorize(wishes.get("token"))
        try:
            self.hello = self._granted(_HELLOS.convert(wishes))
        except BadField as error:
            raise ProtocolError("bad_hello", str(error)) from None
        self.state = State.OPEN
        return self.hello

    def _authorize(self, token: Any) -> None:
        given = token.encode(errors="surrogatepass") if type(token) is str else b""
        try:
            self.grant = self._tokens.grant(given)
        except TokenRefused as error:
            self.grant = None
            self.state = State.CLOSED
            raise ProtocolError("unauthorized", str(error)) from None
        if not self.authorized:
            self.state = State.CLOSED
            raise ProtocolError("unauthorized", f'this token has no right to "{SEARCH}": get one that has')

    def _granted(self, wishes: _HelloFields) -> Hello:
        """Check a hello's wishes against what the server grants. Raises :class:`BadField`."""
        limits = self._limits
        k = limits.default_k if wishes.k is UNSET else wishes.k
        if not 1 <= k <= limits.max_k:
            raise BadField(f'"k" has to be from 1 to {limits.max_k}', "k")
        dtype = None if wishes.embedding is UNSET else Dtype[wishes.embedding.upper()]
        if dtype is not None and dtype not in limits.dtypes:
            raise BadField(f'this server\'s encoder has no "embedding" of type "{wishes.embedding}"', "embedding")
        if wishes.quality is Quality.BEST and limits.fallback is None:
            raise BadField('this server has no fallback encoder: leave "quality" out', "quality")
        return Hello(k, dtype, wishes.search, wishes.quality, float(wishes.min_score))


def _message(keystroke: _Keystroke) -> Message:
    """Turn the fields of a keystroke into the one message that they make. Raises :class:`ProtocolError`."""
    text, edit, submit = keystroke.text, keystroke.edit, keystroke.submit
    if submit is UNSET:
        if edit is UNSET:
            if text is not UNSET:
                return Text(keystroke.seq, text)
        elif text is UNSET:
            return Edit(keystroke.seq, edit.at, edit.delete, edit.insert)
    elif submit and text is UNSET and edit is UNSET:
        return Submit(keystroke.seq)
    what = (
        '"submit" can only be true'
        if submit is False
        else 'besides "seq" a message has one of "text", "edit", "submit"'
    )
    raise ProtocolError("bad_message", what, seq=keystroke.seq)
