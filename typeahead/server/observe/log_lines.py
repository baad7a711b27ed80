"""How a line of the log looks: as text, or as one JSON object. Both name the time, the level and the logger.

A record may have two attributes more, by ``extra``: ``requests``, the names of the requests that it is about, where
these are not that of :func:`~typeahead.server.observe.requests.current_request`, and ``fields``, numbers and words that
a program may want to read by themselves. A JSON line has these keys, the last ones only where there is something:

==================  ============================================================
``time``            RFC 3339, in UTC, with milliseconds
``level``           ``info``, ``warning``, ``error``
``logger``          ``typeahead.access``, ``typeahead.server.process.door``, …
``process``         the number of the process
``message``         the sentence
``request_id``      a request; ``request_ids`` for several
``exception``       a traceback
fields              such as ``status`` and ``duration_ms``
==================  ============================================================
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, Literal

from typeahead.server.observe.requests import current_request

LogFormat = Literal["text", "json"]

#: Requests that a line names at most: a batch may be of hundreds.
_MOST: Final = 16


def about(requests: Iterable[str]) -> dict[str, Any]:
    """What to give as ``extra`` for a line about these requests, and about no others."""
    return {"requests": tuple(dict.fromkeys(name for name in requests if name))[:_MOST]}


def _requests(record: logging.LogRecord) -> tuple[str, ...]:
    given: tuple[str, ...] | None = getattr(record, "requests", None)
    if given is not None:
        return given
    current = current_request()
    return (current,) if current else ()


class TextLines(logging.Formatter):
    """A line of text, with the names of its requests in brackets."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """Write the line without its traceback."""
        line = super().formatMessage(record)
        requests = _requests(record)
        return f"{line} [{' '.join(requests)}]" if requests else line


class JsonLines(logging.Formatter):
    """A JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the object."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        requests = _requests(record)
        if len(requests) == 1:
            fields["request_id"] = requests[0]
        elif requests:
            fields["request_ids"] = requests
        for key, value in getattr(record, "fields", {}).items():
            fields.setdefault(key, value)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False, default=str)


def write_log(form: LogFormat) -> None:
    """Write the log to standard error in this form, unless this process has a log already."""
    logging.getLogger("typeahead").setLevel(logging.INFO)
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root.addHandler(handler)
    # What Python warns of stands in the log, too, with a time.
    logging.captureWarnings(True)
