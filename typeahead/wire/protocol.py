"""The wire contract ``typeahead.v1``: what a client may send, what the server answers, and how both are named here.

:mod:`typeahead.wire.conversation` reads what a client sends; :mod:`typeahead.wire.replies` writes the answers. Neither
does any I/O. :class:`~typeahead.core.session.Session` checks texts, and :mod:`typeahead.server` has the sockets.

A client message is a JSON object, one to a text frame, with these fields and no others::

    {"hello": {"k": 8, "embedding": "float32", "search": "keystroke", "quality": "fast", "min_score": 0, "token": "…",
               "filter": {…}, "facets": […], "offset": 0}}   first, if at all; all optional
    {"seq": 1, "text": "how t"}                              the whole text
    {"seq": 2, "edit": {"at": 5, "del": 0, "ins": "o"}}      a change, in code points of the text before it
    {"seq": 3, "filter": {"country": "France"}, "facets": ["tags"], "offset": 8}
                                                             the same text among other documents, or the next hits
    {"seq": 4, "submit": true}                               Enter

``seq`` is an unsigned 32-bit integer that grows from message to message; gaps are fine. A refused message uses up its
``seq`` and changes nothing else. A client may correct a refused hello and send it again.

The server answers in the order of ``seq``. It does not answer a keystroke that a newer one overtook. It does answer the
last keystroke, each submit and each refused message::

    {"hello": {…what was agreed, see write_hello…}}
    {"seq": 1, "hits": […], "encoder": "…", "version": "7"}
    {"seq": 3, "hits": […], "encoder": "…", "version": "7", "facets_over": "candidates",
     "facets": {"tags": {"values": [{"value": "sea", "count": 3}, …], "more": true}}}
    {"seq": 4, "hits": […], "submit": true, "ready": true, "encoder": "…", "version": "7"}
    {"error": {"code": "bad_edit", "message": "…"}, "seq": 2}

A hit is ``{"id", "score", "title", "text", "url", "marks": {"title": [[0, 3]], "text": []}}``. The ``text`` of a long
passage is cut to its beginning, or to the part around the query's words. ``marks`` say where the query's words are in
the title and text as sent: ``[start, end)`` in code points, in order, without overlaps (:mod:`typeahead.search.marks`).
Where the server searches words as well as vectors, ``arms`` says which search found the hit: "dense", "lexical" or
both. ``copies`` says how many documents with this very title and text there are, where there are several; the others
have no row of their own. Hits that score less than the hello's ``min_score``, from 0 to 1, are left out. ``"weak":
true`` in a reply says that even its best hit is a poor one, ``"stale": true`` that the documents may have changed
meanwhile in a database that cannot be read, and ``"partial": true`` that hits may be missing, because a part of the
index was away or late. Nothing here is HTML; a page has to show it as text.
``hits`` is missing where no search was due: because of the hello's ``search``, or because the server has no index. The
server may add fields to its messages; a client ignores the ones it does not know.

``filter`` (:mod:`typeahead.search.filters`), ``facets`` and ``offset`` may stand in a hello, beside ``text`` or
``edit``, or alone, which asks for the same text once more; not beside ``submit``. A message's filter and facets replace
those of before and last; null removes the filter, and [] the facets. An offset counts for its message alone; other
messages have that of the hello, or 0. Enter shows what its key was to show. A change is a key like any other: the
latest wins. ``facets`` in a reply are the values of each field with their counts, the commonest first, and ``"more":
true`` where rarer ones are left out. They are counted over all documents that the filter admits if the text is empty
(``"facets_over": "filter"``), and over the candidates that the search weighed otherwise (``"candidates"``). ``version``
names the state of the documents that were searched.

Operators show a token of their own in the hello. Their replies have one more field, which says where the time went:
``"timing_us": {"queue", "tokenize", "step", "search", "serialize", "total"}``. A server can be set to send it to
everybody.

``encoder`` names the model that encoded the text; it is missing before there is any text. Usually it is the server's
``encoder``. The server's ``fallback``, if it has one, encodes three kinds of text instead (the answer to the hello
names both models; ``fallback`` is null without one):

- a text longer than the encoder was trained on;
- a text that came at once, if the hello said ``"quality": "best"``: the message put in two words or more, or 16 code
  points. A space after it changes no token, and so no encoder. ``"best"`` is refused where there is no fallback;
  ``"fast"``, the default, never is;
- a text at which the encoder fails.

An overloaded server gives the first two kinds back to the encoder. **No answer is ever refined**: each ``seq`` has one
reply, by one encoder, and the encoder that answered the text also answers its submit. So neither Enter nor anything
that arrives later reorders the results that a person is about to click.

======================  ===================================================================  ==========
error code              sent when                                                            connection
======================  ===================================================================  ==========
``bad_json``            the frame is not JSON: malformed, NaN, Infinity, nested too deeply   stays open
``bad_frame``           a binary frame; clients send text frames only                        stays open
``bad_message``         JSON, but not a message: unknown or missing field, wrong type        stays open
``bad_seq``             ``seq`` repeats or runs backwards. The error itself carries no       stays open
                        ``seq``, so the ones that the server sends never run backwards
``bad_hello``           a hello that is not first, or asks for what the server lacks         stays open
``unauthorized``        the server wants a token, and it is missing or wrong, or its role    closed 1008
                        cannot be used
``unknown_index``       the server has no index of this name, or the token does not admit   closed 1008
                        it
``full``                the server has no room for the token's filter beside those of      closed 1013
                        others, or cannot ask what its role may see: try again later
``bad_text``            a lone surrogate; the message names its position                     stays open
``text_too_long``       more code points than the limit                                      stays open
``bad_edit``            the edit does not lie within the text                                stays open
``bad_filter``          a filter of the wrong form, too large, or nested too deeply          stays open
``unknown_field``       the filter looks at a field that no document has. Text and filter    stays open
                        are taken, and each key is refused until the filter is changed
``unsupported_filter``  the index cannot apply such a filter. Text and filter are taken      stays open
``overloaded``          the server has too much to do for this keystroke. Its text is        stays open
                        taken, so the next key or Enter builds on it. Enter never gets
                        this answer
``internal``            the server failed; its log says why                                  stays open
======================  ===================================================================  ==========


Other close codes: 1000 for an idle session, 1009 for a frame that is too large, 1012 when the server restarts, 1013
when it is full or overloaded.

With ``embedding`` in the hello, one binary frame follows each reply that is not an error. It is little-endian: ``seq``
u32, ``dtype`` u8, ``dim`` u16, reserved u8 (0), then ``dim`` values. ``dim`` is 0 for a text without a token.

=========  =====  ====================================================================================================
dtype      code   values
=========  =====  ====================================================================================================
float32    1      the embedding as it is
float16    2      rounded to half precision
int8       3      ``round(127 · x / max|x|)``: the embedding's direction; divide by the norm to get a unit vector back.
                  Refused where vectors are compared by dot product, because it loses their length
=========  =====  ====================================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from typeahead.errors import BadEdit, ProtocolError, TextError, TextTooLong
from typeahead.moved import moved_names
from typeahead.search.narrowing import NOTHING, Narrowing
from typeahead.wire.narrowing import Change

SUBPROTOCOL: Final = "typeahead.v1"
MAX_SEQ: Final = 2**32 - 1

CLOSE_IDLE: Final = 1000
CLOSE_POLICY: Final = 1008
CLOSE_RESTART: Final = 1012
CLOSE_FULL: Final = 1013


class SearchMode(StrEnum):
    """When a session wants its text searched; a submit is always searched."""

    KEYSTROKE = "keystroke"
    WORD = "word"
    SUBMIT = "submit"


class Quality(StrEnum):
    """Which answer a client wants for a text that came at once: the soonest, or the best that the server has."""

    FAST = "fast"
    BEST = "best"


class Dtype(IntEnum):
    """Element type of an embedding frame, with its code on the wire."""

    FLOAT32 = 1
    FLOAT16 = 2
    INT8 = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server grants.

    ``max_chars`` is in code points. ``default_k`` and ``max_k`` are numbers of hits, ``dtypes`` the element types of
    embeddings. ``fallback`` names the encoder behind ``"quality": "best"``, None where there is none.
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
    #: Hits that score less are left out; 0 leaves none out.
    min_score: float = 0.0
    #: What the session begins with.
    narrowing: Narrowing = NOTHING


# One of these is made for each key, and a struct is made faster than a dataclass.
class Text(msgspec.Struct, gc=False):
    """The whole text after a keystroke."""

    seq: int
    text: str
    change: Change | None = None


class Edit(msgspec.Struct, gc=False):
    """A keystroke as a change: at code point ``at``, remove ``delete`` code points, then put in ``insert``."""

    seq: int
    at: int
    delete: int
    insert: str
    change: Change | None = None


class Narrow(msgspec.Struct, gc=False):
    """The same text once more, with another filter, other facets or another offset."""

    seq: int
    change: Change


class Submit(msgspec.Struct, gc=False):
    """Enter."""

    seq: int


Message = Hello | Text | Edit | Narrow | Submit


def refuse_text(error: TextError, seq: int | None) -> ProtocolError:
    """Turn a session's refusal of a text or an edit into the error that the client gets."""
    code = {TextTooLong: "text_too_long", BadEdit: "bad_edit"}.get(type(error), "bad_text")
    return ProtocolError(code, str(error), seq=seq)


def close_code(error: ProtocolError) -> int | None:
    """Return the code to close the connection with after this error, or None where it stays open."""
    return {"unauthorized": CLOSE_POLICY, "unknown_index": CLOSE_POLICY, "full": CLOSE_FULL}.get(error.code)


if not TYPE_CHECKING:
    __getattr__ = moved_names(
        __name__,
        {
            "Conversation": "typeahead.wire.conversation:Conversation",
            "load_object": "typeahead.wire.fields:load_object",
        },
    )
