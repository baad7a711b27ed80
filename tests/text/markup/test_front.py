"""Front matter names the page, marks drafts, and gives fields."""

from __future__ import annotations

import pytest

from typeahead.text.markup.front import Front, split_front


@pytest.mark.parametrize(
    ("yaml", "title"),
    [
        ("title: >-\n  Two\n  lines", "Two lines"),
        ("title: 'It''s'", "It's"),
        ('title: "T: t"', "T: t"),
        ("title: T # a comment", "T"),
        ("Title: T", "T"),
        ("title: 2024", "2024"),
        ("title: 2024-05-01", "2024-05-01"),
        ("title:", ""),
        ("", ""),
        ("# a comment", ""),
    ],
)
def test_the_title_is_read_as_yaml(yaml: str, title: str) -> None:
    front, rest = split_front(f"---\n{yaml}\n---\ntext\n")
    assert front.title == title
    assert rest == "text\n"


def test_toml_stands_between_plus_signs() -> None:
    front, rest = split_front('+++\ntitle = "T"\ndate = 2024-05-01T10:00:00+02:00\n[params]\nx = 1\n+++\ntext')
    assert front == Front("T", fields={"date": "2024-05-01T08:00:00Z"})
    assert rest == "text"


def test_a_byte_order_mark_and_white_space_behind_the_rules_do_not_matter() -> None:
    assert split_front("\ufeff--- \ntitle: T\n...\t\nx") == (Front("T"), "x")


def test_values_and_lists_of_them_become_fields() -> None:
    front, _ = split_front(
        "---\ntags: [a, b]\nweight: 3\nnew: true\ndate: 2024-05-01\nat: 2024-05-01 10:00:00\nauthor: {name: x}\n"
        "none:\nempty: []\nnested: [[1]]\nmixed: [1, a]\npublished: 2024-05-02\n---\n"
    )
    assert front.fields == {
        "tags": ["a", "b"],
        "weight": 3,
        "new": True,
        "date": "2024-05-01",
        "at": "2024-05-01T10:00:00",
        "mixed": ["1", "a"],
        "published": "2024-05-02",
    }


@pytest.mark.parametrize(
    ("yaml", "is_draft"),
    [
        ("draft: true", True),
        ("draft: yes", True),
        ('draft: "true"', True),
        ("published: false", True),
        ("draft: false", False),
        ("published: true", False),
        ("published: 2024-05-02", False),
        ("x: draft", False),
    ],
)
def test_drafts_are_known(yaml: str, is_draft: bool) -> None:
    assert split_front(f"---\n{yaml}\n---\n")[0].draft == is_draft


@pytest.mark.parametrize(
    "text", ["---\ntext\n---\nmore", "---\n\ntext", "text\n---\na: b\n---\n", "- a\n---\n", "---", ""]
)
def test_rules_round_text_are_no_front_matter(text: str) -> None:
    assert split_front(text) == (Front(), text)


@pytest.mark.parametrize(
    "text",
    [
        "---\na: [\n---\n",
        "---\n{{ x }}\n---\n",
        "---\ndate: 2024-13-45\n---\n",
        "---\na: !!python/object:os.system x\n---\n",
        "+++\na =\n+++\n",
    ],
)
def test_what_cannot_be_read_is_an_error_for_it_may_mark_a_draft(text: str) -> None:
    with pytest.raises(ValueError, match=r"the front matter is not (YAML|TOML): "):
        split_front(text)
