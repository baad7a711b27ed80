"""A progress bar for people, silence for pipes."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import threading
from itertools import pairwise

from typeahead.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(stream: Terminal) -> list[list[str]]:
    """What was drawn over each other in each line."""
    return [line.split("\r") for line in stream.getvalue().split("\n")]


def test_a_terminal_sees_a_bar_for_each_stage_that_ends_full() -> None:
    stream = Terminal()
    with ProgressBar(stream=stream) as progress:
        for done in range(0, 1001, 100):
            progress("encode", done, 1000)
        progress("words", 3, None)
        progress("words", 1234, None)
    encode, words, rest = drawn(stream)
    assert re.search(r"^encode 100% \|#{30}\| 1,000/1,000", encode[-1])
    assert words[-1].startswith("words 1,234, ")
    assert "%" not in words[-1]
    assert rest == [""]


def test_a_total_may_become_known_in_the_middle_of_a_stage() -> None:
    stream = Terminal()
    with ProgressBar(stream=stream) as progress:
        progress("reading", 5, None)
        progress("reading", 10, 10)
    assert drawn(stream)[0][-1].startswith("reading 100% |")


def test_what_was_done_before_does_not_count_as_speed() -> None:
    stream = Terminal()
    with ProgressBar(stream=stream) as progress:
        progress("encode", 1_000_000, None)
        progress("encode", 1_000_000, None)
    assert re.search(r"^encode 1,000,000,\s+(\?|0\.0+)/s", drawn(stream)[0][-1].rstrip()), stream.getvalue()


def test_a_shorter_line_leaves_nothing_of_a_longer_one() -> None:
    stream = Terminal()
    with ProgressBar(stream=stream) as progress:
        progress("encode", 1, 1_000_000)
        progress("encode", 5, 5)
    lines = drawn(stream)[0][1:]
    assert len(lines) > 1
    for before, after in pairwise(lines):
        assert len(after) >= len(before.rstrip())


def test_a_pipe_sees_nothing() -> None:
    stream = io.StringIO()
    with ProgressBar(stream=stream) as progress:
        progress("encode", 100, 100)
    assert stream.getvalue() == ""


def test_a_bar_starts_no_thread_and_a_pipe_imports_no_tqdm() -> None:
    before = threading.active_count()
    with ProgressBar(stream=Terminal()) as progress:
        progress("encode", 1, 2)
        assert threading.active_count() == before
    code = (
        "import io, sys; from typeahead.progress import ProgressBar; "
        "ProgressBar(stream=io.StringIO())('encode', 1, 2); print('tqdm' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
