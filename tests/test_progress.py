"""A progress bar for people, silence for pipes."""

from __future__ import annotations

import io

from typeahead.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_a_bar_that_ends_full() -> None:
    stream = Terminal()
    with Progress(stream=stream) as progress:
        for done in range(0, 101, 10):
            progress("encode", done, 100)
        progress("words", 3, None)
    lines = stream.getvalue().split("\n")
    assert lines[0].endswith("encode [##############################] 100/100")
    assert "words 3" in lines[1]
    assert lines[2] == ""


def test_a_shorter_line_leaves_nothing_of_a_longer_one() -> None:
    stream = Terminal()
    with Progress(stream=stream) as progress:
        progress("encode", 1, 1_000_000)
        progress("encode", 1_000_000, 1_000_000)
    first, last = stream.getvalue().rstrip("\n").split("\r")[1:]
    assert len(last) >= len(first)


def test_a_pipe_sees_nothing() -> None:
    stream = io.StringIO()
    with Progress(stream=stream) as progress:
        progress("encode", 100, 100)
    assert stream.getvalue() == ""
