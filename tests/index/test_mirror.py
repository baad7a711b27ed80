"""A folder that is followed: what is read again, what is deleted, and what is not believed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from tests.index.hashing import HashingEncoder
from typeahead.index.changes.compacting import create
from typeahead.index.manifest import Teacher
from typeahead.index.mirror import Mirror
from typeahead.index.opened import OpenIndex
from typeahead.text.mapping import Found
from typeahead.text.sources import read_files


class Followed:
    """A folder of ten notes and a file of records, and what is told of it."""

    def __init__(self, place: Path) -> None:
        self.place, self.folder = place, place / "notes"
        self.folder.mkdir()
        for number in range(10):
            self.write(f"{number}.md", f"# Note {number}\n\nText of {number}.")
        self.write("records.jsonl", '{"id": "a", "text": "a"}\n{"id": "b", "text": "b"}\n')
        self.encoder = HashingEncoder()
        create(place / "index", Teacher("hash-teacher", "r1"), 16)
        self.index = OpenIndex(place / "index", self.encoder)
        self.read: list[Collection[Path] | None] = []
        self.told: list[str] = []
        #: What happens while the mirror waits for the folder to settle.
        self.meanwhile: list[Callable[[], object]] = []
        self.mirror = Mirror(
            self.folder, self.index, self._read, max_shrink=0.5, tell=self.told.append, wait=self._wait
        )
        self.mirror.first()

    def _read(self, only: Collection[Path] | None) -> Iterator[Found]:
        self.read.append(only)
        return read_files(self.folder, None, only)

    def _wait(self, seconds: float) -> bool:
        if seconds and self.meanwhile:
            self.meanwhile.pop(0)()
        return False

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def remove(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink()

    @property
    def ids(self) -> set[str]:
        return set(self.index.ids())


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    made = Followed(tmp_path)
    yield made
    made.index.close()


ALL = {*(f"{number}.md" for number in range(10)), "a", "b"}


def test_nothing_is_read_where_nothing_changed(followed: Followed) -> None:
    assert followed.ids == ALL
    assert not followed.mirror.look().did_anything
    assert (followed.read, followed.told) == ([None], [])


def test_only_changed_files_are_read_again(followed: Followed) -> None:
    followed.encoder.encoded.clear()
    followed.write("3.md", "# Note 3\n\nAnother text.")
    followed.write("below/new.md", "# New\n\nA new note.")
    look = followed.mirror.look()
    assert (look.report.count, look.report.added, look.deleted) == (2, 1, 0)
    assert sorted(str(only) for only in followed.read[1:]) == [
        str([followed.folder / "3.md"]),
        str([followed.folder / "below" / "new.md"]),
    ]
    assert len(followed.encoder.encoded) == 2
    assert followed.ids == {*ALL, "below/new.md"}


def test_documents_of_files_that_are_gone_are_deleted(followed: Followed) -> None:
    followed.remove("1.md", "2.md")
    assert followed.mirror.look().deleted == 2
    assert followed.ids == ALL - {"1.md", "2.md"}
    followed.write("1.md", "# Note 1 again")
    assert followed.mirror.look().report.added == 1


def test_records_that_leave_their_file_are_deleted_and_moved_ones_are_not(followed: Followed) -> None:
    followed.write("records.jsonl", '{"id": "b", "text": "b"}\n')
    assert followed.mirror.look().deleted == 1
    assert followed.ids == ALL - {"a"}
    (followed.folder / "records.jsonl").rename(followed.folder / "moved.jsonl")
    look = followed.mirror.look()
    assert (look.deleted, look.report.unchanged) == (0, 1)
    assert followed.ids == ALL - {"a"}


def test_other_documents_of_the_index_stay(followed: Followed) -> None:
    followed.index.upsert([{"id": "other", "text": "from elsewhere"}])
    followed.remove("1.md")
    followed.mirror.look()
    assert followed.ids == {*ALL, "other"} - {"1.md"}


@pytest.mark.parametrize("how", ["gone", "empty", "many"])
def test_a_folder_that_may_be_unmounted_deletes_nothing(followed: Followed, how: str) -> None:
    away = followed.place / "away"
    shutil.copytree(followed.folder, away)
    if how == "many":
        followed.remove(*(f"{number}.md" for number in range(7)))
    else:
        shutil.rmtree(followed.folder)
        if how == "empty":
            followed.folder.mkdir()
    for _ in range(3):
        assert not followed.mirror.look().did_anything
    assert followed.ids == ALL
    assert len(followed.told) == 1
    assert ("gone" if how == "gone" else "vanished at once") in followed.told[0]
    shutil.copytree(away, followed.folder, dirs_exist_ok=True)
    look = followed.mirror.look()
    assert (look.report.count, look.deleted) == (0, 0)
    assert followed.told[1:] == [f"{followed.folder}: all is well again"]
    followed.remove("1.md")
    assert followed.mirror.look().deleted == 1


def test_a_file_that_an_editor_replaces_is_not_missed(followed: Followed) -> None:
    followed.remove("1.md")
    followed.write("2.md", "# Half")

    def save() -> None:
        followed.write("1.md", "# Note 1, saved")
        followed.write("2.md", "# Half and half")

    followed.meanwhile = [save]
    look = followed.mirror.look()
    assert (look.report.count, look.report.added, look.deleted) == (2, 0, 0)
    assert followed.index.get(["2.md"])["2.md"].title == "Half and half"


def test_a_file_that_never_settles_is_read_all_the_same(followed: Followed) -> None:
    texts = iter(range(1000))
    followed.write("log.txt", "begun")
    followed.meanwhile = [lambda: followed.write("log.txt", "x" * next(texts))] * 100
    assert followed.mirror.look().report.added == 1


def test_a_file_that_cannot_be_read_keeps_its_documents(followed: Followed) -> None:
    followed.write("records.jsonl", '{"id": "a", "text": "changed"}\n{"id": "b", "te')
    look = followed.mirror.look()
    assert (look.unread, look.did_anything) == (1, False)
    assert "stay as they are" in followed.told[0]
    assert followed.index.get(["a"])["a"].text == "a"
    assert not followed.mirror.look().unread
    followed.write("records.jsonl", '{"id": "a", "text": "changed"}\n')
    look = followed.mirror.look()
    assert (look.report.count, look.deleted) == (1, 1)


def test_the_index_may_lie_in_the_folder(tmp_path: Path) -> None:
    followed = Followed(tmp_path)
    inside = followed.folder / "index"
    create(inside, Teacher("hash-teacher", "r1"), 16)
    (inside / "stray.md").write_text("# Not a note")
    with OpenIndex(inside, followed.encoder) as index:
        mirror = Mirror(
            followed.folder,
            index,
            lambda only: read_files(followed.folder, None, only),
            max_shrink=0.5,
            tell=followed.told.append,
            wait=lambda _: False,
            without=inside,
        )
        mirror.first()
        (inside / "stray.md").write_text("# Still not a note")
        assert not mirror.look().did_anything
    followed.index.close()
