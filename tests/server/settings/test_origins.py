from __future__ import annotations

import pytest

from typeahead.server.settings.origins import parse_origin


@pytest.mark.parametrize(
    ("origin", "parsed"),
    [
        ("http://example.org", ("http", "example.org", 80)),
        ("https://EXAMPLE.org", ("https", "example.org", 443)),
        ("http://[::1]:8765", ("http", "::1", 8765)),
        ("null", None),
        ("file://", None),
        ("https://example.org/", None),
        ("https://user@example.org", None),
        ("https://example.org:x", None),
        ("https://[::1", None),
        ("", None),
    ],
)
def test_an_origin_is_a_scheme_a_host_and_a_port(origin: str, parsed: tuple[str, str, int] | None) -> None:
    assert parse_origin(origin) == parsed
