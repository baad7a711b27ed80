"""MS MARCO, BEIR and Tevatron: what their specifications say, and every kind of line that breaks them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from training.data import (
    Collection,
    Group,
    Passage,
    Query,
    read_beir_corpus,
    read_beir_queries,
    read_collection,
    read_id_triples,
    read_judgements,
    read_queries,
    read_tevatron,
    read_triples,
    write_groups,
)
from typeahead.text.judgements import Judgement

#: reader, a good line and what it is, bad lines and what is said of them
CASES: list[tuple[Callable[[Path], Iterator[Any]], str, Any, list[tuple[str, str]]]] = [
    (
        read_collection,
        "7\tEggs boil.",
        Passage("7", "", "Eggs boil."),
        [
            ("7", "1 columns, not 2 or 3"),
            ("7\ta\tb\tc", "4 columns"),
            ("7\t ", "title and text are empty"),
            ("\tx", "the id '' is empty"),
        ],
    ),
    (read_collection, "7\tEggs\tThey boil.", Passage("7", "Eggs", "They boil."), []),
    (
        read_queries,
        "12\thow to boil eggs",
        Query("12", "how to boil eggs"),
        [
            ("12", "1 columns, not 2"),
            ("12\t", "query is empty"),
            (" \tx", "the id ' ' is empty"),
            ("1\ta\tb", "3 columns"),
        ],
    ),
    (
        read_judgements,
        "12\t0\t7\t1",
        Judgement("12", "7", 1),
        [("12\t7\t1", "3 columns"), ("12 0 7 one", "the grade 'one' is no whole number")],
    ),
    (read_judgements, "12 Q0 7 -1", Judgement("12", "7", -1), []),
    (
        read_triples,
        "eggs\tEggs boil.\tRain falls.",
        Group("1", "eggs", (Passage("", "", "Eggs boil."),), (Passage("", "", "Rain falls."),)),
        [("a\tb", "2 columns, not 3"), ("a\tb\t ", "a column is empty")],
    ),
    (
        read_beir_corpus,
        '{"_id": "d1", "title": "Eggs", "text": "They boil.", "metadata": {}}',
        Passage("d1", "Eggs", "They boil."),
        [
            ("{", "not JSON"),
            ("[1]", "a JSON list, not an object"),
            ('{"text": "a"}', "no field '_id' or 'docid' or 'id'; the fields are 'text'"),
            ('{"_id": "a", "text": 3}', "the field 'text' holds int '3', not text"),
            ('{"_id": "a", "text": ""}', "title and text are empty"),
            ('{"_id": "a", "text": "\\ud800"}', "the field 'text' holds a lone surrogate at position 0"),
            ('{"_id": true, "text": "a"}', "the id True is neither text nor an integer"),
        ],
    ),
    (read_beir_corpus, '{"docid": 5, "text": "They boil."}', Passage("5", "", "They boil."), []),
    (
        read_beir_queries,
        '{"_id": "q", "text": "eggs"}',
        Query("q", "eggs"),
        [
            ('{"_id": "q"}', "no field 'text'"),
            ('{"_id": "q r", "text": "a"}', "the id 'q r' has white space"),
            ('{"_id": "q", "text": " "}', "query is empty"),
        ],
    ),
    (
        read_tevatron,
        '{"query_id": "q", "query": "eggs", "answers": ["x"], "positive_passages": [{"docid": "1", "title": "Eggs", '
        '"text": "boil"}], "negative_passages": [{"docid": "2", "title": null, "text": "rain"}, {"text": "sun"}]}',
        Group("q", "eggs", (Passage("1", "Eggs", "boil"),), (Passage("2", "", "rain"), Passage("", "", "sun"))),
        [
            ('{"query": "a"}', "neither 'positive_passages' nor 'positives': the fields are 'query'"),
            ('{"query": "a", "positive_passages": []}', "positive_passages is empty"),
            ('{"query": "", "positive_passages": [{"text": "a"}]}', "query is empty"),
            ('{"query": "a", "positive_passages": ["x"]}', "positive_passages[0] is no object"),
            ('{"query": "a", "positive_passages": [{"text": ""}]}', "positive_passages[0].text is empty"),
            ('{"query": "a", "positive_passages": 3}', "positive_passages is no list"),
        ],
    ),
    (
        read_tevatron,
        '{"query": [5, 6], "positives": [[7, 8], "boil"], "negatives": [[9]]}',
        Group("1", (5, 6), (Passage("", "", (7, 8)), Passage("", "", "boil")), (Passage("", "", (9,)),)),
        [
            ('{"query": [5], "positives": [[]]}', "positives[0] holds a list that is not one of token ids"),
            ('{"query": [-1], "positives": ["a"]}', "query holds a list that is not one of token ids"),
            ('{"query": [true], "positives": ["a"]}', "query holds a list that is not one of token ids"),
        ],
    ),
]


@pytest.mark.parametrize(("read", "good", "expected", "bad"), CASES)
def test_a_reader_gives_what_it_can_use_and_names_the_rest(
    read: Callable[[Path], Iterator[Any]],
    good: str,
    expected: object,
    bad: list[tuple[str, str]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "file"
    path.write_text(good + "\n")
    assert list(read(path)) == [expected]
    assert not caplog.messages
    for line, reason in bad:
        caplog.clear()
        path.write_text(f"{good}\n{line}\n{good}\n")
        assert len(list(read(path))) == 2
        (warning,) = caplog.messages
        assert warning.startswith(f"{path}: 1 line left out: {path}:2: "), warning
        assert reason in warning


def test_the_first_line_of_judgements_may_name_their_columns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "test.tsv"
    path.write_text("query-id\tcorpus-id\tscore\nq\td\t2\nq\td\nq\td\tx\n")
    assert list(read_judgements(path)) == [Judgement("q", "d", 2)]
    assert f"{path}:3: 2 columns" in caplog.text
    assert f"{path}:4: the grade 'x' is no whole number" in caplog.text
    path.write_text("q\td\t2\n")
    assert list(read_judgements(path)) == [Judgement("q", "d", 2)]


def test_triples_by_id_take_their_texts_from_queries_and_collection(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "collection.tsv").write_text("1\tEggs boil.\n2\tRain falls.\n")
    path = tmp_path / "triples.tsv"
    path.write_bytes(b"q\t1\t2\r\nq\t1\t9\r\nnone\t1\t2\r\n")
    (group,) = read_id_triples(path, {"q": "eggs"}, Collection(tmp_path / "collection.tsv"))
    assert group == Group("q", "eggs", (Passage("1", "", "Eggs boil."),), (Passage("2", "", "Rain falls."),))
    assert f"{path}:2: passage '9' is not in" in caplog.text
    assert f"{path}:3: there is no query 'none'" in caplog.text


def test_groups_are_written_in_the_form_that_tevatron_documents(tmp_path: Path) -> None:
    path = tmp_path / "new" / "groups.jsonl"
    group = Group("q", "naïve eggs", (Passage("1", "Eggs", "boil"),), (Passage("2", "", "rain"),))
    assert write_groups(path, [group]) == 1
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "query_id": "q",
        "query": "naïve eggs",
        "positive_passages": [{"docid": "1", "title": "Eggs", "text": "boil"}],
        "negative_passages": [{"docid": "2", "title": "", "text": "rain"}],
    }
    tokens = Group("t", (5, 6), (Passage("", "", (7,)), Passage("", "", "text")), ())
    write_groups(path, [group, tokens])
    assert list(read_tevatron(path)) == [group, tokens]


def test_a_title_goes_before_the_text_with_what_the_encoder_was_trained_with_between() -> None:
    passage = Passage("1", "Eggs", "They boil.")
    assert passage.whole() == "Eggs They boil."
    assert Passage("1", "", "They boil.").whole() == "They boil."
    assert Passage("1", "Eggs", "").whole() == "Eggs"
    assert Passage("1", "Eggs", (3, 4)).whole() == (3, 4)
