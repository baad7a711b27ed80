"""Lines of MS MARCO's files, with titles where they are asked for."""

from __future__ import annotations

import pytest

from typeahead.text.document import Document
from typeahead.text.msmarco import parse_msmarco


def test_a_line_is_an_id_and_a_text_without_white_space_around_it() -> None:
    assert parse_msmarco('7\t said "so ') == Document("7", "", 'said "so')


def test_a_title_is_read_only_where_files_have_titles() -> None:
    assert parse_msmarco("7\tT\tx", titles=True) == Document("7", "T", "x")
    assert parse_msmarco("7\tx", titles=True) == Document("7", "", "x")
    with pytest.raises(ValueError, match="3 columns, not 2"):
        parse_msmarco("7\tT\tx")


@pytest.mark.parametrize(("key", "message"), [("", "is empty"), ("a b", "has white space"), (" 7", "has white space")])
def test_an_id_that_no_run_file_can_hold_is_refused(key: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_msmarco(f"{key}\tx")
