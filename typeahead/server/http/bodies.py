"""The bodies of HTTP requests as structs, one for each endpoint, and what their fields have to be.

Limits that depend on the server's settings, such as the number of texts, are checked where the request is answered.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from typeahead.wire.fields import MIN_SCORE, MinScore, ObjectReader
from typeahead.wire.protocol import Quality

#: Values in one list of a report of timings.
MAX_VALUES: Final = 128

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
    SearchBody, {"query": "a string", "k": "an integer", "quality": _QUALITY, "min_score": MIN_SCORE}
)
EMBED: Final = ObjectReader(EmbedBody, {"texts": "a list of strings, not empty", "dtype": '"float32" or "float16"'})
DELETE: Final = ObjectReader(
    DeleteBody, {"ids": "a list of ids", "filter": "an object", "max_shrink": "a number from 0 to 1"}
)
TIMINGS: Final = ObjectReader(TimingsBody, dict.fromkeys(TimingsBody.__struct_fields__, _MILLISECONDS))
