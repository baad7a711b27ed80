"""Which format an Accept header prefers, beside what Werkzeug makes of the same header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from typeahead.server.http.accept import MAX_CHARS, preferred

JSON, BINARY, LINES = "application/json", "application/octet-stream", "application/x-ndjson"
OFFERS = (JSON, BINARY, LINES)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", JSON),
        (" , ,", JSON),
        ("*/*", JSON),
        ("application/json;q=0.1, application/octet-stream", BINARY),
        ("application/octet-stream;q=0.1, application/json", JSON),
        ("application/octet-stream, application/json", BINARY),
        ("application/octet-stream;q=0.5, */*;q=0.5", BINARY),
        ("*/*, application/octet-stream", BINARY),
        ("*/*;q=0.1, application/octet-stream", BINARY),
        ("application/*;q=0.2, */*;q=0.9", JSON),
        ("*/*, application/json;q=0", BINARY),
        ("application/*, application/json;q=0.000, application/octet-stream;q=0", LINES),
        ("application/json;q=0", None),
        ("*/*;q=0", None),
        ("application/*;q=0, */*", None),
        ("text/html", None),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        ("APPLICATION/Octet-Stream;Q=1", BINARY),
        ("application/octet-stream ; q=1.0 , application/json;q=0.999", BINARY),
        ("application/json; charset=utf-8", JSON),
        ("text/html, image/gif, *; q=.2, */*; q=.2", JSON),
        ("application/jsonl, application/json;q=0.5", LINES),
        ("application/x-ndjson;q=0, application/jsonl;q=0, application/*", JSON),
    ],
)
def test_the_largest_weight_wins_and_the_most_specific_range_gives_it(header: str, expected: str | None) -> None:
    assert preferred(header, OFFERS, {"application/jsonl": LINES}) == expected


@pytest.mark.parametrize(
    "malformed", ["application", "application/", "/json", "a/b/c", "application/json/q=1", "json;q=1"]
)
def test_a_range_that_cannot_be_read_is_skipped(malformed: str) -> None:
    assert preferred(malformed, OFFERS, {}) is None
    assert preferred(f"{malformed}, application/x-ndjson;q=0.5", OFFERS, {}) == LINES


@pytest.mark.parametrize("weight", ["", "x", "1.5", "-1", "nan", "inf", "0x1"])
def test_a_weight_that_is_no_number_from_0_to_1_counts_as_1(weight: str) -> None:
    assert preferred(f"application/json;q=0.9, application/octet-stream;q={weight}", OFFERS, {}) == BINARY


def test_what_lies_beyond_the_bound_is_not_read() -> None:
    far = "text/html," * (MAX_CHARS // 10)
    assert preferred(far + JSON, OFFERS, {}) is None
    assert preferred(f"{BINARY};q=0.5,{far}{JSON}", OFFERS, {}) == BINARY


weights = st.sampled_from(["", ";q=0", ";q=0.0", ";q=0.25", "; q=0.5", ";q=0.75", ";q=1", ";q=1.000"])
names = ["*/*", "application/*", "text/*", "text/html", *OFFERS]
headers = st.lists(st.tuples(st.sampled_from(names), weights), min_size=1, unique_by=lambda one: one[0]).map(
    lambda ranges: ", ".join(name + weight for name, weight in ranges)
)


@given(headers)
def test_werkzeug_gives_no_format_a_larger_weight_than_the_one_that_is_preferred(header: str) -> None:
    best = preferred(header, OFFERS, {})
    werkzeug = parse_accept_header(header, MIMEAccept)
    qualities = {offer: werkzeug.quality(offer) for offer in OFFERS}
    if best is None:
        assert not any(qualities.values())
    else:
        assert qualities[best] == max(qualities.values()) > 0


@given(st.text(alphabet='aA*/;,=q."\\ 019\t', max_size=40) | st.text(max_size=20))
def test_any_header_is_read_without_an_error(header: str) -> None:
    assert preferred(header, OFFERS, {}) in (*OFFERS, None)
