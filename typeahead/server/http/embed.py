"""``POST /v1/embed``: batches of texts to vectors, for programs that want many or want them fast.

This is raw ASGI, because Starlette takes as long for a request as a static model for twenty texts. The formats are
those of :mod:`typeahead.server.http.formats`. A static model encodes small batches on the event loop, because the way
to another thread and back would take longer; :mod:`typeahead.server.http.embedder` encodes everything else. Only the
model that was asked for answers: the fallback is for ``/v1/embeddings`` (:mod:`typeahead.server.http.routes`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from msgspec import UNSET
from starlette.requests import ClientDisconnect

from typeahead.core.encoder import Encoder, Vectors
from typeahead.core.states import check_vectors
from typeahead.encoders.static import StaticEncoder
from typeahead.errors import TextError
from typeahead.logs import LimitedLog
from typeahead.server.config import ServerConfig
from typeahead.server.http.api import ApiError, Gate, Receive, encoder_named, read_body
from typeahead.server.http.bodies import EMBED
from typeahead.server.http.embedder import Embedder
from typeahead.server.http.formats import (
    ESCAPED,
    Format,
    Lines,
    format_sent,
    format_wanted,
    read_line,
    write_binary,
    write_failed_line,
    write_json,
    write_line,
)
from typeahead.server.typing.channel import Scope, Send

log = logging.getLogger(__name__)

EMBED_PATH = "/v1/embed"

#: Code points that are encoded on the event loop at a time, by a model that is a look-up: some 2 ms.
_AT_ONCE_CHARS = 8192
#: Lines that are answered together.
_LINES_TOGETHER = 64

_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class EmbedEndpoint:
    """The endpoint; ``encoders`` by name, of which ``default`` answers where a request names none."""

    def __init__(
        self, config: ServerConfig, gate: Gate, embedder: Embedder, encoders: Mapping[str, Encoder], default: str
    ) -> None:
        self._config = config
        self._gate = gate
        self._embedder = embedder
        self._encoders = encoders
        self._default = default
        self._log = LimitedLog(log)
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        try:
            if scope["method"] != "POST":
                raise ApiError(405, "not by this method: POST texts")
            headers = dict(scope["headers"])
            self._gate.admit(headers)
            sent = format_sent(headers.get(b"content-type", b""))
            wanted = format_wanted(_accept(scope), sent)
            if self._running >= self._config.max_requests:
                raise ApiError(503, "too many requests at a time: try again", code="overloaded")
            self._running += 1
            try:
                if sent is Format.LINES:
                    await self._stream(scope["query_string"], receive, send)
                else:
                    await self._answer(wanted, receive, send)
            finally:
                self._running -= 1
        except ApiError as error:
            await error.response()(scope, receive, send)
        except ClientDisconnect:
            return

    async def _answer(self, wanted: Format, receive: Receive, send: Send) -> None:
        wish = read_body(EMBED, await self._gate.body(receive, self._config.max_body_bytes))
        encoder = encoder_named(self._encoders, self._default if wish.model is UNSET else wish.model)
        self._check_texts(wish.texts)
        vectors = await self._encode(encoder, wish.texts)
        model = encoder.config.name
        body: bytes | memoryview
        headers = []
        if wanted is Format.JSON:
            body = write_json(model, vectors)
        elif wanted is Format.LINES:
            body = b"".join(write_line(index, vector) for index, vector in enumerate(vectors))
        else:
            body = write_binary(vectors, wish.dtype)
            headers = [
                (b"typeahead-model", model.encode()),
                (b"typeahead-dim", b"%d" % encoder.dim),
                (b"typeahead-count", b"%d" % len(vectors)),
                (b"typeahead-dtype", wish.dtype.encode()),
            ]
        headers += [(b"content-type", wanted.encode()), (b"content-length", b"%d" % len(body)), *_HEADERS]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _check_texts(self, texts: list[str]) -> None:
        if len(texts) > self._config.max_batch:
            message = (
                f'"texts" are {len(texts)}, the limit is {self._config.max_batch}: send several requests, or lines'
            )
            raise ApiError(413, message, param="texts")
        limit = self._config.max_input_chars
        if len(max(texts, key=len)) > limit:
            row = next(row for row, text in enumerate(texts) if len(text) > limit)
            message = f'"texts" {row} has {len(texts[row])} code points, the limit is {limit}'
            raise ApiError(413, message, param="texts")

    async def _encode(self, encoder: Encoder, texts: Sequence[str]) -> Vectors:
        """Encode texts to float32 (n, dim); :class:`ApiError` for one that is not valid Unicode."""
        try:
            if isinstance(encoder, StaticEncoder) and sum(map(len, texts)) <= _AT_ONCE_CHARS:
                vectors = encoder.encode(texts)
            else:
                vectors, _ = await self._embedder.encode(encoder, texts)
            check_vectors(vectors)
        except TextError as error:
            raise ApiError(400, str(error), param="texts") from None
        except Exception:
            self._log.exception("%s could not encode a batch of %d texts", encoder.config.name, len(texts))
            raise ApiError(500, "the server could not answer this: its log says why") from None
        return vectors

    async def _stream(self, query: bytes, receive: Receive, send: Send) -> None:
        """Answer lines as they come. An error takes the place of a line that cannot be answered."""
        encoder = encoder_named(self._encoders, self._default if (model := _model(query)) is None else model)
        headers = [(b"content-type", Format.LINES.encode()), *_HEADERS]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        max_chars = self._config.max_input_chars
        lines = Lines(ESCAPED * max_chars)
        index = 0
        more = True
        while more:
            try:
                async with asyncio.timeout(self._config.body_seconds):
                    event = await receive()
            except TimeoutError:
                seconds = f"{self._config.body_seconds:g}"
                late = ApiError(408, f"no text came within {seconds} seconds: the rest is not answered", code="late")
                await _send_lines(send, [write_failed_line(index, late)])
                break
            if event["type"] == "http.disconnect":
                return
            more = event.get("more_body", False)
            found = [*lines.feed(event.get("body", b"")), *([] if more else lines.end())]
            for first in range(0, len(found), _LINES_TOGETHER):
                together = found[first : first + _LINES_TOGETHER]
                await _send_lines(send, await self._answer_lines(encoder, together, index))
                index += len(together)
        await send({"type": "http.response.body", "body": b""})

    async def _answer_lines(self, encoder: Encoder, lines: Sequence[bytes | None], first: int) -> list[bytes]:
        answers: list[bytes] = [b""] * len(lines)
        texts: dict[int, str] = {}
        for row, line in enumerate(lines):
            try:
                texts[row] = read_line(line, max_chars=self._config.max_input_chars)
            except ApiError as error:
                answers[row] = write_failed_line(first + row, error)
        if texts:
            try:
                vectors = await self._encode(encoder, list(texts.values()))
            except ApiError as error:
                # The lines share the encoder's failure; what is wrong with a text was found when it was read.
                for row in texts:
                    answers[row] = write_failed_line(first + row, error)
            else:
                for row, vector in zip(texts, vectors, strict=True):
                    answers[row] = write_line(first + row, vector)
        return answers


def _accept(scope: Scope) -> bytes:
    """All lines of the header ``Accept`` as one (RFC 9110, section 5.3)."""
    return b", ".join(value for name, value in scope["headers"] if name == b"accept")


async def _send_lines(send: Send, lines: Sequence[bytes]) -> None:
    await send({"type": "http.response.body", "body": b"".join(lines), "more_body": True})


def _model(query: bytes) -> str | None:
    """The model that the URL of a request with lines names, if it names one."""
    fields = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    for name in fields:
        if name != "model":
            raise ApiError(400, f"unknown parameter {name[:40]!a}: known is model")
    return fields.get("model")
