"""Queries in files as programs write them: each is read whole, and the report says what the file was taken for."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import sys
from pathlib import Path

import pytest

from tests.training.gathering.conftest import QUERIES, Read
from typeahead.errors import MissingExtra, SourceError


def texts(found: tuple[list, object]) -> list[str]:  # type: ignore[type-arg]
    return [row.text for row in found[0]]


@pytest.mark.parametrize("name", ["log.txt", "log.log", "log", "log.tsv", "log.txt.gz", "log.bz2"])
def test_a_list_is_read_line_by_line(tmp_path: Path, read: Read, name: str) -> None:
    content = "".join(f"{query}\n" for query in QUERIES).encode()
    packed = {".gz": gzip.compress(content), ".bz2": bz2.compress(content)}
    (tmp_path / name).write_bytes(packed.get(Path(name).suffix, content))
    rows, report = read(tmp_path / name)
    assert [row.text for row in rows] == QUERIES
    assert report.taken_as == "a list with a query a line"


def write_csv(path: Path, rows: list[list[str]], **options: str) -> Path:
    with path.open("w", newline="", encoding=options.pop("encoding", "utf-8")) as file:
        csv.writer(file, **options).writerows(rows)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["query", "Search_Term", "Suchbegriff", "q", "Top queries"])
def test_the_column_is_found_by_its_name(tmp_path: Path, read: Read, delimiter: str, name: str) -> None:
    rows = [["timestamp", "user", name, "results"]]
    rows += [[f"2024-01-{at + 1:02} 10:00", f"user {at % 3}", query, str(at)] for at, query in enumerate(QUERIES)]
    found = read(write_csv(tmp_path / "log.csv", rows, delimiter=delimiter))
    assert texts(found) == QUERIES
    assert f"column {name!r}" in found[1].taken_as


def test_without_a_header_the_column_is_found_by_what_stands_in_it(tmp_path: Path, read: Read) -> None:
    rows = [[f"2024-01-{at + 1:02}", f"s{at}x", query, "en"] for at, query in enumerate(QUERIES)]
    found = read(write_csv(tmp_path / "log.csv", rows))
    assert texts(found) == QUERIES
    assert found[1].taken_as == "CSV without a header, column '3'"


def test_a_column_of_its_own_may_hold_commas_without_quotes(tmp_path: Path, read: Read) -> None:
    (tmp_path / "log.csv").write_text("query\nred, green and blue\nboil, peel, eat\nplain\n")
    assert texts(read(tmp_path / "log.csv")) == ["red, green and blue", "boil, peel, eat", "plain"]
    (tmp_path / "bare.csv").write_text("red, green and blue\nboil, peel, eat\nplain\n")
    rows, report = read(tmp_path / "bare.csv")
    assert [row.text for row in rows] == ["red, green and blue", "boil, peel, eat", "plain"]
    assert report.taken_as == "CSV of one column without a header"


@pytest.mark.parametrize("name", ["count", "Freq", "Impressions"])
def test_counts_are_read_as_counts(tmp_path: Path, read: Read, name: str) -> None:
    rows = [["query", name], *([query, str(at + 1)] for at, query in enumerate(QUERIES))]
    found = read(write_csv(tmp_path / "log.csv", rows))
    assert [row.times for row in found[0]] == list(range(1, len(QUERIES) + 1))
    assert f"counts in {name!r}" in found[1].taken_as


def test_what_uniq_writes_is_a_list_with_counts(tmp_path: Path, read: Read) -> None:
    (tmp_path / "log.txt").write_text("    120 how to boil an egg\n     17 rain tomorrow\n      1 7 wonders\n")
    rows, report = read(tmp_path / "log.txt")
    assert [(row.text, row.times) for row in rows] == [
        ("how to boil an egg", 120),
        ("rain tomorrow", 17),
        ("7 wonders", 1),
    ]
    assert report.taken_as == "a list with counts, as uniq -c writes it"


def test_ms_marcos_ids_are_no_counts_and_falling_numbers_are(tmp_path: Path, read: Read) -> None:
    marco, frequent = tmp_path / "queries.train.tsv", tmp_path / "top.tsv"
    marco.write_text(
        "".join(f"{number}\t{query}\n" for number, query in zip([7, 3, 1048585, 2], QUERIES, strict=False))
    )
    rows, report = read(marco)
    assert [(row.text, row.times) for row in rows] == [(query, 1) for query in QUERIES[:4]]
    assert report.taken_as == "TSV without a header, column '2'"
    frequent.write_text("".join(f"{number}\t{query}\n" for number, query in zip([90, 41, 7, 2], QUERIES, strict=False)))
    rows, report = read(frequent)
    assert [row.times for row in rows] == [90, 41, 7, 2]
    assert report.taken_as == "TSV without a header, column '2', counts in '1'"


def test_a_log_in_the_form_of_aols_is_read(tmp_path: Path, read: Read) -> None:
    (tmp_path / "log.txt").write_text(
        "AnonID\tQuery\tQueryTime\tItemRank\tClickURL\n"
        "142\trentdirect.com\t2006-03-01 07:17:12\t\t\n"
        "142\tboil an egg\t2006-03-12 12:31:06\t1\thttp://www.example.com\n"
    )
    found = read(tmp_path / "log.txt")
    assert texts(found) == ["rentdirect.com", "boil an egg"]
    assert found[1].taken_as == "TSV, column 'Query'"


def test_tsv_with_quotes_round_quotes_is_read_as_meant(tmp_path: Path, read: Read) -> None:
    rows = [["id", "query"], *([str(at), query] for at, query in enumerate(QUERIES))]
    found = read(write_csv(tmp_path / "log.tsv", rows, delimiter="\t"))
    assert texts(found) == QUERIES
    (tmp_path / "exact.tsv").write_text('id\tquery\n1\t"boil an egg"\n')
    assert texts(read(tmp_path / "exact.tsv")) == ['"boil an egg"']


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_other_encodings_are_recognised_and_reported(tmp_path: Path, read: Read, encoding: str) -> None:
    german = ["größe der münchner bäder", "übung für äpfel und öl", "straße über brücken", "käse für mädchen"] * 20
    rows = [["query"], *([query] for query in german)]
    found = read(write_csv(tmp_path / "log.csv", rows, encoding=encoding))
    assert texts(found) == german
    assert any(encoding[:6] in note for note in found[1].notes) == (encoding != "utf-8-sig")


@pytest.mark.parametrize("name", ["log.jsonl", "log.ndjson", "log.log", "log.jsonl.gz"])
def test_json_lines_are_read(tmp_path: Path, read: Read, name: str) -> None:
    content = "".join(json.dumps({"ts": "2024-01-01", "query": query, "n": 4}) + "\n" for query in QUERIES).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    found = read(tmp_path / name)
    assert texts(found) == QUERIES
    assert found[1].taken_as == "JSON lines, column 'query', counts in 'n'"


def test_a_member_within_a_member_is_found_and_can_be_named(tmp_path: Path, read: Read) -> None:
    lines = [{"request": {"q": query, "lang": "en"}, "text": "served by node 7"} for query in QUERIES]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = read(tmp_path / "log.jsonl")
    assert texts(found) == QUERIES
    assert found[1].taken_as == "JSON lines, column 'request.q'"
    assert texts(read(f"{tmp_path / 'log.jsonl'}:text")) == ["served by node 7"] * len(QUERIES)


def test_beirs_queries_are_read_from_the_file_and_from_the_folder(tmp_path: Path, read: Read) -> None:
    lines = [{"_id": f"PLAIN-{at}", "text": query, "metadata": {}} for at, query in enumerate(QUERIES)]
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "corpus.jsonl").write_text('{"_id": "1", "text": "no query"}\n')
    assert texts(read(tmp_path / "queries.jsonl")) == texts(read(tmp_path)) == QUERIES


@pytest.mark.parametrize("records", [QUERIES, [{"query": query} for query in QUERIES]])
def test_a_json_array_of_texts_or_of_objects_is_read(tmp_path: Path, read: Read, records: list[object]) -> None:
    (tmp_path / "log.json").write_text(json.dumps(records, indent=1))
    assert texts(read(tmp_path / "log.json")) == QUERIES


@pytest.mark.parametrize("name", ["log.parquet", "log.arrow", "log"])
def test_parquet_and_arrow_are_read(tmp_path: Path, read: Read, name: str) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    count = list(range(1, len(QUERIES) + 1))
    table = pa.table(
        {"user": [f"u{at}" for at in count], "query": QUERIES, "frequency": count, "v": [[0.5]] * len(count)}
    )
    if name == "log.arrow":
        feather.write_feather(table, tmp_path / name)
    else:
        parquet.write_table(table, tmp_path / name)
    rows, report = read(tmp_path / name)
    assert [(row.text, row.times) for row in rows] == list(zip(QUERIES, count, strict=True))
    assert report.taken_as.endswith("column 'query', counts in 'frequency'")


def test_a_folder_of_datasets_is_read_and_its_other_splits_are_named(tmp_path: Path, read: Read) -> None:
    datasets = pytest.importorskip("datasets")
    train = datasets.Dataset.from_dict({"query": QUERIES, "label": [0] * len(QUERIES)})
    train.filter(lambda row: "a" in row["query"]).save_to_disk(tmp_path / "one")
    assert texts(read(tmp_path / "one")) == [query for query in QUERIES if "a" in query]
    both = datasets.DatasetDict({"test": train.select([0]), "train": train})
    both.save_to_disk(tmp_path / "both")
    rows, report = read(tmp_path / "both")
    assert [row.text for row in rows] == QUERIES
    assert report.taken_as == "the split 'train' of a folder of datasets, column 'query'"
    assert str(tmp_path / "both" / "test") in report.notes[0]
    assert texts(read(tmp_path / "both" / "test")) == QUERIES[:1]


def test_without_pyarrow_the_error_names_the_command(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match="pip install"):
        read(tmp_path / "log.parquet")


ACCESS = """\
10.0.0.1 - - [10/Oct/2024:13:55:36 +0000] "GET /search?q=boil+an%20egg&page=2 HTTP/1.1" 200 5 "-" "Mozilla/5.0"
10.0.0.1 - - [10/Oct/2024:13:55:37 +0000] "GET /style.css HTTP/1.1" 200 5 "https://g.com/?q=not+this" "Mozilla/5.0"
10.0.0.1 - - [10/Oct/2024:13:55:38 +0000] "GET /search?lang=de&q=gr%C3%B6%C3%9Fe HTTP/1.1" 200 5 "-" "Mozilla/5.0"
10.0.0.1 - - [10/Oct/2024:13:55:39 +0000] "GET /search?q=gr%F6%DFe HTTP/1.1" 200 5 "-" "Mozilla/5.0"
66.1.1.1 - - [10/Oct/2024:13:55:40 +0000] "GET /search?q=spam HTTP/1.1" 200 5 "-" "Googlebot/2.1"
"""


def test_the_log_of_a_web_server_gives_its_queries(tmp_path: Path, read: Read) -> None:
    (tmp_path / "access.log").write_text(ACCESS)
    rows, report = read(tmp_path / "access.log")
    assert [row.text for row in rows] == ["boil an egg", "größe", "größe"]
    assert report.taken_as == "the log of a web server"
    assert report.dropped == {"requests without a query": 1, "requests of bots": 1}
    assert texts(read(f"{tmp_path / 'access.log'}:lang")) == ["de"]


def test_addresses_give_their_queries_also_in_a_column(tmp_path: Path, read: Read) -> None:
    addresses = [f"https://shop.example/find?query=egg+{at}" for at in range(5)]
    (tmp_path / "urls.txt").write_text("\n".join(addresses))
    assert texts(read(tmp_path / "urls.txt")) == [f"egg {at}" for at in range(5)]
    rows = [["time", "url"], *(["2024-01-01", address] for address in addresses), ["2024-01-01", "/about"]]
    found = read(write_csv(tmp_path / "log.csv", rows))
    assert texts(found) == [f"egg {at}" for at in range(5)]
    assert found[1].taken_as == "CSV, addresses in column 'url'"
    assert found[1].dropped == {"addresses without a query": 1}


def test_several_columns_that_could_be_meant_are_an_error_that_says_how_to_name_one(tmp_path: Path, read: Read) -> None:
    rows = [["first", "second"], *([query, query[::-1] + " too"] for query in QUERIES)]
    path = write_csv(tmp_path / "log.csv", [["day", *rows[0]], *([str(at), *row] for at, row in enumerate(rows[1:]))])
    with pytest.raises(SourceError, match=r"'first' and 'second' could all hold the queries.*such as FILE:first"):
        read(path)
    assert texts(read(f"{path}:second")) == [query[::-1] + " too" for query in QUERIES]
    with pytest.raises(SourceError, match="there is no column 'third'; the columns are 'day', 'first', 'second'"):
        read(path, "third")
    bare = write_csv(tmp_path / "bare.csv", rows[1:])
    with pytest.raises(SourceError, match="by its number because there is no header, such as FILE:1"):
        read(bare)
    assert texts(read(f"{bare}:2")) == [query[::-1] + " too" for query in QUERIES]


def test_what_is_no_file_of_queries_says_what_to_do(tmp_path: Path, read: Read) -> None:
    (tmp_path / "page.md").write_text("# Title\n")
    (tmp_path / "folder").mkdir()
    for path, reason in [
        (tmp_path / "nothing.txt", "there is no such file"),
        (tmp_path / "page.md", "give it as passages"),
        (tmp_path / "folder", "name its files one by one"),
    ]:
        with pytest.raises(SourceError, match=reason):
            read(path)
    (tmp_path / "list.txt").write_text("one\ntwo\n")
    with pytest.raises(SourceError, match="has no column 'q': it is a list"):
        read(f"{tmp_path / 'list.txt'}:q")
