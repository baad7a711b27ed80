"""The file that records what people searched for is bounded in age and size, and losing it loses nothing else."""

from __future__ import annotations

import sqlite3
import stat
import sys
from pathlib import Path

import pytest

from typeahead.server.observe.counters import Counter
from typeahead.server.observe.query_texts import MOST_WAITING, QueryTexts, RecordError, Row

DAY = 86_400


class Record:
    """A record at a time that the test sets."""

    def __init__(self, path: Path, *, days: int = 30, rows: int = 100) -> None:
        self.path = path
        self.now = 1000.0 * DAY
        self.outcomes = {"written": Counter(), "lost": Counter()}
        self._settings = {"days": days, "rows": rows}
        self.texts = self._open()

    def _open(self) -> QueryTexts:
        return QueryTexts(self.path, **self._settings, outcomes=self.outcomes, clock=lambda: self.now)

    def restart(self) -> None:
        self.texts.close()
        self.texts = self._open()

    def read(self) -> list[str]:
        """The texts that are there, after all that was added."""
        self.texts.close()
        try:
            with sqlite3.connect(self.path) as connection:
                found = [text for (text,) in connection.execute("SELECT text FROM events ORDER BY number")]
            connection.close()
        finally:
            self.texts = self._open()
        return found


def test_an_event_is_recorded_with_its_time_and_nothing_about_the_person(tmp_path: Path) -> None:
    record = Record(tmp_path / "texts.db")
    record.texts.add([Row("query", "boil an egg", results=8, weak=False)])
    record.texts.add([Row("select", "boil an egg", position=2, document="eggs")])
    record.texts.close()
    connection = sqlite3.connect(record.path)
    cursor = connection.execute("SELECT * FROM events ORDER BY number")
    names = [column[0] for column in cursor.description]
    assert names == ["number", "at", "kind", "text", "results", "weak", "position", "document"]
    assert cursor.fetchall() == [
        (1, 1000 * DAY, "query", "boil an egg", 8, 0, None, None),
        (2, 1000 * DAY, "select", "boil an egg", None, None, 2, "eggs"),
    ]
    connection.close()
    assert record.outcomes["written"].value == 2


def test_rows_that_are_too_old_are_deleted_by_a_sweep_and_at_the_start(tmp_path: Path) -> None:
    record = Record(tmp_path / "texts.db", days=2)
    record.texts.add([Row("query", "old")])
    record.now += 1 * DAY
    record.texts.add([Row("query", "newer")])
    record.now += 1 * DAY + 1
    record.texts.sweep()
    assert record.read() == ["newer"]
    record.texts.add([Row("query", "newest")])
    record.texts.close()
    record.now += 1.5 * DAY
    record.texts = record._open()
    assert record.read() == ["newest"]


def test_of_too_many_rows_the_oldest_go(tmp_path: Path) -> None:
    record = Record(tmp_path / "texts.db", rows=3)
    for number in range(5):
        record.texts.add([Row("query", str(number))])
    assert record.read() == ["2", "3", "4"]
    record.texts.add([Row("query", str(number)) for number in range(5, 12)])
    assert record.read() == ["9", "10", "11"]


def test_a_deleted_text_is_no_longer_in_the_files(tmp_path: Path) -> None:
    record = Record(tmp_path / "texts.db", days=1)
    record.texts.add([Row("query", "a secret text")])
    record.texts.close()
    assert any(b"a secret text" in file.read_bytes() for file in tmp_path.iterdir())
    record.now += 2 * DAY
    record.texts = record._open()
    record.texts.add([Row("query", "another")])
    record.texts.close()
    assert not any(b"a secret text" in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_only_the_servers_user_may_read_the_file(tmp_path: Path) -> None:
    record = Record(tmp_path / "texts.db")
    record.texts.close()
    assert stat.S_IMODE(record.path.stat().st_mode) == 0o600


def test_two_processes_may_record_into_one_file(tmp_path: Path) -> None:
    first, second = Record(tmp_path / "texts.db"), Record(tmp_path / "texts.db")
    for record in (first, second):
        record.texts.add([Row("query", "x")])
    second.texts.close()
    assert first.read() == ["x", "x"]
    first.texts.close()


@pytest.mark.parametrize("content", [b"no SQLite file, whatever its name" * 40])
def test_a_file_of_another_kind_is_refused_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "texts.db"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"texts\.db cannot record texts"):
        Record(path)
    assert path.read_bytes() == content


def test_a_database_with_another_table_of_this_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "texts.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE events (number INTEGER PRIMARY KEY, at INTEGER, what TEXT)")
    connection.close()
    with pytest.raises(RecordError, match="no such column"):
        Record(path)


def test_a_folder_that_does_not_exist_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="nowhere"):
        Record(tmp_path / "nowhere" / "texts.db")


def test_rows_that_cannot_be_written_are_counted_as_lost_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = Record(tmp_path / "texts.db")
    with sqlite3.connect(record.path) as connection:
        connection.execute("DROP TABLE events")
    connection.close()
    record.texts.add([Row("query", "secret"), Row("query", "text")])
    record.texts.close()
    assert (record.outcomes["written"].value, record.outcomes["lost"].value) == (0, 2)
    assert "no such table" in caplog.text
    assert "secret" not in caplog.text


def test_rows_beyond_what_may_wait_are_lost_at_once(tmp_path: Path) -> None:
    record = Record(tmp_path / "texts.db")
    record.texts.add([Row("query", "x")] * (MOST_WAITING + 1))
    assert record.outcomes["lost"].value == MOST_WAITING + 1
    record.texts.add([Row("query", "y")])
    assert record.read() == ["y"]
