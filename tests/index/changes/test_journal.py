"""What the journal has answered is there, whatever happens; what it has refused left no trace."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.index.changes.entries import DIM, entries, entry
from typeahead.errors import FieldTypeError, IndexCorrupt, IndexFolderError, IndexTooNew, SourceError, WritesFull
from typeahead.index.changes.journal import Journal, Superseded
from typeahead.index.changes.journal_schema import JOURNAL
from typeahead.index.changes.records import Change, Deleted, Stored, change_of, row_of
from typeahead.search.port import Entry
from typeahead.text.document import Document, Passage, Values


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path, dim=DIM) as opened:
        yield opened


def held(journal: Journal, since: int = 0) -> dict[str, Stored]:
    """The documents that the changes leave."""
    found: dict[str, Stored] = {}
    for change in journal.since(since):
        found.pop(change.id, None)
        if change.stored is not None:
            found[change.id] = change.stored
    return found


def same(stored: Stored, written: Entry) -> None:
    assert stored.document == written.document
    assert stored.document.fields == written.document.fields
    assert stored.passages == written.passages
    np.testing.assert_array_equal(stored.vectors, written.vectors)
    ours, theirs = stored.words, Stored.of(written).words
    assert list(ours.forms) == list(theirs.forms)
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_what_was_written_is_read(journal: Journal) -> None:
    fields: dict[str, Values] = {"country": "France", "year": 1999, "tags": ["a", "b"], "draft": False, "ratio": 0.5}
    written = [
        entry("é", ["Ein Teil. ", "Noch ein Teil, 東京."], "Titel", url="https://example.org", fields=fields),
        entry("plain", "os.path.join(a, b)", "os.path"),
        entry("empty"),
    ]
    assert journal.append(written) == 1
    assert journal.append([Deleted("plain"), entry("new", "text")]) == 2
    changes = list(journal.since(0))
    assert [(change.version, change.id) for change in changes] == [
        (1, "é"), (1, "plain"), (1, "empty"), (2, "plain"), (2, "new")
    ]  # fmt: skip
    for change, one in zip(changes, written, strict=False):
        assert change.stored is not None
        same(change.stored, one)
    assert changes[3] == Change(2, "plain", None)
    assert [change.version for change in journal.since(1)] == [2, 2]
    assert [change.version for change in journal.since(0, until=1)] == [1, 1, 1]
    assert list(journal.since(2)) == []
    assert journal.last_version == 2
    assert journal.passages == 4 + 2
    assert journal.kinds() == {
        "country": "text", "year": "number", "tags": "text", "draft": "truth", "ratio": "number"
    }  # fmt: skip


def test_changes_that_are_read_together_are_those_read_one_by_one(journal: Journal) -> None:
    many: list[Entry | Deleted] = [entry("divided", ["one. ", "two"], "t"), Deleted("gone"), Deleted("too")]
    many += [entry("fields", "x", fields={"n": 1}), *entries(400)]
    journal.append(many)
    every = list(journal.since(0))
    assert [change.id for change in every] == [one.id if isinstance(one, Deleted) else one.document.id for one in many]
    for change, one in zip(every, many, strict=True):
        alone = change_of(1, row_of(one), DIM)
        assert (change.version, change.id, change.stored is None) == (1, alone.id, alone.stored is None)
        if change.stored is not None and alone.stored is not None:
            assert change.stored[:2] == alone.stored[:2]
            assert (change.stored.vectors == alone.stored.vectors).all()
            assert change.stored.words.encoded() == alone.stored.words.encoded()


def test_without_a_write_there_is_no_file(tmp_path: Path) -> None:
    with Journal(tmp_path, dim=DIM, floor=7, kinds={"year": "number"}) as journal:
        assert list(journal.since(7)) == []
        assert journal.last_version == 7
        assert journal.append([]) == 7
        assert journal.kinds() == {"year": "number"}
        assert journal.size == journal.passages == 0
        journal.drop_until(7)
    assert list(tmp_path.iterdir()) == []


def test_each_change_is_noticed_once_by_everybody(tmp_path: Path) -> None:
    with Journal(tmp_path, dim=DIM) as one, Journal(tmp_path, dim=DIM) as other:
        assert one.changed()
        assert other.changed()
        assert not one.changed()
        for writer in (one, other, one):
            writer.append(entries(1))
            assert one.changed()
            assert other.changed()
            assert not one.changed()
            assert not other.changed()


@pytest.mark.parametrize(
    ("refused", "error", "message"),
    [
        (entry("bad", "text")._replace(vectors=np.zeros((1, DIM - 1), np.float32)), ValueError, "shape"),
        (entry("bad", "text")._replace(vectors=np.full((1, DIM), np.nan, np.float32)), ValueError, "finite"),
        (entry("bad", "text")._replace(vectors=np.full((1, DIM), 1e30, np.float32)), ValueError, "large"),
        (entry("bad", "text")._replace(passages=()), ValueError, "passages"),
        (entry("bad", "text")._replace(passages=(Passage("other"),)), ValueError, "make up"),
        (entry("", "text"), ValueError, "empty id"),
        (entry("bad", "\ud800"), SourceError, "surrogate"),
        (entry("\ud800", "text"), SourceError, "surrogate"),
        (Deleted("\ud800"), SourceError, "surrogate"),
        (entry("bad", "text", fields={"name": "\ud800"}), SourceError, "surrogate"),
        (entry("bad", "text", fields={"year": "soon"}), FieldTypeError, "'year'.*'number'"),
        (entry("bad", "text", fields={"base": 1}), FieldTypeError, "'base'.*'text'"),
        (entry("bad", "text", fields={"new": [1, "a"]}), FieldTypeError, "'new'"),
        (entry("bad", "text", fields={"new": float("nan")}), FieldTypeError, "'new'"),
    ],
)
def test_nothing_of_a_refused_batch_remains(
    tmp_path: Path, refused: Entry | Deleted, error: type[Exception], message: str
) -> None:
    with Journal(tmp_path, dim=DIM, kinds={"base": "text"}) as journal:
        journal.append([entry("first", "text", fields={"year": 1999})])
        with pytest.raises(error, match=message):
            journal.append([entry("good", "text", fields={"other": 1}), refused])
        assert [change.id for change in journal.since(0)] == ["first"]
        assert journal.kinds() == {"base": "text", "year": "number"}
        assert journal.passages == 1
        assert journal.append([entry("good", "text")]) == 2


def test_a_field_has_one_kind_whoever_writes_it(tmp_path: Path) -> None:
    with Journal(tmp_path, dim=DIM) as one, Journal(tmp_path, dim=DIM) as other:
        one.append([entry("a", fields={"year": 1999})])
        with pytest.raises(FieldTypeError):
            other.append([entry("b", fields={"year": "1999"})])


def test_a_journal_that_is_full_says_so_and_takes_more_once_it_is_emptied(tmp_path: Path) -> None:
    with Journal(tmp_path, dim=DIM, most=5) as journal:
        journal.append([entry("a", ["one ", "two ", "three"]), Deleted("b")])
        with pytest.raises(WritesFull, match=r"4 passages.*2 more.*limit 5"):
            journal.append(entries(2))
        version = journal.append(entries(1))
        with pytest.raises(WritesFull):
            journal.append([Deleted("a")])
        with pytest.raises(WritesFull, match="smaller batches"):
            journal.append(entries(6))
        journal.drop_until(version)
        assert journal.append(entries(5)) == version + 1


def test_versions_go_on_after_a_compaction_and_without_the_file(tmp_path: Path) -> None:
    with Journal(tmp_path, dim=DIM) as journal:
        for _ in range(3):
            version = journal.append(entries(2))
        journal.drop_until(2)
        assert [change.version for change in journal.since(2)] == [3, 3]
        assert journal.dropped == 2
        for asked in (0, 1):
            with pytest.raises(Superseded, match="open the index again"):
                list(journal.since(asked))
        journal.drop_until(version)
        assert list(journal.since(version)) == []
        assert journal.passages == 0
        assert journal.append(entries(1)) == version + 1
    for path in tmp_path.glob(f"{JOURNAL}*"):
        path.unlink()
    with Journal(tmp_path, dim=DIM, floor=10) as journal:
        assert journal.append(entries(1)) == 11
        assert [change.version for change in journal.since(10)] == [11]


def test_space_is_given_back_after_a_compaction(journal: Journal) -> None:
    version = journal.append(entries(2000))
    before = journal.size
    journal.drop_until(version)
    assert journal.size < before / 10


def test_a_journal_that_was_deleted_or_replaced_under_a_writer_takes_nothing(tmp_path: Path) -> None:
    with Journal(tmp_path, dim=DIM) as journal:
        journal.append(entries(1))
        journal.changed()
        aside = tmp_path / "aside"
        (tmp_path / JOURNAL).rename(aside)
        with pytest.raises(IndexFolderError, match="deleted or replaced"):
            journal.append(entries(1))
        shutil.copyfile(aside, tmp_path / JOURNAL)
        with pytest.raises(IndexFolderError, match="deleted or replaced"):
            journal.append(entries(1))
        with pytest.raises(IndexFolderError, match="deleted or replaced"):
            journal.changed()


def test_a_closed_journal_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path, dim=DIM)
    journal.append(entries(1))
    journal.close()
    for call in (lambda: journal.append(entries(1)), journal.changed, lambda: list(journal.since(0))):
        with pytest.raises(IndexFolderError, match="open it again"):
            call()


# Others at the same time

WRITING = """
import sys
from pathlib import Path
from tests.index.changes.entries import DIM, entries
from typeahead.index.changes.journal import Journal
with Journal(Path(sys.argv[1]), dim=DIM) as journal:
    number = 0
    while number < int(sys.argv[3]):
        print(number, journal.append(entries(2, start=2 * number, tag=sys.argv[2])), flush=True)
        number += 1
