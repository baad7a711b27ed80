"""``typeahead watch``: what wakes it, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from typeahead.cli import main
from typeahead.commands.watch import follow
from typeahead.errors import TypeaheadError
from typeahead.index.opened import OpenIndex


class Mirror:
    """Counts looks, and ends after some."""

    def __init__(self, stop: threading.Event, most: int) -> None:
        self.looks, self._stop, self._most = 0, stop, most

    def look(self) -> int:
        self.looks += 1
        if self.looks >= self._most:
            self._stop.set()
        return self.looks


def test_a_change_is_looked_at_and_silence_is_not(tmp_path: Path) -> None:
    stop = threading.Event()
    said: list[object] = []
    mirror = Mirror(stop, 3)
    asked: list[Path] = []

    def watch(folder: Path, **options: Any) -> Iterator[set[str]]:
        asked.append(folder)
        assert options["watch_filter"](None, str(tmp_path / "a.md"))
        assert not options["watch_filter"](None, str(tmp_path / "index" / "journal.sqlite"))
        # The first look is at what happened before anybody watched.
        yield from [set(), set(), {"a"}, set(), set(), {"b"}]

    follow(watch, tmp_path, tmp_path / "index", mirror, stop, said.append)  # type: ignore[arg-type]
    assert (said, asked) == ([1, 2, 3], [tmp_path])


def test_another_folder_in_the_same_place_is_followed_anew(tmp_path: Path) -> None:
    stop = threading.Event()
    folder = tmp_path / "folder"
    folder.mkdir()
    watched = []

    def watch(_: Path, **__: Any) -> Iterator[set[str]]:
        watched.append(folder.stat().st_ino)
        yield set()
        folder.rename(tmp_path / f"away-{len(watched)}")
        folder.mkdir()
        yield set()
        raise AssertionError("it is another folder now")

    follow(watch, folder, tmp_path / "index", Mirror(stop, 2), stop, lambda _: None)  # type: ignore[arg-type]
    assert len(set(watched)) == 2


def test_a_folder_that_is_gone_is_waited_for(tmp_path: Path) -> None:
    stop = threading.Event()
    folder = tmp_path / "folder"

    class Back(Mirror):
        def look(self) -> int:
            folder.mkdir(exist_ok=True)
            return super().look()

    def watch(_: Path, **__: Any) -> Iterator[set[str]]:
        yield set()

    mirror = Back(stop, 2)
    follow(watch, folder, tmp_path / "index", mirror, stop, lambda _: None)  # type: ignore[arg-type]
    assert mirror.looks == 2


def test_a_folder_that_cannot_be_followed_is_explained(tmp_path: Path) -> None:
    def watch(_: Path, **__: Any) -> Iterator[set[str]]:
        raise OSError("OS file watch limit reached")
        yield

    stop = threading.Event()
    with pytest.raises(TypeaheadError, match="WATCHFILES_FORCE_POLLING"):
        follow(watch, tmp_path, tmp_path / "index", Mirror(stop, 1), stop, lambda _: None)  # type: ignore[arg-type]


def test_a_folder_is_followed_until_an_interrupt(tmp_path: Path) -> None:
    folder, out = tmp_path / "notes", tmp_path / "index"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.md").write_text(f"# Note {number}")
    command = [sys.executable, "-u", "-m", "typeahead", "watch", str(folder), "--out", str(out), "--threads", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert "3 added" in process.stdout.readline()
            assert "following" in process.stderr.readline()
            (folder / "new.md").write_text("# A new note")
            assert "1 added" in process.stdout.readline()
            (folder / "new.md").replace(folder / "1.md")
            assert "1 changed, 0 unchanged, 1 deleted" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
            assert process.stderr.read() == f"{out}: stopped\n"
        finally:
            process.kill()
    with OpenIndex(out) as index:
        assert {document.id: document.title for document in index.every()} == {
            "0.md": "Note 0",
            "1.md": "A new note",
            "2.md": "Note 2",
        }


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["watch", "lost", "--out", "x"], 1), (["watch", "x"], 2), (["watch", "x", "--out", "y", "--max-shrink", "2"], 2)],
)
def test_what_cannot_be_followed_is_an_error(
    arguments: list[str], status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        found = main(arguments)
    except SystemExit as end:
        found = int(str(end.code))
    assert found == status
    assert list(tmp_path.iterdir()) == []
