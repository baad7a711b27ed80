"""The HTTP side: embeddings in OpenAI's shape, searches, health and metrics.

Typing goes over the websocket (:mod:`typeahead.server.typing.connection`); these endpoints are for programs that have a
whole text. :mod:`typeahead.server.http.embedder` makes embeddings, and :mod:`typeahead.server.http.searching` searches.
Both accept ``"quality": "best"`` where there is a fallback (:mod:`typeahead.server.typing.fallback`), and ``"encoder"``
in the answer names the model. Errors have OpenAI's shape, and none repeats a text that was sent.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from typeahead.core.encoder import Encoder, Vectors
from typeahead.errors import EncoderError, TextError
from typeahead.server.config import ServerConfig
from typeahead.server.http import client_timings, events
from typeahead.server.http.api import NO_STORE, ApiError, Gate, encoder_named, json_response, read_body
from typeahead.server.http.bodies import EMBEDDINGS, SEARCH, EmbeddingsBody
from typeahead.server.http.client_timings import ClientTimings
from typeahead.server.http.documents import DocumentsApi
from typeahead.server.http.embedder import Embedder
from typeahead.server.http.events import Events
from typeahead.server.http.searching import SearchApi, wants_best
from typeahead.server.typing.pipeline import Pipeline
from typeahead.wire.access import Grant
from typeahead.wire.fields import ObjectReader, Struct

#: Where orchestrators ask how the server is.
PROBE_PATHS = ("/healthz", "/readyz")


class HttpApi:
    """The routes under ``/v1``, and the probes beside them.

    ``encoders`` are those whose embeddings are served, by name; ``status`` tells "ready", or what the server is
    doing instead.
    """

    def __init__(
        self,
        config: ServerConfig,
        gate: Gate,
        pipeline: Pipeline,
        embedder: Embedder,
        encoders: Mapping[str, Encoder],
        *,
        status: Callable[[], str],
        metrics: Callable[[], Awaitable[str]],
        dashboard: Callable[[], Awaitable[Mapping[str, Any]]],
        timings: ClientTimings,
        events: Events,
        searching: SearchApi,
        documents: DocumentsApi,
    ) -> None:
        self._config = config
        self._gate = gate
        self._pipeline = pipeline
        self._embedder = embedder
        self._encoders = encoders
        self._status = status
        self._metrics = metrics
        self._dashboard = dashboard
        self._timings = timings
        self._events = events
        self._searching = searching
        self._documents = documents
        self._running = 0

    def routes(self) -> list[BaseRoute]:
        """Return the routes for Starlette."""
        return [
            Mount(
                "/v1",
                routes=[
                    Route("/embeddings", self._api(self.embeddings, EMBEDDINGS), methods=["POST"]),
                    Route("/search", self._api(self._searching.search, SEARCH), methods=["POST"]),
                    Route("/client-timings", self.client_timings, methods=["POST"]),
                    Route("/events", self.events, methods=["POST"]),
                    Route("/dashboard", self.dashboard),
                    *self._documents.routes(),
                ],
            ),
            *(Route(path, probe) for path, probe in zip(PROBE_PATHS, (self.healthz, self.readyz), strict=True)),
            Route("/metrics", self.metrics),
        ]

    async def healthz(self, _request: Request) -> Response:
        """Answer whenever the process does."""
        return json_response({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        """Say whether the server takes sessions: the model is warm, the index answers, and it is not stopping."""
        status = self._status()
        return json_response({"status": status}, status=200 if status == "ready" else 503)

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text format, for operators."""
        try:
            self._gate.authorize_metrics(_headers(request))
        except ApiError as error:
            return error.response()
        return Response(await self._metrics(), headers=NO_STORE, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def dashboard(self, request: Request) -> Response:
        """``GET /v1/dashboard``: :mod:`typeahead.server.http.dashboard`, for operators."""
        try:
            self._gate.authorize_dashboard(_headers(request))
        except ApiError as error:
            return error.response()
        return json_response(await self._dashboard())

    async def client_timings(self, request: Request) -> Response:
        """``POST /v1/client-timings``: :mod:`typeahead.server.http.client_timings`; nothing comes back."""
        try:
            self._gate.admit(_headers(request))
            if not self._timings.admit():
                raise ApiError(429, "too many reports: send them later, or not at all", code="rate_limited")
            try:
                self._timings.take(await self._gate.body(request.receive, client_timings.MAX_BYTES))
            except ApiError:
                self._timings.refuse()
                raise
        except ApiError as error:
            return error.response()
        return Response(status_code=204, headers=NO_STORE)

    async def events(self, request: Request) -> Response:
        """``POST /v1/events``: :mod:`typeahead.server.http.events`; nothing comes back."""
        try:
            self._gate.admit(_headers(request))
            self._events.admit()
            try:
                self._events.take(await self._gate.body(request.receive, events.MAX_BYTES))
            except ApiError:
                self._events.refuse()
                raise
        except ApiError as error:
            return error.response()
        return Response(status_code=204, headers=NO_STORE)

    async def embeddings(self, _request: Request, body: EmbeddingsBody, _grant: Grant) -> Response:
        """``POST /v1/embeddings``: https://platform.openai.com/docs/api-reference/embeddings.

        Besides OpenAI's fields, each embedding has ``encoder``: the model that made it, which is the one that was asked
        for or the fallback in its place.
        """
        encoder = encoder_named(self._encoders, body.model)
        texts = [body.input] if isinstance(body.input, str) else body.input
        self._check_inputs(texts)
        if body.dimensions is not UNSET and body.dimensions != encoder.dim:
            message = f'this model has {encoder.dim} dimensions and cannot be cut: leave "dimensions" out'
            raise ApiError(400, message, param="dimensions")
        best = wants_best(body.quality, self._pipeline)
        if best and not self._embedder.has_fallback(encoder):
            raise ApiError(400, f'"quality" cannot be "best" with the model {encoder.config.name}', param="quality")
        try:
            vectors, names, tokens = await self._embedder.embed(encoder, texts, best=best)
        except TextError as error:
            raise ApiError(400, str(error), param="input") from None
        except EncoderError:
            raise ApiError(500, "the server could not answer this: its log says why") from None
        data = [
            {
                "object": "embedding",
                "index": row,
                "embedding": _base64(vector) if body.encoding_format == "base64" else vector,
                "encoder": name,
            }
            for row, (vector, name) in enumerate(zip(vectors, names, strict=True))
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return json_response({"object": "list", "data": data, "model": encoder.config.name, "usage": usage})

    def _api(
        self, handle: Callable[[Request, Struct, Grant], Awaitable[Response]], reader: ObjectReader[Struct]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Make a route of a handler that takes the body as a struct."""

        async def guarded(request: Request) -> Response:
            try:
                grant = self._gate.admit(_headers(request))
                body = read_body(reader, await self._gate.body(request.receive, self._config.max_body_bytes))
                if self._running >= self._config.max_requests:
                    raise ApiError(503, "too many requests at a time: try again", code="overloaded")
                self._running += 1
                try:
                    return await handle(request, body, grant)
                finally:
                    self._running -= 1
            except ApiError as error:
                return error.response()

        return guarded

    def _check_inputs(self, texts: list[str]) -> None:
        if len(texts) > self._config.max_inputs:
            message = f'"input" has {len(texts)} texts, the limit is {self._config.max_inputs}: send several requests'
            raise ApiError(400, message, param="input")
        for row, text in enumerate(texts):
            if len(text) > self._config.max_input_chars:
                limit = self._config.max_input_chars
                raise ApiError(400, f'"input" {row} has {len(text)} code points, the limit is {limit}', param="input")


def _headers(request: Request) -> dict[bytes, bytes]:
    return dict(request.scope["headers"])


def _base64(vector: Vectors) -> str:
    return base64.b64encode(vector.astype("<f4", copy=False).tobytes()).decode()