"""


def writing(folder: Path, tag: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITING, str(folder), tag, str(count)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def test_processes_and_threads_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    processes = [writing(tmp_path, tag, 20) for tag in ("one", "two")]
    versions: list[int] = []
    with Journal(tmp_path, dim=DIM) as journal:
        threads = [
            threading.Thread(target=lambda: versions.extend(journal.append(entries(2)) for _ in range(20)))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for process in processes:
            out, _ = process.communicate()
            assert process.returncode == 0
            versions += [int(line.split()[1]) for line in out.splitlines()]
        assert sorted(versions) == list(range(1, 81))
        changes = list(journal.since(0))
    assert [change.version for change in changes] == [version for version in range(1, 81) for _ in range(2)]


def test_a_reader_sees_whole_transactions(tmp_path: Path) -> None:
    process = writing(tmp_path, "x", 60)
    with Journal(tmp_path, dim=DIM) as journal:
        seen = 0
        while process.poll() is None or journal.changed():
            versions = [change.version for change in journal.since(seen)]
            assert versions == [version for version in dict.fromkeys(versions) for _ in range(2)]
            assert not versions or versions[0] == seen + 1
            seen = versions[-1] if versions else seen
    process.communicate()
    assert seen == 60


def test_whatever_was_answered_survives_a_kill(tmp_path: Path) -> None:
    chance = random.Random(1)
    number = 0
    for kill in range(8):
        process = writing(tmp_path, f"k{kill}", 10_000)
        assert process.stdout is not None
        # Somewhere within the next write.
        answered = [process.stdout.readline() for _ in range(chance.randint(0, 12))]
        threading.Event().wait(chance.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        answered += process.communicate()[0].splitlines()
        with Journal(tmp_path, dim=DIM) as journal:
            changes = list(journal.since(number))
            versions = {change.version for change in changes}
            for line in answered:
                if line.count(" ") == 1 and line.split()[1]:
                    assert int(line.split()[1]) in versions
            assert len(changes) == 2 * len(versions)
            assert journal.passages == 2 * journal.last_version
            number = journal.last_version


# Disks and damage


def test_a_full_disk_refuses_a_write_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def small(*path: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*path, **options)
        connection.execute("PRAGMA max_page_count=60")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    with Journal(tmp_path, dim=DIM) as journal:
        journal.append(entries(20))
        with pytest.raises(IndexFolderError, match=r"disk is full.*nothing was changed: free some space"):
            journal.append(entries(2000))
        assert len(list(journal.since(0))) == 20
        assert journal.append(entries(1)) == 2
    monkeypatch.undo()
    with Journal(tmp_path, dim=DIM) as journal:
        assert journal.append(entries(2000)) == 3


FILLING = """
import resource, signal, sys
from pathlib import Path
from tests.index.changes.entries import DIM, entries
from typeahead.errors import IndexFolderError
from typeahead.index.changes.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Journal(Path(sys.argv[1]), dim=DIM) as journal:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        while True:
            print(journal.append(entries(20)), flush=True)
    except IndexFolderError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(journal.append(entries(20)), flush=True)
