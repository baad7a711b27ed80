"""Passages by id and row, judged queries, and groups in any order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.data import Collection, Group, GroupFile, Passage, read_groups, write_groups
from training.data.judged import Judged
from typeahead.errors import SourceError


@pytest.fixture
def marco(tmp_path: Path) -> Path:
    (tmp_path / "collection.tsv").write_text("".join(f"p{n}\tpassage {n}\n" for n in range(20)))
    (tmp_path / "queries.tsv").write_text("q1\tone\nq2\ttwo\nq3\tthree\nq4\tnot judged\n")
    (tmp_path / "qrels.tsv").write_text(
        "q1 0 p1 1\nq1 0 p2 1\nq1 0 p1 1\nq2 0 p99 1\nq3 0 p3 2\nq3 0 p4 0\nq9 0 p4 1\nq3 0 p5 1\n"
    )
    return tmp_path


def test_a_collection_finds_passages_by_id_and_by_row(marco: Path) -> None:
    collection = Collection(marco / "collection.tsv")
    assert len(collection) == 20
    assert [passage.id for passage in collection] == [f"p{n}" for n in range(20)]
    assert collection[7] == collection.get("p7") == Passage("p7", "", "passage 7")
    assert collection.row("p19") == 19
    assert "p20" not in collection
    with pytest.raises(KeyError):
        collection.get("none")
    with pytest.raises(IndexError):
        collection[20]


def test_a_collection_without_a_last_line_break_and_with_bad_lines_keeps_its_places(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"_id": "a", "text": "eins"}\r\nbad\n{"_id": 2, "title": "T", "text": "z\xc3\xa4hl"}'
    )
    collection = Collection(tmp_path)
    assert [collection[0], collection[1]] == [Passage("a", "", "eins"), Passage("2", "T", "zähl")]
    assert f"{path}:2: not JSON" in caplog.text


def test_a_collection_with_two_passages_of_one_id_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.tsv").write_text("a\tone\nb\ttwo\nc\tthree\nb\tfour\n")
    with pytest.raises(SourceError, match="the id 'b' of passage 4 is that of passage 2"):
        Collection(tmp_path / "c.tsv")


@pytest.mark.parametrize("content", ["bad\n", ""])
def test_a_collection_without_a_passage_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "c.tsv").write_text(content)
    with pytest.raises(SourceError, match="no line that can be used"):
        Collection(tmp_path / "c.tsv")


def test_a_packed_collection_is_refused_since_it_is_read_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "c.tsv.gz").write_bytes(b"")
    with pytest.raises(SourceError, match="unpack it"):
        Collection(tmp_path / "c.tsv.gz")


def test_judgements_of_what_is_not_there_are_named_by_line(marco: Path, caplog: pytest.LogCaptureFixture) -> None:
    judged = Judged.open(marco / "collection.tsv", marco / "queries.tsv", marco / "qrels.tsv")
    assert judged.relevant == {"q1": ("p1", "p2"), "q3": ("p3", "p5")}
    assert judged.queries == {"q1": "one", "q3": "three"}
    assert f"{marco / 'qrels.tsv'}:4: passage 'p99' is not in" in caplog.text
    assert f"{marco / 'qrels.tsv'}:7: there is no query 'q9'" in caplog.text
    first, second = judged.groups()
    assert first == Group("q1", "one", (Passage("p1", "", "passage 1"), Passage("p2", "", "passage 2")))
    assert second.query_id == "q3"


def test_what_is_only_somewhat_relevant_is_neither_an_answer_nor_free_to_be_a_negative(marco: Path) -> None:
    judged = Judged.open(marco / "collection.tsv", marco / "queries.tsv", marco / "qrels.tsv", relevant_from=2)
    assert judged.relevant == {"q3": ("p3",)}
    assert judged.doubtful == {"q3": {"p5"}}


def test_a_beir_folder_is_read_as_the_same_files_of_ms_marco_are(marco: Path, tmp_path: Path) -> None:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(
        "".join(json.dumps({"_id": f"p{n}", "title": "", "text": f"passage {n}"}) + "\n" for n in range(20))
    )
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "one"}\n{"_id": "q3", "text": "three"}\n')
    (folder / "qrels" / "train.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\tp1\t1\nq1\tp2\t1\nq3\tp3\t2\nq3\tp4\t0\nq3\tp5\t1\n"
    )
    beir, tsv = Judged.open(folder), Judged.open(marco / "collection.tsv", marco / "queries.tsv", marco / "qrels.tsv")
    assert list(beir.groups()) == list(tsv.groups())
    assert beir.relevant == tsv.relevant


def test_files_that_cannot_be_judged_queries_say_what_is_missing(marco: Path) -> None:
    with pytest.raises(SourceError, match="name its queries and its qrels"):
        Judged.open(marco / "collection.tsv")
    (marco / "none.tsv").write_text("q1 0 p1 0\n")
    with pytest.raises(SourceError, match="no query has a passage of grade 1"):
        Judged.open(marco / "collection.tsv", marco / "queries.tsv", marco / "none.tsv")


def test_groups_are_read_in_any_order_and_equal_those_of_the_stream(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "groups.jsonl"
    groups = [Group(str(n), f"query {n}", (Passage(f"p{n}", "ü" * n, "text"),)) for n in range(50)]
    write_groups(path, groups)
    path.write_bytes(b"{}\n" + path.read_bytes() + b'{"query": "last", "positives": ["x"]}')
    file = GroupFile(path)
    assert len(file) == 51
    assert [file[row] for row in range(50)][::-1] == groups[::-1]
    assert list(file) == list(read_groups(str(path)))
    assert file[50].query_id == "52", "a group without an id is called by its line"
    assert f"{path}:1: neither" in caplog.text


def test_groups_of_every_kind_are_told_by_their_name(marco: Path) -> None:
    (marco / "triples.tsv").write_text("one\ta\tb\n")
    (marco / "ids.tsv").write_text("q1\tp1\tp7\n")
    judged = Judged.open(marco / "collection.tsv", marco / "queries.tsv", marco / "qrels.tsv")
    (by_text,) = read_groups(f"triples:{marco}/triples.tsv")
    (by_id,) = read_groups(f"id-triples:{marco}/ids.tsv", judged)
    assert by_text.negatives[0].text == "b"
    assert by_id.negatives[0] == Passage("p7", "", "passage 7")
    with pytest.raises(SourceError, match="a collection"):
        next(read_groups(f"id-triples:{marco}/ids.tsv"))
