"""The endpoints that read and change documents.

=======  ========================  ====================================================================================
method   path                      body, and answer
=======  ========================  ====================================================================================
PUT      /v1/documents             documents as lines or as an array (:mod:`typeahead.server.writing.drafts`) →
                                   ``{"upserted": 2, "failed": 1, "errors": [{"line", "code", "message"}],
                                   "version": 7}``
GET      /v1/documents/{id}        → ``{"id", "title", "text", "url", "fields"}``
DELETE   /v1/documents/{id}        → ``{"deleted": 1, "version": 8}``
POST     /v1/documents/delete      ``{"ids": […]}`` or ``{"filter": {…}, "max_shrink": 0.5}`` → as above
GET      /v1/index                 → ``{"documents": 3, "version": 8, …}``
=======  ========================  ====================================================================================

All of them need a token with the right to write; the right to metrics opens ``/v1/index`` as well. ``?index=name``
chooses among several indexes. The version of an index grows with everybody's writes, so it is not told to tokens with a
filter.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from typeahead.errors import BackendClosed, FilterError, UnsupportedFilter, WritesFull
from typeahead.logs import LimitedLog
from typeahead.search.filters import Filter, read_filter
from typeahead.server.config import ServerConfig
from typeahead.server.http.api import ApiError, Gate, json_response, read_body
from typeahead.server.http.bodies import DELETE
from typeahead.server.http.paced import paced
from typeahead.server.writing.cutting import Cutter, Piece
from typeahead.server.writing.desk import Desk, ReadOnly, Report, TooMany
from typeahead.text.document import Document
from typeahead.wire.access import Grant

log = logging.getLogger(__name__)

#: What is written in one go: so many documents, or fewer with so many bytes.
_TOGETHER: Final = 128
_TOGETHER_BYTES: Final = 4 << 20
#: The share of all documents that a filter may delete unless the request allows more.
_MAX_SHRINK: Final = 0.5

_Handler = Callable[[Request, Desk, Grant], Awaitable[Response]]


class DocumentsApi:
    """The routes. ``desks`` are those of the indexes by name; the first is meant where a request names none."""

    def __init__(self, config: ServerConfig, gate: Gate, desks: Mapping[str, Desk]) -> None:
        self._config = config
        self._gate = gate
        self._desks = desks
        self._running = 0
        self._log = LimitedLog(log)

    def routes(self) -> list[BaseRoute]:
        """Return the routes for Starlette, below ``/v1``."""
        return [
            Route("/documents", self._guarded(self._put), methods=["PUT"]),
            Route("/documents/delete", self._guarded(self._delete_many), methods=["POST"]),
            Route("/documents/{id:path}", self._guarded(self._get), methods=["GET"]),
            Route("/documents/{id:path}", self._guarded(self._delete), methods=["DELETE"]),
            Route("/index", self._guarded(self._describe, watching=True), methods=["GET"]),
        ]

    async def _put(self, request: Request, desk: Desk, grant: Grant) -> Response:
        """``PUT /v1/documents``. What was written before an error stays written, and the answer says how much it is."""
        desk.check_writable()
        report = Report()
        try:
            await self._take(request, desk, grant.filter, report)
        except ApiError as error:
            failed = error
        except (ReadOnly, ClientDisconnect):
            raise
        except Exception as caught:
            failed = self._explained(caught)
        else:
            return json_response(_written(report, desk, grant))
        return failed.response(_written(report, desk, grant))

    async def _take(self, request: Request, desk: Desk, scope: Filter | None, report: Report) -> None:
        async for pieces in self._batches(request):
            await desk.upsert(pieces, scope, report)

    async def _batches(self, request: Request) -> AsyncIterator[list[Piece]]:
        """Yield the documents of a body in groups."""
        limit = self._config.max_write_bytes
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > limit:
            raise ApiError(413, f"the body has more than {limit} bytes: send several requests", code="body_too_long")
        cutter = Cutter(self._config.max_document_bytes)
        pending: list[Piece] = []
        size = count = 0

        async def cut() -> AsyncIterator[Piece]:
            body = paced(request.receive, limit=limit, seconds=self._config.body_seconds)
            async for data in body:
                for piece in cutter.feed(data):
                    yield piece
            for piece in cutter.end():
                yield piece

        async for piece in cut():
            count += 1
            if count > self._config.max_write_documents:
                # What is pending is written: the answer tells how many lines were.
                yield pending
                most = self._config.max_write_documents
                raise ApiError(413, f"more than {most} documents: send several requests", code="too_many_documents")
            pending.append(piece)
            size += len(piece.data)
            if len(pending) >= _TOGETHER or size >= _TOGETHER_BYTES:
                yield pending
                pending, size = [], 0
        if pending:
            yield pending

    async def _get(self, request: Request, desk: Desk, grant: Grant) -> Response:
        document = await desk.document(request.path_params["id"].strip(), grant.filter)
        if document is None:
            raise _NOT_FOUND
        return json_response(_shown(document))

    async def _delete(self, request: Request, desk: Desk, grant: Grant) -> Response:
        deleted, version = await desk.delete([request.path_params["id"].strip()], grant.filter)
        if not deleted:
            raise _NOT_FOUND
        return json_response(_deleted(deleted, version, grant))

    async def _delete_many(self, request: Request, desk: Desk, grant: Grant) -> Response:
        body = read_body(DELETE, await self._gate.body(request.receive, self._config.max_body_bytes))
        if (body.ids is None) == (body.filter is None):
            raise ApiError(400, 'give either "ids" or "filter"')
        if body.ids is not None:
            if body.max_shrink is not None:
                raise ApiError(400, '"max_shrink" goes with "filter": ids are meant one by one', param="max_shrink")
            ids = [str(key).strip() for key in body.ids]
            return json_response(_deleted(*await desk.delete(ids, grant.filter), grant))
        tree = _filter(body.filter)
        share = _MAX_SHRINK if body.max_shrink is None else body.max_shrink
        try:
            deleted, version = await desk.delete_matching(tree, grant.filter, share)
        except TooMany as error:
            raise ApiError(
                409,
                f'{error}, more than the share of {share:g} that may go: if that is meant, send "max_shrink": 1',
                param="max_shrink",
                code="too_many",
            ) from None
        except FilterError as error:
            # It may name fields, and a scope hides those of others.
            message = str(error) if grant.filter is None else "this filter cannot be used: name fields that exist"
            raise ApiError(400, message, param="filter", code="bad_filter") from None
        return json_response(_deleted(deleted, version, grant))

    async def _describe(self, _request: Request, desk: Desk, grant: Grant) -> Response:
        return json_response(await desk.describe(grant.filter))

    def _guarded(self, handle: _Handler, *, watching: bool = False) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            try:
                grant = self._gate.admit_writer(dict(request.scope["headers"]), watching=watching)
                desk = self._desk(request, grant)
                if request.headers.get("content-encoding", "identity").lower() != "identity":
                    raise ApiError(415, "the body has to come as it is, not compressed", code="unknown_format")
                with self._turn():
                    return await handle(request, desk, grant)
            except ApiError as error:
                return error.response()
            except ClientDisconnect:
                # Nobody reads this.
                return Response(status_code=400)
            except Exception as error:
                return self._explained(error).response()

        return guarded

    def _desk(self, request: Request, grant: Grant) -> Desk:
        """The desk of the index that a request names."""
        if not self._desks:
            raise ApiError(404, "this server has no index: start it with one", code="no_index")
        for name in request.query_params:
            if name != "index":
                raise ApiError(400, f"unknown parameter {name[:40]!a}: known is index")
        name = request.query_params.get("index", next(iter(self._desks)))
        if name not in self._desks or not grant.admits_index(name):
            raise ApiError(404, "there is no index of this name", param="index", code="no_index")
        return self._desks[name]

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._running >= self._config.max_writes:
            raise ApiError(429, "too many documents are being written: try again", code="busy")
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def _explained(self, error: Exception) -> ApiError:
        """What a client hears of an error; the log gets what it does not understand."""
        if isinstance(error, ReadOnly):
            return ApiError(403, str(error), code="read_only")
        if isinstance(error, WritesFull):
            return ApiError(429, "the index can take no more for now: try again", code="busy")
        if isinstance(error, UnsupportedFilter):
            return ApiError(400, str(error), param="filter", code="unsupported_filter")
        if isinstance(error, BackendClosed):
            return ApiError(503, "the server is stopping: try again", code="not_ready")
        self._log.exception("documents could not be read or written")
        return ApiError(500, "the server could not do this: its log says why", code="internal")


_NOT_FOUND: Final = ApiError(404, "there is no document of this id", code="not_found")


def _filter(given: Any) -> Filter:
    if given == {}:
        raise ApiError(
            400, "an empty filter would delete everything: say which documents", param="filter", code="empty"
        )
    try:
        return read_filter(given)
    except FilterError as error:
        raise ApiError(400, str(error), param="filter", code="bad_filter") from None


def _shown(document: Document) -> dict[str, Any]:
    fields = {
        name: value if isinstance(value, str | int | float) else list(value) for name, value in document.fields.items()
    }
    return {"id": document.id, "title": document.title, "text": document.text, "url": document.url, "fields": fields}


def _written(report: Report, desk: Desk, grant: Grant) -> dict[str, Any]:
    errors = [{"line": line, "code": code, "message": message} for line, code, message in report.errors]
    answer: dict[str, Any] = {"upserted": report.upserted, "failed": report.failed, "errors": errors}
    if grant.filter is None:
        answer["version"] = desk.version if report.version is None else report.version
    return answer


def _deleted(count: int, version: int | str, grant: Grant) -> dict[str, Any]:
    return {"deleted": count, "version": version} if grant.filter is None else {"deleted": count}
