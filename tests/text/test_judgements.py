"""Judgements in BEIR's layout and in trec_eval's, but only one of them in a file."""

from __future__ import annotations

import pytest

from typeahead.text.judgements import Judgement, JudgementParser


@pytest.mark.parametrize("line", ["q\td\t2", "q d 2", "q\t0\td\t2", "q Q0 d 2", "q 0\td  2\r"])
def test_every_layout_gives_the_same_judgement(line: str) -> None:
    assert JudgementParser()(line) == Judgement("q", "d", 2)


def test_only_the_first_line_may_name_the_columns() -> None:
    parse = JudgementParser()
    assert parse("query-id\tcorpus-id\tscore") is None
    assert parse("q\td\t-1") == Judgement("q", "d", -1)
    with pytest.raises(ValueError, match="the grade 'score'"):
        parse("query-id\tcorpus-id\tscore")


def test_all_lines_of_a_file_have_the_same_number_of_columns() -> None:
    parse = JudgementParser()
    parse("q 0 d 1")
    with pytest.raises(ValueError, match="3 columns: expected"):
        parse("q d 1")
