"""Queries in the addresses that a web server logs: ``"GET /search?q=boil+an+egg HTTP/1.1"``."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

#: Parameters that hold a query. Where an address has several of them, the first in this list counts.
PARAMETERS = tuple(
    "q query search search_query searchquery search_term searchterm search_text searchtext querytext term keyword "
    "keywords kw text wd s k _nkw".split()
)
REQUEST = re.compile(r'"(?:GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH) (\S+)')
_PARAMETER = re.compile(r"[?&;]([\w%.\[\]-]{1,40})=([^&;#\s\"']*)")
_BOT = re.compile(r"bot\b|bot/|crawl|spider|slurp|curl/|wget/|python-requests|httpclient|headless", re.IGNORECASE)


def address_of(line: str) -> str:
    """The address in a line of an access log, or the line itself."""
    found = REQUEST.search(line)
    return found[1] if found else line


def is_by_bot(line: str) -> bool:
    """Whether the line names a program that is no browser."""
    return _BOT.search(line) is not None


def query_of(address: str, parameter: str | None = None) -> str | None:
    """The query in an address, perhaps empty; ``None`` if there is no such parameter."""
    if "=" not in address:
        return None
    found = dict(reversed(_PARAMETER.findall(address)))
    for name in (parameter,) if parameter is not None else PARAMETERS:
        if name in found:
            return _decoded(found[name])
    return None


def _decoded(value: str) -> str:
    raw = unquote_to_bytes(value.replace("+", " "))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        # Old browsers send the encoding of the page.
        return raw.decode("cp1252", "replace")
