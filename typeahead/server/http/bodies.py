"""The bodies of HTTP requests as structs, one for each endpoint, and what their fields have to be.

Limits that depend on the server's settings, such as the number of texts, are checked where the request is answered.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from typeahead.wire.fields import MIN_SCORE, MinScore, ObjectReader
from typeahead.wire.narrowing import EXPECTED, Facets, Offset
from typeahead.wire.protocol import Quality

#: Values in one list of a report of timings.
MAX_VALUES: Final = 128

#: Events in one request. The box sends two at most.
MAX_EVENTS: Final = 16
#: Results, and the place of a result, that an event may name. A page of results is never as long.
MAX_RESULTS: Final = 10_000

_Texts = Annotated[list[str], Meta(min_length=1)]
_Timings = Annotated[list[Annotated[float, Meta(ge=0)]], Meta(max_length=MAX_VALUES)]


class EmbeddingsBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/embeddings``, after OpenAI's API."""

    input: str | _Texts
    # Of any type, because a missing model, a wrong one and an unknown one have one answer: the models that there are.
    model: Any = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | UnsetType = UNSET
    # Accepted from OpenAI's clients, and not looked at.
    user: Any = None
    quality: Quality = Quality.FAST


class SearchBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/search``."""

    query: str
    k: int | UnsetType = UNSET
    quality: Quality = Quality.FAST
    min_score: MinScore = 0.0
    filter: Any = None
    facets: Facets = []
    offset: Offset = 0
    #: Names of indexes, separated by commas.
    index: str = ""


class EmbedBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/embed``, as JSON."""

    texts: _Texts
    model: Any = UNSET
    dtype: Literal["float32", "float16"] = "float32"


class TimingsBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/client-timings``: durations in milliseconds."""

    key_to_paint_ms: _Timings = []
    enter_to_paint_ms: _Timings = []
    round_trip_ms: _Timings = []
    network_ms: _Timings = []


class QueryEvent(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", tag="query"):
    """Somebody stopped at a text: they pressed Enter, chose a result, or left the field."""

    results: Annotated[int, Meta(ge=0, le=MAX_RESULTS)]
    weak: bool = False
    text: str | UnsetType = UNSET


class SelectEvent(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", tag="select"):
    """Somebody chose a result. ``position`` counts from 1."""

    position: Annotated[int, Meta(ge=1, le=MAX_RESULTS)]
    text: str | UnsetType = UNSET
    id: Annotated[str, Meta(max_length=1024)] | UnsetType = UNSET


class EventsBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/events``."""

    events: Annotated[list[QueryEvent | SelectEvent], Meta(min_length=1, max_length=MAX_EVENTS)]


class DeleteBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/documents/delete``."""

    ids: list[str | int] | None = None
    filter: Any = None
    max_shrink: Annotated[float, Meta(ge=0, le=1)] | None = None


_QUALITY: Final = '"fast" or "best"'
_MILLISECONDS: Final = f"a list of at most {MAX_VALUES} numbers of milliseconds, from 0 up"

EMBEDDINGS: Final = ObjectReader(
    EmbeddingsBody,
    {
        "input": "a string or a list of strings, not empty",
        "encoding_format": '"float" or "base64"',
        "dimensions": "an integer",
        "quality": _QUALITY,
    },
)
SEARCH: Final = ObjectReader(
    SearchBody,
    {
        "query": "a string",
        "k": "an integer",
        "quality": _QUALITY,
        "min_score": MIN_SCORE,
        "index": "a string: names of indexes, separated by commas",
        **EXPECTED,
    },
)
EMBED: Final = ObjectReader(EmbedBody, {"texts": "a list of strings, not empty", "dtype": '"float32" or "float16"'})
DELETE: Final = ObjectReader(
    DeleteBody, {"ids": "a list of ids", "filter": "an object", "max_shrink": "a number from 0 to 1"}
)
TIMINGS: Final = ObjectReader(TimingsBody, dict.fromkeys(TimingsBody.__struct_fields__, _MILLISECONDS))
EVENTS: Final = ObjectReader(
    EventsBody,
    {
        "events": f'a list of 1 to {MAX_EVENTS} events, such as {{"kind": "query", "results": 8, "weak": false}} or '
        '{"kind": "select", "position": 1}'
    },
)