"""


@pytest.mark.parametrize("size", [30_000, 100_001, 333_333])
def test_a_write_that_breaks_off_in_the_middle_leaves_nothing(tmp_path: Path, size: int) -> None:
    """The system refuses any byte of a file beyond some size, as a full disk does."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", FILLING, str(tmp_path), str(size)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *versions, message, last = done.stdout.splitlines()
    assert "nothing was changed" in message
    assert [*map(int, versions), int(last)] == list(range(1, len(versions) + 2))
    with Journal(tmp_path, dim=DIM) as journal:
        assert len(list(journal.since(0))) == 20 * int(last)


def damage(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def readings(folder: Path) -> Sequence[Callable[[], object]]:
    journal = Journal(folder, dim=DIM)
    return [
        lambda: list(journal.since(0)),
        lambda: journal.append(entries(3)),
        lambda: journal.last_version,
        journal.kinds,
        lambda: journal.drop_until(1),
        journal.close,
    ]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_truncated_journal_is_refused_with_what_to_do(tmp_path: Path, share: float) -> None:
    with Journal(tmp_path, dim=DIM) as journal:
        journal.append(entries(500))
    path = tmp_path / JOURNAL
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused: list[str] = []
    for reading in readings(tmp_path):
        try:
            reading()
        except IndexCorrupt as error:
            refused.append(str(error))
    assert refused
    assert all("restore a snapshot" in message for message in refused)


def test_a_journal_whose_log_is_cut_off_has_the_writes_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path, dim=DIM)
    for number in range(10):
        journal.append(entries(3, start=3 * number))
    # As if the process died here.
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copyfile(journal.path, copy / JOURNAL)
    log = Path(f"{journal.path}-wal").read_bytes()
    journal.close()
    before = 31
    for share in (1.0, 0.8, 0.5, 0.2, 0.0):
        (copy / f"{JOURNAL}-shm").unlink(missing_ok=True)
        (copy / f"{JOURNAL}-wal").write_bytes(log[: int(share * len(log))])
        shutil.copyfile(copy / JOURNAL, tmp_path / "kept")
        with Journal(copy, dim=DIM) as cut:
            changes = list(cut.since(0))
        assert len(changes) % 3 == 0
        assert len(changes) < before or not before
        before = len(changes)
        shutil.copyfile(tmp_path / "kept", copy / JOURNAL)


