"""Datasets: three forms of one collection, and everything that can be wrong with files."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.evaluate.layouts import PASSAGES, QRELS, QUERIES, register_msmarco, write_beir, write_msmarco
from typeahead.errors import MissingExtra, SourceError, TypeaheadError
from typeahead.evaluate.data import catalogue, collection, dataset_files
from typeahead.evaluate.data.catalogue import CatalogueDataset
from typeahead.evaluate.data.datasets import Dataset, Passage, open_dataset
from typeahead.text.document import Document
from typeahead.text.ids import PassageIds
from typeahead.text.reading import MAX_LINE

A = '{"_id": "a", "text": "one"}\n'
B = '{"_id": "b", "text": "two"}\n'


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    return write_beir(tmp_path / "tiny")


@pytest.fixture
def msmarco(tmp_path: Path) -> Path:
    return write_msmarco(tmp_path / "marco")


def content(dataset: Dataset) -> tuple[Any, ...]:
    """Everything but the name."""
    passages = dataset.collection
    return (
        list(dataset.queries.items()),
        [(query, list(grades.items())) for query, grades in dataset.qrels.items()],
        dataset.relevant_from,
        dataset.passage_count,
        list(dataset.passages()),
        list(passages.ids),
        passages.digest(0, len(passages)),
        dataset.warnings,
    )


@pytest.mark.parametrize("name", ["collection.tsv", "corpus.tsv"])
def test_a_collection_with_titles_is_read_as_an_index_and_training_read_it(name: str, msmarco: Path) -> None:
    from training.data import Collection as TrainingCollection

    (msmarco / "collection.tsv").unlink()
    (msmarco / name).write_text("".join(f"{key}\tEggs\t{text}\n" for key, text in PASSAGES.items()))
    read = list(open_dataset(msmarco, split="dev.small").passages())
    assert [one.text for one in read] == [f"Eggs {text}".strip() for text in PASSAGES.values()]
    assert [one.text for one in read] == [one.whole() for one in TrainingCollection(msmarco / name)]
    assert read[0].text == Document("1", "Eggs", PASSAGES[read[0].id]).passage


def test_a_collection_is_the_same_dataset_in_beir_form_in_tsv_form_and_from_ir_datasets(
    beir: Path, msmarco: Path
) -> None:
    expected = content(open_dataset(beir))
    assert content(open_dataset(str(msmarco), split="dev.small")) == expected
    assert content(open_dataset(register_msmarco(msmarco))) == expected
    passages = [Passage(key, text) for key, text in PASSAGES.items()]
    assert content(Dataset.from_memory("tiny", passages, QUERIES, QRELS)) == expected


def test_queries_keep_the_order_of_their_file_and_only_judged_ones_are_kept(beir: Path) -> None:
    dataset = open_dataset(beir)
    assert dataset.name == "tiny"
    assert list(dataset.queries) == ["1048585", "300674"]
    assert list(dataset.qrels) == ["1048585", "300674"]
    assert dataset.qrels["1048585"] == {"7067032": 1, "12": 1, "0": 0}
    assert [passage.text for passage in dataset.passages()] == list(PASSAGES.values())
    assert [passage.id for passage in dataset.passages(3)] == ["8841822", "500"]
    assert list(dataset.passages(5)) == []


@pytest.mark.parametrize(
    "judgement",
    [
        "{query}\t0\t{passage}\t{grade}",
        "{query} Q0 {passage} {grade}",
        "{query} 0\t{passage} {grade}\r",
        "{query}\t{passage}\t{grade}",
    ],
)
def test_judgements_are_read_in_every_form_that_trec_and_ms_marco_have_given_them(
    tmp_path: Path, judgement: str
) -> None:
    folder = write_msmarco(tmp_path / "marco", judgement=judgement)
    assert open_dataset(folder, split="dev.small").qrels == {query: QRELS[query] for query in ("1048585", "300674")}


def test_gzipped_files_and_a_byte_order_mark_and_empty_lines_make_no_difference(beir: Path, tmp_path: Path) -> None:
    other = write_beir(tmp_path / "other")
    corpus = (other / "corpus.jsonl").read_bytes()
    (other / "corpus.jsonl").unlink()
    (other / "corpus.jsonl.gz").write_bytes(gzip.compress(corpus))
    (other / "queries.jsonl").write_bytes(
        b"\xef\xbb\xbf" + (other / "queries.jsonl").read_bytes().replace(b"\n", b"\r\n\n")
    )
    assert content(open_dataset(other)) == content(open_dataset(beir))


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    passages = {"1": "vertical\vtab\fpage\x1cfile\x85next\u2028line", "2": "carriage\rreturn"}
    folder = write_msmarco(tmp_path / "marco", passages, QUERIES, {"2": {"1": 1}})
    assert [passage.text for passage in open_dataset(folder, split="dev.small").passages()] == list(passages.values())


def test_streaming_from_any_row_gives_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_files, "_CHECKPOINT", 4)
    passages = {f"p{row}": f"text of {row}" for row in range(23)}
    folder = write_beir(tmp_path / "many", passages, {"q": "text"}, {"q": {"p3": 1}})
    corpus = (folder / "corpus.jsonl").read_bytes().replace(b"\n", b"\n\n")
    (folder / "corpus.jsonl").write_bytes(corpus)
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(corpus))
    plain = open_dataset(folder)
    (folder / "corpus.jsonl").rename(folder / "corpus")
    packed = open_dataset(folder)
    (folder / "corpus").rename(folder / "corpus.jsonl")
    whole = list(plain.passages())
    assert [passage.id for passage in whole] == list(passages)
    for start in range(24):
        assert list(plain.passages(start)) == list(packed.passages(start)) == whole[start:]


def test_reading_tells_how_far_it_is(beir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "_REPORT", 2)
    told: list[tuple[str, int, int | None]] = []
    open_dataset(beir, progress=lambda *arguments: told.append(arguments))
    assert told == [("reading tiny", 2, None), ("reading tiny", 4, None), ("reading tiny", 5, 5)]


def test_two_streams_of_one_dataset_do_not_disturb_each_other(beir: Path) -> None:
    dataset = open_dataset(beir)
    first, second = dataset.passages(), dataset.passages(1)
    assert [next(first).id, next(second).id, next(first).id, next(second).id] == ["7067032", "0", "0", "12"]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("corpus.jsonl", f"{A}\n{B}{A}", r"corpus\.jsonl:4: the id 'a' is that of line 1"),
        ("corpus.jsonl", '{"_id": "1", "text": "a"}\n{"_id": "2", "te', r"corpus\.jsonl:2: not JSON: .*character 14"),
        ("corpus.jsonl", '["1", "a"]\n', r"corpus\.jsonl:1: a JSON list"),
        ("corpus.jsonl", '{"_id": "1"}\n', r"corpus\.jsonl:1: no field 'text'"),
        ("corpus.jsonl", '{"_id": "1", "text": null}\n', r"corpus\.jsonl:1: the field 'text' holds NoneType"),
        ("corpus.jsonl", '{"_id": "1", "title": 3, "text": "a"}\n', r"corpus\.jsonl:1: the field 'title' holds int"),
        ("corpus.jsonl", '{"_id": "", "text": "a"}\n', r"corpus\.jsonl:1: the id '' is empty"),
        ("corpus.jsonl", '{"_id": "a b", "text": "a"}\n', r"corpus\.jsonl:1: the id 'a b' has white space"),
        ("corpus.jsonl", '{"_id": true, "text": "a"}\n', r"corpus\.jsonl:1: the id True is neither"),
        ("corpus.jsonl", '{"_id": "\\ud800", "text": "a"}\n', r"corpus\.jsonl:1: .*'_id' holds a lone surrogate"),
        ("corpus.jsonl", '{"_id": "1", "text": "a\\udfff"}\n', r"corpus\.jsonl:1: .*'text' holds a lone surrogate"),
        ("corpus.jsonl", "[" * 100_000 + "\n", r"corpus\.jsonl:1: "),
        ("corpus.jsonl", "\n\n", r"corpus\.jsonl: there is no passage"),
        ("corpus.jsonl", b'\n{"_id": "2", "text": "\xff"}\n', r"corpus\.jsonl:2: not UTF-8: byte 0xff at position 22"),
        ("corpus.jsonl", '{"_id": "1"}'.encode("utf-16"), r"corpus\.jsonl: is UTF-16"),
        ("queries.jsonl", A + A, r"queries\.jsonl:2: the id 'a' is that of line 1"),
        ("queries.jsonl", '{"_id": "2", "text": "a"}\n', r"queries\.jsonl: none of its 1 queries is judged.*'300674'"),
        ("qrels/test.tsv", "q p 1 0 1\n", r"test\.tsv:1: 5 columns"),
        ("qrels/test.tsv", " \n", r"test\.tsv:1: 0 columns"),
        ("qrels/test.tsv", "1048585\t0\t12\t\n", r"test\.tsv:1: the grade ''"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n1048585\t0\n", r"test\.tsv:2: 2 columns"),
        ("qrels/test.tsv", "1048585\t0\t1\n1048585\t0\t12\t1\n", r"test\.tsv:2: 4 columns"),
        ("qrels/test.tsv", "1048585\t0\t1.5\n", r"test\.tsv:1: the grade '1\.5'"),
        ("qrels/test.tsv", "1048585\t0\t12345678901\n", r"test\.tsv:1: the grade '12345678901'"),
        ("qrels/test.tsv", "1048585\t0\t²\n", r"test\.tsv:1: the grade '²'"),
        ("qrels/test.tsv", "1048585\t\t1\n", r"test\.tsv:1: the id '' is empty"),
        ("qrels/test.tsv", "1048585\t0\t1\n1048585\t0\t2\n", r"test\.tsv:2: .* with grade 2 here and 1 before"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n", r"test\.tsv: there is no judgement"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_beir_file_is_said_with_path_and_line(
    beir: Path, file: str, text: str | bytes, message: str
) -> None:
    (beir / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SourceError, match=message) as caught:
        open_dataset(beir)
    assert caught.value.path == beir / file


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("collection.tsv", "1\ta\n2 b\n", r"collection\.tsv:2: 1 columns"),
        ("collection.tsv", "D1\thttp://a\ttitle\tbody\n", r"collection\.tsv:1: 4 columns"),
        ("collection.tsv", "1\ta\n2\tb\n1\tc\n", r"collection\.tsv:3: the id '1' is that of line 1"),
        ("collection.tsv", "", r"collection\.tsv: there is no passage"),
        ("queries.dev.small.tsv", "2\ta\n2\tb\n", r"queries\.dev\.small\.tsv:2: the id '2' is that of line 1"),
        ("queries.dev.small.tsv", "2\n", r"queries\.dev\.small\.tsv:1: 1 columns"),
        ("qrels.dev.small.tsv", "2 0 12 yes\n", r"qrels\.dev\.small\.tsv:1: the grade 'yes'"),
    ],
)
def test_what_is_wrong_with_a_tsv_file_is_said_with_path_and_line(
    msmarco: Path, file: str, text: str, message: str
) -> None:
    (msmarco / file).write_text(text)
    with pytest.raises(SourceError, match=message):
        open_dataset(msmarco, split="dev.small")


def test_a_gzipped_file_that_was_cut_short_or_damaged_is_refused(beir: Path) -> None:
    whole = gzip.compress(np.random.default_rng(0).bytes(1000) + (beir / "corpus.jsonl").read_bytes())
    (beir / "corpus.jsonl").unlink()
    for broken in (whole[:-12], whole[:100], b"\x1f\x8b" + b"\0" * 30, b"no gzip\n"):
        (beir / "corpus.jsonl.gz").write_bytes(broken)
        with pytest.raises(SourceError, match=r"corpus\.jsonl\.gz"):
            open_dataset(beir)


def test_a_file_without_line_breaks_is_refused_before_it_fills_the_memory(beir: Path) -> None:
    with (beir / "corpus.jsonl").open("wb") as file:
        file.truncate(MAX_LINE * 4)
    with pytest.raises(SourceError, match=r"corpus\.jsonl:1: the line is longer than"):
        open_dataset(beir)


def test_what_is_odd_is_counted_with_an_example(tmp_path: Path) -> None:
    folder = write_beir(
        tmp_path / "odd",
        {"p1": "a text", "p2": "", "p3": "another text"},
        {"q1": "text", "q2": " ", "q3": "hopeless"},
        {"q1": {"p1": 2, "p8": 1, "p9": 1}, "q2": {"p1": 1}, "q3": {"p3": 0, "p1": -1}, "q7": {"p1": 1}},
    )
    with (folder / "qrels" / "test.tsv").open("a") as file:
        file.write("q1\tp1\t2\n")
    dataset = open_dataset(folder)
    assert dataset.queries == {"q1": "text", "q2": "", "q3": "hopeless"}
    assert dataset.qrels == {"q1": {"p1": 2, "p8": 1, "p9": 1}, "q2": {"p1": 1}, "q3": {"p3": 0, "p1": -1}}
    assert dataset.warnings == [
        "judgements that stand there twice: 1, such as 'q1 p1'; they count once",
        "judged queries that do not exist: 1, such as 'q7'; they are left out",
        "empty queries: 1, such as 'q2'; they find nothing and count as 0",
        "judged passages that are not in the collection: 2, such as 'p8'; they are not found",
        "passages without text: 1, such as 'p2'; they are encoded as they are",
        "grades go up to 2; for RR and R a passage counts as relevant from 1 on",
        "queries without a passage of grade 1 or more: 1, such as 'q3'; RR and R of them are 0",
    ]
    strict = open_dataset(folder, relevant_from=2)
    assert strict.relevant_from == 2
    assert strict.warnings[-1].startswith("queries without a passage of grade 2 or more: 2")


def test_a_tsv_file_that_may_have_been_cut_short_is_a_warning(msmarco: Path) -> None:
    path = msmarco / "collection.tsv"
    path.write_bytes((path.read_bytes() + b"9\tThe last passage")[:-3])
    assert "collection.tsv does not end with a line break" in open_dataset(msmarco, split="dev.small").warnings[-1]


def test_a_threshold_below_one_is_refused(beir: Path) -> None:
    with pytest.raises(TypeaheadError, match="relevant_from is 0"):
        open_dataset(beir, relevant_from=0)


def test_passages_that_change_after_they_were_checked_are_refused(beir: Path) -> None:
    dataset = open_dataset(beir)
    corpus = beir / "corpus.jsonl"
    lines = corpus.read_bytes().splitlines(keepends=True)
    corpus.write_bytes(b"".join([*lines[:2], lines[2].replace(b"butter", b"BUTTER"), *lines[3:]]))
    with pytest.raises(SourceError, match=r"corpus\.jsonl:3: passage '12' has changed"):
        list(dataset.passages())
    corpus.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(SourceError, match=r"ends after 4 passages, 5 were read before"):
        list(dataset.passages())


def test_a_digest_tells_ids_and_texts_apart() -> None:
    def digest(*passages: tuple[str, str]) -> str:
        dataset = Dataset.from_memory("d", [Passage(*passage) for passage in passages], {"q": "a"}, {"q": {"a": 1}})
        return dataset.collection.digest(0, len(passages))

    assert digest(("a", "bc")) != digest(("ab", "c"))
    assert digest(("a", ""), ("b", "")) != digest(("b", ""), ("a", ""))


def test_a_folder_or_split_that_is_not_there_is_named_with_what_is(beir: Path, msmarco: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"train\.tsv: there is no such file.*qrels/test\.tsv"):
        open_dataset(beir, split="train")
    with pytest.raises(SourceError, match=r"qrels\.test\.tsv: there is no such file.*qrels\.dev\.small\.tsv"):
        open_dataset(msmarco)
    with pytest.raises(SourceError, match="there is no such folder"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="is a file"):
        open_dataset(beir / "corpus.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="holds no dataset: a BEIR folder has"):
        open_dataset(tmp_path / "empty")
    (beir / "queries.jsonl").unlink()
    with pytest.raises(SourceError, match=r"queries\.jsonl: there is no such file"):
        open_dataset(beir)
    (beir / "collection.tsv").touch()
    with pytest.raises(SourceError, match="which is meant"):
        open_dataset(beir)


def test_a_folder_wins_over_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_beir(tmp_path / "beir" / "nfcorpus" / "test")
    monkeypatch.chdir(tmp_path)
    assert open_dataset("beir/nfcorpus/test").passage_count == len(PASSAGES)


def test_ids_that_the_catalogue_lacks_are_refused() -> None:
    with pytest.raises(SourceError, match="'no/such/id' is neither a folder nor an id"):
        open_dataset("no/such/id")
    with pytest.raises(SourceError, match=r"msmarco-passage/test: choose one of .*msmarco-passage/dev/small"):
        open_dataset("msmarco-passage")


def test_without_ir_datasets_an_id_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(MissingExtra, match=r'pip install .*\[evaluate\]"'):
        open_dataset("beir/nfcorpus/test")


@pytest.mark.parametrize(
    ("name", "split", "found", "collection", "relevant_from", "count"),
    [
        ("msmarco-passage/dev/small", "test", "msmarco-passage/dev/small", "msmarco-passage", 1, 8_841_823),
        ("msmarco-passage", "dev.small", "msmarco-passage/dev/small", "msmarco-passage", 1, 8_841_823),
        ("msmarco-passage/trec-dl-2020", "test", "msmarco-passage/trec-dl-2020", "msmarco-passage", 2, 8_841_823),
        ("msmarco-document/trec-dl-2019", "test", "msmarco-document/trec-dl-2019", "msmarco-document", 1, 3_213_835),
        ("beir/nfcorpus", "test", "beir/nfcorpus/test", "beir/nfcorpus", None, 3633),
        ("natural-questions", "test", "natural-questions/dev", "natural-questions", None, 28_390_850),
    ],
)  # fmt: skip
def test_the_catalogue_knows_parts_collections_and_thresholds_of_tracks(
    name: str, split: str, found: str, collection: str, relevant_from: int | None, count: int
) -> None:
    entry = CatalogueDataset(name, split)
    assert (entry.name, entry.collection_name, entry.passage_count) == (found, collection, count)
    assert entry.relevant_from == relevant_from


class Broken:
    """A dataset of a catalogue, some of which cannot be read."""

    def __init__(self, **records: Any) -> None:
        for name, value in records.items():
            setattr(self, f"{name}_iter", value)

    def docs_count(self) -> None:
        return None


def catalogue_with(monkeypatch: pytest.MonkeyPatch, **records: Any) -> None:
    def failing() -> Iterator[Any]:
        yield SimpleNamespace(query_id="q", doc_id="p", relevance=1)
        raise ConnectionError("no route to host")

    given: Mapping[str, Any] = {"qrels": failing, **records}
    fake = SimpleNamespace(load=lambda _: Broken(**given), docs_parent_id=lambda name: name)
    monkeypatch.setitem(sys.modules, "ir_datasets", fake)
    monkeypatch.setattr(catalogue, "_judged", lambda _, name, __: name)


def test_whatever_fails_within_ir_datasets_is_an_error_with_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue_with(monkeypatch)
    with pytest.raises(
        SourceError, match=r"some/id: number 1: ir_datasets cannot read its judgements \(ConnectionError"
    ):
        open_dataset("some/id")


def test_records_of_ir_datasets_are_checked_as_lines_of_files_are(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue_with(monkeypatch, qrels=lambda: iter([SimpleNamespace(query_id="q", doc_id="p", relevance="1")]))
    with pytest.raises(SourceError, match="some/id: number 1: judgements: the grade '1' is no whole number"):
        open_dataset("some/id")
    catalogue_with(monkeypatch, qrels=lambda: iter([SimpleNamespace(query_id="q 1", doc_id="p", relevance=1)]))
    with pytest.raises(SourceError, match="some/id: number 1: judgements: the id 'q 1'"):
        open_dataset("some/id")


def test_ids_by_the_million_are_a_sequence_that_knows_no_negative_row() -> None:
    keys = ["0", "", "ü", "long" * 99, "0"]
    ids = PassageIds(keys)
    assert list(ids) == keys
    assert ids[2] == "ü"
    assert ids[1:3] == ["", "ü"]
    assert ids.of(np.array([[3, 0], [4, 4]])) == [keys[3], "0", "0", "0"]
    assert ids == PassageIds(keys)
    assert ids != PassageIds(keys[:-1])
    for row in (-1, 5):
        with pytest.raises(IndexError, match=f"row {row} is none of 5"):
            ids.of([row])
    assert ids.repeated() == (0, 4)
    assert PassageIds(keys[:-1]).repeated() is None
    assert PassageIds().repeated() is None


def test_ids_of_one_hash_are_not_taken_for_one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typeahead.text.ids.hash", lambda key: len(key), raising=False)
    assert PassageIds(["ab", "cd", "ef"]).repeated() is None
    assert PassageIds(["ab", "cd", "x", "cd"]).repeated() == (1, 3)


def test_the_shared_collections_open_without_surprise(shared_data: Path) -> None:
    for name, passages, queries in (("scifact", 5183, 300), ("nfcorpus", 3633, 323)):
        dataset = open_dataset(shared_data / name)
        assert (dataset.passage_count, len(dataset.queries)) == (passages, queries)
        with (shared_data / name / "corpus.jsonl").open(encoding="utf-8") as file:
            record = json.loads(file.readline())
        assert next(dataset.passages()) == Passage(record["_id"], f"{record['title']} {record['text']}".strip())
