"""The URL of a page is a base and a pattern."""

from __future__ import annotations

import pytest

from typeahead.text.markup.urls import check_pattern, page_url

BASE = "https://example.org/docs"


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("a/b.md", "{path}", "/a/b.md"),
        ("a/b.md", "{stem}", "/a/b"),
        ("a/b.md", "{stem}/", "/a/b/"),
        ("a/b.md", "v2/{stem}.html", "/v2/a/b.html"),
        ("a/index.md", "{stem}/", "/a/"),
        ("a/README.md", "{stem}/", "/a/"),
        ("index.md", "{stem}/", "/"),
        ("index.md", "{path}", "/index.md"),
        ("a/index.html", "{path}", "/a/"),
        ("index.html", "{path}", "/"),
        ("a/reindex.html", "{path}", "/a/reindex.html"),
        ("a b/ü?#.md", "{path}", "/a%20b/%C3%BC%3F%23.md"),
    ],
)
def test_the_pattern_makes_the_path(path: str, pattern: str, expected: str) -> None:
    assert page_url(path, BASE, pattern) == page_url(path, f"{BASE}/", pattern) == BASE + expected


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("https://other.org/x", "https://other.org/x"),
        ("/x/y/", f"{BASE}/x/y/"),
        ("x", f"{BASE}/a/x/"),
    ],
)
def test_a_page_may_name_its_own_url(own: str, expected: str) -> None:
    assert page_url("a/b.md", BASE, "{stem}/", own) == expected


def test_without_a_base_only_a_whole_url_counts() -> None:
    assert page_url("a/b.md", "", "{stem}", "/x") == ""
    assert page_url("a/b.md", "", "{stem}", "http://other.org") == "http://other.org"


@pytest.mark.parametrize("pattern", ["", "x", "{file}", "{path}{", "{path}/{x}"])
def test_a_pattern_without_a_place_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="URL pattern"):
        check_pattern(pattern)
