"""Lines have numbers, offsets and bounds, and a line that cannot be used does not hide the next one."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from typeahead.errors import SourceError
from typeahead.text import reading
from typeahead.text.bad_lines import BadLines
from typeahead.text.reading import Line, parsed, recognised_lines, utf8_lines, utf8_raw_lines
from typeahead.text.sources import read_source
from typeahead.text.unpacking import open_bytes

CONTENT = b"\xef\xbb\xbfone\r\n\nzw\xc3\xb6lf\nb\xffd\nlast"


@pytest.mark.parametrize("packed", [False, True])
def test_a_utf8_file_can_be_read_from_any_line_on(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("lines.gz" if packed else "lines")
    path.write_bytes(gzip.compress(CONTENT) if packed else CONTENT)
    whole = list(utf8_lines(path))
    assert [line.number for line in whole] == [1, 2, 3, 4, 5]
    assert [line.text for line in whole if line.problem is None] == ["one\r\n", "\n", "zwölf\n", "last"]
    for line in whole:
        assert next(utf8_lines(path, line=line.number, offset=line.offset)).text == line.text
    with open_bytes(path) as file:
        assert b"".join(line.raw for line in utf8_raw_lines(file, path)) == CONTENT[3:]


@pytest.mark.parametrize("read", [utf8_lines, recognised_lines])
def test_a_line_that_is_too_long_has_a_problem_and_the_next_one_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], Iterator[Line]]
) -> None:
    monkeypatch.setattr(reading, "MAX_LINE", 8)
    path = tmp_path / "lines"
    path.write_bytes(b"x" * 50 + b"\nshort\n")
    first, second = read(path)
    assert first.problem is not None
    assert first.problem.line == 1
    assert (second.number, second.text) == (2, "short\n")


def test_lines_that_cannot_be_parsed_are_an_error_or_counted_and_empty_ones_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"1\n\nx\n\xff\n4\r\n")
    with pytest.raises(SourceError, match=r"lines:3: invalid literal"):
        list(parsed(utf8_lines(path), int, path))
    bad = BadLines()
    assert [number for _, number in parsed(utf8_lines(path), int, path, bad)] == [1, 4]
    assert [problem.line for problem in bad.first] == [3, 4]


def test_a_file_that_is_not_there_or_is_utf16_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none: cannot be read"):
        list(utf8_lines(tmp_path / "none"))
    (tmp_path / "wide").write_bytes("text".encode("utf-16"))
    with pytest.raises(SourceError, match=r"wide: is UTF-16"):
        list(utf8_lines(tmp_path / "wide"))


BROKEN = {"bad.jsonl": "nope\n", "bad.csv": 'id,text\n"never closed\n', "bad.tsv": "id\ttext\n1\n", "parsed": "nope\n"}


@pytest.mark.parametrize("name", BROKEN)
def test_an_error_that_somebody_keeps_does_not_keep_the_file_open(tmp_path: Path, name: str) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("this system does not list what is open")
    path = tmp_path / name
    path.write_text(BROKEN[name])

    def fail(line: str) -> str:
        raise ValueError(line)

    with pytest.raises(SourceError) as caught:
        list(parsed(utf8_lines(path), fail, path) if name == "parsed" else read_source(path))
    opened = [link.readlink() for link in descriptors.iterdir() if link.is_symlink()]
    assert path not in opened
    assert caught.value.path == path
