"""Lines of BEIR folders, where an id stands in one of several fields."""

from __future__ import annotations

from pathlib import Path

import pytest

from typeahead.text.beir import existing, parse_beir
from typeahead.text.document import Document


def test_a_title_may_be_missing_or_null_and_both_texts_stay_as_they_stand() -> None:
    assert parse_beir('{"_id": 7, "title": " T", "text": "x "}') == Document("7", " T", "x ")
    assert parse_beir('{"_id": "a", "title": null, "text": ""}') == parse_beir('{"_id": "a", "text": ""}')


def test_the_first_field_of_an_id_wins() -> None:
    assert parse_beir('{"docid": "d", "_id": "a", "text": "x"}', ("_id", "docid")).id == "a"
    with pytest.raises(ValueError, match="no field '_id'; the fields are 'docid', 'text'"):
        parse_beir('{"docid": "d", "text": "x"}')


def test_a_file_is_found_plain_or_gzipped(tmp_path: Path) -> None:
    assert existing(tmp_path, "corpus.jsonl") is None
    (tmp_path / "corpus.jsonl.gz").touch()
    assert existing(tmp_path, "corpus.jsonl") == tmp_path / "corpus.jsonl.gz"
    (tmp_path / "corpus.jsonl").touch()
    assert existing(tmp_path, "corpus.jsonl") == tmp_path / "corpus.jsonl"
