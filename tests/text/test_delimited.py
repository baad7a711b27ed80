"""CSV files that break the rules: what is lost is little, counted and named."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pytest

from typeahead.errors import SourceError
from typeahead.index import BadLines, Document, read_source
from typeahead.text import reading


def rows(count: int, quote: str = "") -> list[str]:
    return ["id,text\n", *(f"{i},{quote}text {i}{quote}\n" for i in range(1, count + 1))]


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_quote_that_never_closes_costs_its_own_row(tmp_path: Path, quote: str) -> None:
    lines = rows(1000, quote)
    lines[2] = '2,"text 2\n'
    path = tmp_path / "x.csv"
    path.write_text("".join(lines))
    with pytest.raises(SourceError, match="a quote opens in this line and ") as caught:
        list(read_source(path))
    assert caught.value.line == 3
    bad = BadLines()
    found = [document.id for document in read_source(path, bad=bad)]
    assert found == [str(i) for i in range(1, 1001) if i != 2]
    assert (bad.count, bad.first[0].line) == (1, 3)


def test_the_line_is_named_where_the_quote_opens(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('id,text,more\n1,"two\nlines","opens\n2,b,c\n')
    with pytest.raises(SourceError, match="never closed") as caught:
        list(read_source(path))
    assert caught.value.line == 3


def test_the_rest_of_a_text_that_was_cut_off_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("".join(rows(9)) + '10,"first line\nsecond, line\nthird, line\nfourth')
    bad = BadLines()
    assert [document.id for document in read_source(path, bad=bad)] == [str(i) for i in range(1, 10)]
    assert (bad.count, bad.first[0].line) == (4, 11)
    assert "4 lines are left out" in str(bad.first[0])


def test_a_record_of_several_lines_with_a_column_too_many_is_left_out_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("".join(rows(3)) + '4,"a\nb, b\nc",too many\n5,last\n')
    bad = BadLines()
    assert [document.id for document in read_source(path, bad=bad)] == ["1", "2", "3", "5"]
    assert bad.count == 3
    assert "goes on to line 7" in str(bad.first[0])


def test_a_quote_that_lacks_its_opening_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("".join(rows(3)) + '4,said\nalso, he said"\n5,last\n')
    with pytest.raises(SourceError, match="is the quote missing that opens the field") as caught:
        list(read_source(path))
    assert caught.value.line == 6
    bad = BadLines()
    assert [document.id for document in read_source(path, bad=bad)] == ["1", "2", "3", "4", "5"]
    assert (bad.count, bad.first[0].line) == (1, 6)


def test_memory_is_bounded_where_a_quote_never_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_LINE", 500)
    lines = rows(1000)
    lines[2] = '2,"opens\n'
    path = tmp_path / "x.csv"
    path.write_text("".join(lines))
    with pytest.raises(SourceError, match="not closed within 500 bytes"):
        list(read_source(path))
    bad = BadLines()
    assert len(list(read_source(path, bad=bad))) == 999
    assert bad.count == 1


def test_one_quote_more_or_less_never_makes_up_a_document(tmp_path: Path) -> None:
    """Of a table of texts with commas, quotes and line breaks, at most the row of the quote is lost or changed."""
    path = tmp_path / "x.csv"
    words = ["alpha", "beta, gamma", '"quoted"', "it's", "12, 13", "\n", "\n\n"]
    for seed in range(150):
        chosen = random.Random(seed)
        texts = ["x " + " ".join(chosen.choices(words, k=chosen.randint(1, 12))) for _ in range(40)]
        written = io.StringIO()
        table = [("id", "text", "kind"), *((row, text, "A") for row, text in enumerate(texts))]
        csv.writer(written, lineterminator="\n").writerows(table)
        content = written.getvalue()
        middle = len(content) // 2
        at = chosen.choice([place for place in range(middle, len(content)) if content[place] == '"'])
        path.write_text(content[:at] + chosen.choice(["", '""']) + content[at + 1 :])
        found = {document.id: document.text for document in read_source(path, bad=BadLines())}
        expected = {str(row): text.strip() for row, text in enumerate(texts)}
        assert found.keys() <= expected.keys(), seed
        assert sum(found.get(key) != text for key, text in expected.items()) <= 2, seed


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("columns", [None, ("id", "text")])
def test_a_delimiter_is_recognised_and_named(tmp_path: Path, delimiter: str, columns: tuple[str, ...] | None) -> None:
    lines = [f"{i}{delimiter}text {i}\n" for i in range(1, 30)]
    lines[4] = f'5{delimiter}"a{delimiter} b"\n'
    path = tmp_path / "x.csv"
    path.write_text(("" if columns else f"id{delimiter}text\n") + "".join(lines))
    told: list[str] = []
    found = list(read_source(path, columns=columns, notice=told.append))
    assert (len(found), found[4].text) == (29, f"a{delimiter} b")
    assert len(told) == (delimiter != ",")


def test_semicolons_in_texts_are_no_delimiters(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,text\n" + "".join(f"{i},a; b; c|d\n" for i in range(9)))
    assert {document.text for document in read_source(path, notice=pytest.fail)} == {"a; b; c|d"}


def test_excel_is_told_the_delimiter_in_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("sep=|\r\nid|text\r\n1|a;b\r\n")
    assert list(read_source(path, notice=lambda _: None)) == [Document("1", "", "a;b")]


def test_a_delimiter_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id#text\n1#a,b\n")
    assert list(read_source(path, delimiter="#", notice=pytest.fail)) == [Document("1", "", "a,b")]
    for delimiter in ("", "::", '"', "\n"):
        with pytest.raises(ValueError, match="delimiter"):
            read_source(path, delimiter=delimiter)
    with pytest.raises(SourceError, match="a delimiter is for CSV files"):
        read_source(path, kind="tsv", delimiter=";")
