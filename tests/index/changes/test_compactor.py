"""One compaction at a time, whoever follows the folder, and failures are told once."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from typeahead.index.changes.compacting import BUSY
from typeahead.index.changes.compactor import Compactor
from typeahead.index.staging import lock_folder


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Watched(Compactor):
    """A compactor whose processes leave a line each, and can be waited for."""

    def __init__(self, folder: Path, program: str) -> None:
        self.clock = Clock()
        self.count = folder / "count"
        started = f"open({str(self.count)!r}, 'a').write('started\\n'); "
        super().__init__(folder, command=[sys.executable, "-c", "import sys; " + started + program], clock=self.clock)

    @property
    def started(self) -> int:
        return len(self.count.read_text().splitlines()) if self.count.exists() else 0

    def run(self, seconds: float = 1.0) -> None:
        """Let time pass, and whatever it starts come to its end."""
        self.clock.now += seconds
        self.step(lambda: True)
        if self._process is not None:
            self._process.wait()
            self.step(lambda: True)


@pytest.fixture
def compactors() -> Iterator[list[Watched]]:
    made: list[Watched] = []
    yield made
    for one in made:
        one.close()


def test_it_starts_when_that_is_due_and_asks_once_a_second(tmp_path: Path) -> None:
    compactor, asked = Watched(tmp_path, ""), 0

    def due() -> bool:
        nonlocal asked
        asked += 1
        return False

    for _ in range(100):
        compactor.step(due)
        compactor.clock.now += 0.1
    assert 9 <= asked <= 11
    assert compactor.started == 0
    compactor.run()
    assert compactor.started == 1


def test_there_are_never_two(tmp_path: Path, compactors: list[Watched]) -> None:
    compactor = Watched(tmp_path, "sys.stdin.read(); import time; time.sleep(600)")
    compactors.append(compactor)
    for _ in range(50):
        compactor.step(lambda: True)
        compactor.clock.now += 60
    assert compactor._process is not None
    process = compactor._process
    compactor.close()
    assert process.poll() is not None
    assert compactor.started <= 1


def test_while_another_process_builds_nothing_is_started(tmp_path: Path) -> None:
    compactor = Watched(tmp_path, "")
    with closing(lock_folder(tmp_path)):
        for _ in range(5):
            compactor.run()
        assert compactor.started == 0
    compactor.run()
    assert compactor.started == 1


def test_one_that_came_too_late_is_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    compactor = Watched(tmp_path, f"sys.exit({BUSY})")
    for _ in range(3):
        compactor.run()
    assert compactor.started == 3
    assert not caplog.records


def test_a_failure_is_told_once_and_tried_again_later_and_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    compactor = Watched(tmp_path, "sys.exit('no space left on device')")
    with caplog.at_level(logging.ERROR):
        for second in range(400):
            compactor.run()
            assert second > 0 or compactor.started == 1
    # After 10, 20, 40, 80 and 160 seconds.
    assert compactor.started == 6
    (record,) = caplog.records
    assert "no space left on device" in record.getMessage()
    assert "nothing is lost" in record.getMessage()


def test_after_a_success_the_same_failure_is_told_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    good = tmp_path / "good"
    compactor = Watched(tmp_path, f"import os; sys.exit(None if os.path.exists({str(good)!r}) else 'full')")
    with caplog.at_level(logging.ERROR):
        compactor.run()
        good.touch()
        compactor.run(1000)
        good.unlink()
        compactor.run(1000)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


def test_a_process_that_cannot_be_started_is_a_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    compactor = Compactor(tmp_path, command=[str(tmp_path / "no such program")])
    compactor.step(lambda: True)
    assert "no such program" in caplog.text
    compactor.close()
