"""``POST /v1/search``: a whole text takes the same path as a key, in the room that token and request decide."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import orjson
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from typeahead.errors import BackendAway, DeadlinePassed, ProtocolError, RoleRefused, SearchError, TextError
from typeahead.search.narrowing import NOTHING, Narrowing
from typeahead.server.config import ServerConfig
from typeahead.server.http.api import NO_STORE, ApiError
from typeahead.server.http.bodies import SearchBody
from typeahead.server.observe.requests import current_request
from typeahead.server.typing.pipeline import Pipeline
from typeahead.server.typing.query import Query, Stage
from typeahead.server.typing.room import Room
from typeahead.server.typing.rooms import NO_ROLE, Rooms, RoomsFull, UnknownIndex
from typeahead.wire.access import Grant
from typeahead.wire.fields import BadField
from typeahead.wire.narrowing import filter_code, parse_facets, parse_filter
from typeahead.wire.protocol import Quality

log = logging.getLogger(__name__)


class SearchApi:
    """Answers searches. ``rooms`` are those of the server's indexes."""

    def __init__(self, config: ServerConfig, pipeline: Pipeline, rooms: Rooms) -> None:
        self._config = config
        self._pipeline = pipeline
        self._rooms = rooms

    async def search(self, request: Request, body: SearchBody, grant: Grant) -> Response:
        """Answer ``{"query": "…", "k": 8, "quality": "fast", "min_score": 0, "filter": {…}, "facets": […]}``.

        ``"offset"`` passes over hits. ``"index"`` in the body, or in the address, names the index, or several of them
        separated by commas. The answer has what a reply over the websocket has.
        """
        arrived_ns = time.perf_counter_ns()
        if not self._rooms:
            raise ApiError(404, "this server has no index: start it with one to search", code="no_index")
        k = self._config.default_k if body.k is UNSET else body.k
        if not 1 <= k <= self._config.max_k:
            raise ApiError(400, f'"k" has to be from 1 to {self._config.max_k}', param="k")
        best, narrowing = wants_best(body.quality, self._pipeline), _narrowing(body)
        room = await self._enter(body.index or ",".join(request.query_params.getlist("index")), grant)
        try:
            query = await self.find(room, body.query, k, best=best, min_score=body.min_score, narrowing=narrowing)
        except TextError as error:
            raise ApiError(400, str(error), param="query") from None
        finally:
            self._rooms.leave(room)
        answer: dict[str, Any] = {"hits": orjson.Fragment(query.hits), "encoder": query.encoder}
        if query.version:
            answer["version"] = query.version
        if query.weak:
            answer["weak"] = True
        if query.partial:
            answer["partial"] = True
        if room.stale:
            answer["stale"] = True
        if self._config.timings or grant.timings:
            total_ns = time.perf_counter_ns() - arrived_ns
            search_ns = 0 if query.result is None else query.result.search_ns
            spent_ns = {"step": query.step_ns, "search": search_ns, "total": total_ns}
            answer["timing_us"] = {stage: spent // 1000 for stage, spent in spent_ns.items()}
        written = orjson.dumps(answer)[:-1] + query.facets + b"}"
        return Response(written, headers=NO_STORE, media_type="application/json")

    async def find(
        self,
        room: Room,
        text: str,
        k: int,
        *,
        best: bool = False,
        min_score: float = 0.0,
        narrowing: Narrowing = NOTHING,
    ) -> Query:
        """Encode a text and search for it. Raises :class:`TextError`, and :class:`ApiError` where that failed."""
        session = room.session(max_chars=self._config.max_chars)
        session.set_text(text)
        changed = asyncio.Event()
        # Requests are bounded by max_requests, so like Enter they are never turned away.
        query = Query(
            session,
            k,
            Stage.SEARCHED,
            changed.set,
            room=room,
            narrowing=narrowing,
            wanted=1,
            best=best,
            min_score=min_score,
            submitted=True,
            request=current_request(),
        )
        self._pipeline.step(query)
        try:
            while query.stage is not Stage.SEARCHED and not query.state.failed:
                await changed.wait()
                changed.clear()
        finally:
            self._pipeline.drop(query)
        if query.refusal is not None:
            raise ApiError(400, str(query.refusal), param="filter", code=filter_code(query.refusal))
        if query.state.failed:
            raise ApiError(500, "the server could not answer this: its log says why")
        return query

    async def _enter(self, asked: str, grant: Grant) -> Room:
        try:
            return await self._rooms.enter(self._rooms.key(asked, grant), grant.filter)
        except UnknownIndex as error:
            raise ApiError(404, str(error), param="index", code="unknown_index") from None
        except RoomsFull as error:
            raise ApiError(503, str(error), code="full") from None
        except RoleRefused as error:
            log.error("a request was refused: %s", error)
            raise ApiError(403, NO_ROLE, code="role_refused") from None
        except (BackendAway, DeadlinePassed) as error:
            log.error("a request was not let in: %s", error)
            raise ApiError(503, "nobody can tell what your token may see: try again later", code="away") from None
        except SearchError as error:
            raise ApiError(400, str(error), code="unsupported_filter") from None


def wants_best(quality: Quality, pipeline: Pipeline) -> bool:
    """Whether the best answer is asked for, not the soonest; :class:`ApiError` where there is no better one."""
    if quality is Quality.BEST and pipeline.fallback is None:
        message = 'this server has no fallback encoder: leave "quality" out'
        raise ApiError(400, message, param="quality", code="no_fallback")
    return quality is Quality.BEST


def _narrowing(body: SearchBody) -> Narrowing:
    try:
        tree = None if body.filter is None else parse_filter(body.filter)
    except ProtocolError as error:
        raise ApiError(400, str(error), param="filter", code=error.code) from None
    try:
        return Narrowing(tree, parse_facets(body.facets), body.offset)
    except BadField as error:
        raise ApiError(400, str(error), param=error.field) from None
