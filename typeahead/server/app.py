"""The ASGI application: the websocket and batches of embeddings as raw callables, all else through Starlette.

It owns the engine, the pipeline and the encoding thread from start-up to shutdown, and knows whether the server is
ready. Sockets, signals and the process are the business of :mod:`typeahead.server.process.run`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from typeahead.core.encoder import Encoder, IncrementalEncoder
from typeahead.core.engine import Engine
from typeahead.errors import TeacherMismatch, TypeaheadError
from typeahead.paths import web_folder
from typeahead.search.port import Backend
from typeahead.search.space import check_space
from typeahead.server.access.tokens import Tokens
from typeahead.server.config import ConfigError, ServerConfig
from typeahead.server.http.api import Gate
from typeahead.server.http.client_timings import ClientTimings
from typeahead.server.http.dashboard import write_dashboard
from typeahead.server.http.documents import DocumentsApi
from typeahead.server.http.embed import EMBED_PATH, EmbedEndpoint
from typeahead.server.http.embedder import Embedder
from typeahead.server.http.events import Events
from typeahead.server.http.routes import PROBE_PATHS, HttpApi
from typeahead.server.http.searching import SearchApi
from typeahead.server.observe.counters import merge, render
from typeahead.server.observe.loop_lag import LoopLag
from typeahead.server.observe.metrics import STAGES, ServerMetrics
from typeahead.server.observe.query_texts import SWEEP_SECONDS, QueryTexts, RecordError
from typeahead.server.observe.requests import NamedRequests
from typeahead.server.observe.slow import merge_slow
from typeahead.server.observe.teacher_cost import TeacherCost, measure, whole_text_encoder
from typeahead.server.observe.tracing import start_tracing
from typeahead.server.pages import addressed, cross_origin, not_allowed, not_found, pages, paths, secured
from typeahead.server.process.addresses import read_networks
from typeahead.server.process.door import Door
from typeahead.server.process.siblings import Report, Siblings
from typeahead.server.typing.endpoint import TypeEndpoint
from typeahead.server.typing.fallback import Fallback
from typeahead.server.typing.pipeline import Pipeline
from typeahead.server.typing.rooms import Rooms
from typeahead.server.typing.settings import TypingSettings
from typeahead.server.writing.desk import Desk
from typeahead.server.writing.encoding import Encoding
from typeahead.text.dividing import divider_for

log = logging.getLogger(__name__)

TYPE_PATH: Final = "/v1/type"

#: The name of an index that was given without one.
DEFAULT_INDEX: Final = "default"

_WARM_UP = "how to boil an egg"


class App:
    """An ASGI 3 application that serves one encoder and any number of indexes, by name.

    ``status`` is "starting" until the model is warm and the index has answered, then "ready"; "draining" once
    :meth:`drain` was called, and "broken" where warming up failed, with the reason in ``failure``.
    """

    def __init__(
        self,
        config: ServerConfig,
        encoder: IncrementalEncoder,
        indexes: Mapping[str, Backend],
        passages: Encoder | None,
        fallback: Encoder | None = None,
        siblings: Siblings | None = None,
    ) -> None:
        self.config = config
        self._siblings = siblings
        #: Whether the process that started this one is gone.
        self.orphaned = False
        self.status = "starting"
        self.failure: Exception | None = None
        #: Whether the server will stop soon, but goes on as before until then. Only ``/readyz`` tells.
        self.leaving = False
        self._encoders: dict[str, Encoder] = {encoder.config.name: encoder}
        for further in (passages, fallback):
            if further is not None:
                self._encoders[further.config.name] = further
        engine = Engine(encoder, cache_bytes=config.cache_bytes)
        self._metrics = ServerMetrics(encoder.config.name, slow_ms=config.slow_ms)
        stand_in = None if fallback is None else Fallback(fallback, encoder, config, self._metrics)
        self._embedder = Embedder(encoder, stand_in)
        self._pipeline = Pipeline(engine, _typing_settings(config), fallback=stand_in)
        self._rooms = Rooms(indexes, self._pipeline, most=config.max_rooms)
        self._tracing = start_tracing() if config.otel else None
        #: Who may be connected, where the server is ours.
        self.door = Door(
            max_connections=config.connections,
            max_silent=config.max_silent_connections,
            max_per_address=config.max_connections_per_address,
            head_seconds=config.head_seconds,
            trusted=read_networks(config.trusted_proxies),
            trust_unnamed=config.socket is not None,
            refused=self._metrics.refused_connections,
        )
        tokens = Tokens.of(config)
        self._endpoint = TypeEndpoint(
            config,
            self._pipeline,
            self._metrics,
            self._rooms,
            tokens=tokens,
            status=lambda: self.status,
            tracing=self._tracing,
        )
        self._typing = addressed(self._endpoint, config)
        self._metrics.read(
            sessions=lambda: len(self._endpoint),
            cache_bytes=lambda: engine.stats.bytes,
            cache_capacity=config.cache_bytes,
            steps_computed=lambda: engine.stats.steps_computed,
            steps_cached=lambda: engine.stats.steps_cached,
            searches_made=lambda: self._pipeline.counts.searched,
            searches_stood=lambda: self._pipeline.counts.stood,
            searches_partial=lambda: self._pipeline.counts.partial,
            connections=lambda: len(self.door),
            version=lambda: max((_number(backend.version) for backend in indexes.values()), default=0),
            engine_lag=lambda: max((_lag(backend) for backend in indexes.values()), default=0.0),
        )
        gate = Gate(config, tokens, lambda: self.status)
        writer = _passage_encoder(passages, indexes)
        self._encoding = Encoding(writer) if writer is None else Encoding(writer, divider_for(writer).divide)
        desks = {name: Desk(backend, self._encoding) for name, backend in indexes.items()}
        self._texts = _query_texts(config, self._metrics)
        self._searching = SearchApi(config, self._pipeline, self._rooms)
        self._api = HttpApi(
            config,
            gate,
            self._pipeline,
            self._embedder,
            self._encoders,
            status=lambda: "leaving" if self.leaving and self.status == "ready" else self.status,
            metrics=self._render_metrics,
            dashboard=self._dashboard,
            timings=ClientTimings(self._metrics, per_second=config.client_reports),
            events=Events(config, self._metrics, self._texts),
            searching=self._searching,
            documents=DocumentsApi(config, gate, desks),
        )
        embed = EmbedEndpoint(config, gate, self._embedder, self._encoders, encoder.config.name)
        self._embed = addressed(cross_origin(embed, config), config)
        self._lag = LoopLag(self._metrics.loop_lag)
        self._whole = whole_text_encoder((fallback, passages))
        self._teacher: TeacherCost | None = None
        self._started = time.time()
        routes = self._api.routes()
        http = Starlette(
            routes=[*routes, *pages(config.web or web_folder())],
            exception_handlers={404: not_found, 405: not_allowed},
            lifespan=self._lifespan,
        )
        self._http = secured(addressed(cross_origin(http, config), config))
        known = (TYPE_PATH, EMBED_PATH, *paths(routes))
        self._named = NamedRequests(self._serve, logged=config.access_log, paths=known, quiet=PROBE_PATHS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, request or lifespan (ASGI 3)."""
        await self._named(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and scope["path"] == TYPE_PATH:
            await self._typing(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == EMBED_PATH:
            await self._embed(scope, receive, send)
        else:
            await self._http(scope, receive, send)

    @property
    def sessions_ended(self) -> int:
        """Number of websocket sessions that have ended."""
        return self._endpoint.ended

    async def drain(self) -> None:
        """Take no more sessions, answer what is pending, and close those that are open with 1012."""
        self.status = "draining"
        await self._endpoint.drain(self.config.drain_seconds)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._pipeline.start()
        self._lag.start()
        warming = asyncio.create_task(self._warm_up())
        tasks = [warming, asyncio.create_task(self._endpoint.sweep())]
        if self._texts is not None:
            tasks.append(asyncio.create_task(_sweep(self._texts)))
        if self._siblings is not None:
            tasks.append(asyncio.create_task(self._siblings.run(self._report, self._orphan)))
            # Who connects meanwhile waits in the queue of a socket that the others keep open, and is not refused.
            await asyncio.wait((warming,))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._rooms.close()
            self._lag.stop()
            self._embedder.close()
            self._encoding.close()
            self._pipeline.stop(timeout=1.0)
            if self._texts is not None:
                self._texts.close()
            if self._tracing is not None:
                self._tracing.close(timeout=2.0)
            # Whoever goes on after the server gets the memory of its caches back.
            gc.unfreeze()

    def _report(self) -> Report:
        """What this process has counted."""
        slow = self._metrics.slow.snapshot(time.perf_counter_ns(), STAGES)
        return {"metrics": self._metrics.registry.snapshot(), "slow": slow, "started": self._started}

    async def _reports(self) -> list[Report]:
        """What all processes of this server have counted."""
        others = [] if self._siblings is None else await self._siblings.others()
        return [self._report(), *others]

    async def _render_metrics(self) -> str:
        return render(merge([report["metrics"] for report in await self._reports()]))

    async def _dashboard(self) -> dict[str, Any]:
        reports = await self._reports()
        snapshot = merge([report["metrics"] for report in reports])
        slow = merge_slow([report["slow"] for report in reports])
        started = min(report["started"] for report in reports)
        return write_dashboard(snapshot, slow, self._teacher, started=started, at=time.monotonic())

    def _orphan(self) -> None:
        self.orphaned = True

    async def _warm_up(self) -> None:
        """Run everything once, as first runs allocate and page in; a server alone listens meanwhile: "starting"."""
        try:
            for encoder in self._encoders.values():
                await self._embedder.encode(encoder, [_WARM_UP])
            await self._rooms.open()
            for room in self._rooms.whole:
                await self._searching.find(room, _WARM_UP, self.config.default_k)
            if not self._rooms:
                self._pipeline.engine.session().update(_WARM_UP)
            if self._whole is not None:
                # Before anybody types: a busy machine would make the teacher look worse than it is.
                self._teacher = await asyncio.to_thread(measure, self._whole)
        except Exception as error:
            if not isinstance(error, TypeaheadError):  # those explain themselves, to whoever started the server
                log.exception("the server could not warm up")
            self.failure = error
            self.status = "broken"
        else:
            # What was loaded stays: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            if self.status == "starting":
                self.status = "ready"
                if self._siblings is not None:
                    self._siblings.ready()


def create_app(
    config: ServerConfig,
    encoder: Encoder,
    index: Backend | Mapping[str, Backend] | None = None,
    *,
    passages: Encoder | None = None,
    fallback: Encoder | None = None,
    siblings: Siblings | None = None,
) -> App:
    """Make the ASGI application, for :func:`~typeahead.server.process.run.serve` or for another ASGI server.

    ``encoder`` encodes what is typed, so it has to be incremental. ``index`` is a back end, such as
    :func:`typeahead.search.addresses.open_backend` opens, or several by their names, the default first; without one
    there are embeddings and no hits.
    ``passages`` is served at ``/v1/embeddings`` beside it, under its own name, and so is ``fallback``, a transformer
    for what ``encoder`` should not encode: see :mod:`typeahead.server.typing.fallback`. Raises
    :class:`~typeahead.errors.TeacherMismatch` for an index of another space than the encoder's, and
    :class:`~typeahead.server.config.ConfigError` for an encoder of passages, a cache too small for it, or a fallback
    that cannot stand in for it, and :class:`~typeahead.errors.MissingExtra` for traces without OpenTelemetry.
    ``siblings`` are the other processes of the same server, if there are any.
    """
    if not isinstance(encoder, IncrementalEncoder):
        raise ConfigError("encoder", f"{encoder.config.name} cannot encode what is typed: give a query encoder")
    indexes = {} if index is None else index if isinstance(index, Mapping) else {DEFAULT_INDEX: index}
    for backend in indexes.values():
        check_space(backend.space, encoder.config)
    try:
        return App(config, encoder, indexes, passages, fallback, siblings)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError("cache_bytes", f"is too small: {error}") from error


def _passage_encoder(passages: Encoder | None, indexes: Mapping[str, Backend]) -> Encoder | None:
    """The encoder of passages, if its vectors belong into the indexes."""
    if passages is None:
        return None
    try:
        for backend in indexes.values():
            check_space(backend.space, passages.config)
    except TeacherMismatch:
        return None
    return passages


def _typing_settings(config: ServerConfig) -> TypingSettings:
    """Return the settings that the pipeline needs."""
    return TypingSettings(
        snippet_chars=config.snippet_chars,
        max_search_batch=config.max_search_batch,
        max_waiting_searches=config.max_waiting_searches,
        max_turn_ms=config.max_turn_ms,
        anytime=config.anytime,
        words=config.searches_words,
        complete=config.complete,
        shared_cache=config.shared_cache,
        search_seconds=config.search_seconds,
    )


def _lag(backend: Backend) -> float:
    lag = backend.capabilities.lag
    return 0.0 if lag is None else lag()


def _query_texts(config: ServerConfig, metrics: ServerMetrics) -> QueryTexts | None:
    """The record of texts, if the operator asked for one."""
    path = config.record_query_texts
    if path is None:
        return None
    try:
        return QueryTexts(path, days=config.query_text_days, rows=config.query_text_rows, outcomes=metrics.recorded)
    except RecordError as error:
        raise ConfigError("record_query_texts", f"cannot be used: {error}") from error


async def _sweep(texts: QueryTexts) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        texts.sweep()


def _number(version: str) -> int:
    """The number at the end of a version, for the metric: 0 if there is none."""
    digits = re.search(r"[0-9]{1,15}\Z", version)
    return 0 if digits is None else int(digits.group())