def test_bytes_that_changed_never_end_in_another_error(tmp_path: Path) -> None:
    with Journal(tmp_path, dim=DIM) as journal:
        journal.append(entries(200))
    path = tmp_path / JOURNAL
    content = path.read_bytes()
    chance = random.Random(2)
    for _ in range(60):
        changed = bytearray(content)
        for _ in range(chance.choice([1, 20, 400])):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        path.write_bytes(changed)
        for reading in readings(tmp_path):
            try:
                reading()
            except (IndexFolderError, FieldTypeError):
                continue


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE VIEW spy AS SELECT * FROM changes", "view 'spy'"),
        ("CREATE TRIGGER spy AFTER INSERT ON changes BEGIN DELETE FROM changes; END", "trigger 'spy'"),
        ("CREATE TABLE extra(x)", "table 'extra'"),
        ("CREATE INDEX spy ON changes(id)", "index 'spy'"),
        ("DROP TABLE kinds", "no table 'kinds'"),
        ("ALTER TABLE changes ADD COLUMN extra AS (1)", "'changes'"),
        ("UPDATE counters SET value = 'many'", "counters"),
        ("UPDATE counters SET value = -1", "counters"),
        (f"UPDATE counters SET value = {2**62}", "counters"),
        ("DELETE FROM counters", "counters"),
        ("INSERT INTO kinds VALUES('x', 'colour')", "kinds"),
        ("UPDATE changes SET document = NULL", "change"),
        ("UPDATE changes SET document = 'x'", "change"),
        ("UPDATE changes SET document = '[' || document || ']'", "change"),
        ('UPDATE changes SET document = \'[1, "", "{}", [["text", [], ""]]]\'', "change"),
        ('UPDATE changes SET document = \'["", "", "{}", [[1, [], ""]]]\'', "change"),
        ('UPDATE changes SET document = \'["", "", "{\\"a\\": {}}", [["text", [], ""]]]\'', "change"),
        ("UPDATE changes SET vectors = X'00'", "change"),
        (f"UPDATE changes SET vectors = X'{'ff' * 4 * DIM}'", "change"),
        ("UPDATE changes SET vectors = NULL", "change"),
        ("UPDATE changes SET words = X'00'", "change"),
        ("UPDATE changes SET words = NULL", "change"),
        ("UPDATE changes SET forms = NULL", "change"),
        ("UPDATE changes SET forms = X'ff'", "change"),
        ("UPDATE changes SET passages = 2", "change"),
        ("UPDATE changes SET passages = 'two'", "change"),
        ("UPDATE changes SET id = X'ff'", "change"),
    ],
)
def test_what_no_journal_holds_is_refused(tmp_path: Path, statement: str, message: str) -> None:
    with Journal(tmp_path, dim=DIM) as journal:
        journal.append([entry("a", "text")])
    damage(tmp_path / JOURNAL, statement)
    with Journal(tmp_path, dim=DIM) as journal, pytest.raises(IndexCorrupt, match=message) as caught:
        # Each reads some of the tables.
        _ = journal.kinds(), list(journal.since(0))
    assert "\n" not in str(caught.value)


def test_a_newer_journal_names_what_to_do(tmp_path: Path) -> None:
    with Journal(tmp_path, dim=DIM) as journal:
        journal.append(entries(1))
    damage(tmp_path / JOURNAL, "PRAGMA user_version=2")
    with Journal(tmp_path, dim=DIM) as journal, pytest.raises(IndexTooNew, match="install a newer"):
        list(journal.since(0))


def test_another_program_s_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(b"no database" * 1000)
    with Journal(tmp_path, dim=DIM) as journal, pytest.raises(IndexCorrupt, match="restore a snapshot"):
        journal.append(entries(1))
    assert (tmp_path / JOURNAL).read_bytes() == b"no database" * 1000


def test_a_document_of_many_passages_keeps_its_text(journal: Journal) -> None:
    written = entry("long", [f"Part {row}. " for row in range(300)], "Long")
    journal.append([written])
    (change,) = journal.since(0)
    assert change.stored is not None
    same(change.stored, written)
    assert change.stored.document == Document("long", "Long", written.document.text)
