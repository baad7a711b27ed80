"""Searches go on while documents change, generations take over and others build anew; nothing is left open."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.index.hashing import HashingEncoder, config, documents
from tests.search.contract_oracles import asked, later, unit_vectors
from typeahead.errors import IndexFolderError, SearchError
from typeahead.index import Guard, Manifest, Teacher, build_index
from typeahead.index import view as views
from typeahead.index.backend import LivingBackend
from typeahead.index.changes.compacting import compact, create
from typeahead.index.changes.journal import Journal
from typeahead.index.changes.journal_schema import JOURNAL
from typeahead.index.living import LivingIndex
from typeahead.index.staging import Staging
from typeahead.search.filters import Equal
from typeahead.search.port import Entry, Request
from typeahead.search.ranking import find
from typeahead.text.document import Document, Passage

DIM = 16
VECTORS = unit_vectors(400, 3)
ANY = Guard(allow_empty=True, max_shrink=1)


def entry(number: int, text: str = "cheese") -> Entry:
    document = Document(f"d{number}", f"Title {number}", text, fields={"odd": number % 2 == 1})
    return Entry(document, (Passage(text),), VECTORS[number % len(VECTORS)][None])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create(tmp_path / "index", Teacher("test", None), DIM)
    return tmp_path / "index"


def ids(index: LivingIndex) -> list[str]:
    contents = index.contents
    return [contents.id(row) for row in contents.live_rows(contents.masks(None)).tolist()]


def held(folder: Path) -> tuple[int, int, int]:
    """Files and maps of an index that this process has open, and its threads."""
    gc.collect()
    gc.collect()
    files = [str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if os.path.lexists(one)]
    maps = Path("/proc/self/maps").read_text().splitlines()
    name = str(folder)
    return sum(name in file for file in files), sum(name in line for line in maps), threading.active_count()


async def test_searches_go_on_without_errors_and_find_nothing_that_is_gone(folder: Path) -> None:
    index = LivingIndex(folder)
    index.write([entry(number) for number in range(100)])
    backend = LivingBackend(index)
    view = await backend.capabilities.scoped(Equal("odd", True))  # type: ignore[misc]
    gone: dict[str, int] = {}
    done = threading.Event()

    def write() -> None:
        try:
            with LivingIndex(folder) as other:
                for step in range(20):
                    other.write([entry(number) for number in range(100 + 5 * step, 105 + 5 * step)])
                    some = [f"d{number}" for number in range(7 * step, 7 * step + 4)]
                    _, version = other.delete(some)
                    gone.update(dict.fromkeys(some, version))
                    if step % 4 == 3:
                        compact(folder)
        finally:
            done.set()

    def follow() -> None:
        while not done.is_set():
            index.refresh()

    threads = [threading.Thread(target=work) for work in (write, follow)]
    for thread in threads:
        thread.start()
    searches, versions = 0, set()
    while not done.is_set() or not searches:
        for one in (backend, view):
            present = int(backend.version)
            request = Request(VECTORS[searches % 200], asked("cheese"), 10)
            ((found),) = await find(one, [request], later())
            assert found.hits
            late = [hit.id for hit in found.hits if gone.get(hit.id, present + 1) <= present]
            # A view is told a moment after the version that is compared here.
            assert one is view or not late
            assert one is backend or all(int(hit.id[1:]) % 2 == 1 for hit in found.hits)
            versions.add(found.version)
        searches += 1
    for thread in threads:
        thread.join()
    index.refresh()
    assert len(versions) > 5
    assert view.count == sum(int(one[1:]) % 2 for one in ids(index))
    await view.close()
    await backend.close()


def test_twenty_compactions_leave_nothing_open(folder: Path) -> None:
    with LivingIndex(folder, linger=0) as index, LivingIndex(folder, linger=0) as other:
        view = views.View(Equal("odd", True))
        counts = []
        for step in range(22):
            index.write([entry(number) for number in range(3 * step, 3 * step + 3)])
            compact(folder)
            for one in (index, other):
                one.refresh()
            view.of(index.contents)
            if step in (1, 21):
                counts.append(held(folder))
        assert counts[1][:2] == counts[0][:2]
        assert counts[1][2] <= counts[0][2]
        assert len(list(folder.glob("generation-*"))) == 1
    del index, other, one, view
    assert held(folder)[:2] == (0, 0)


def test_a_view_keeps_no_part_that_is_gone(folder: Path) -> None:
    with LivingIndex(folder) as index:
        view = views.View(Equal("odd", True))
        for number in range(5):
            index.write([entry(number)])
            view.of(index.contents)
        assert set(view._parts) == set(index.contents.parts)


async def test_a_view_that_cannot_follow_says_so_rather_than_show_what_is_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = LivingIndex(folder)
    index.write([entry(1), entry(3)])
    backend = LivingBackend(index)
    view = await backend.capabilities.scoped(Equal("odd", True))  # type: ignore[misc]
    monkeypatch.setattr(views, "MOST_PASSAGES", 2)
    index.write([entry(5)])
    with pytest.raises(SearchError, match="more than 2 passages"):
        await find(view, [Request(VECTORS[1], None, 3)], later())
    index.delete(["d1"])
    assert (await find(view, [Request(VECTORS[5], None, 3)], later()))[0].hits[0].id == "d5"
    await view.close()
    await backend.close()


async def test_the_version_of_a_view_tells_of_new_vectors(folder: Path) -> None:
    index = LivingIndex(folder)
    index.write([entry(1)])
    backend = LivingBackend(index)
    view = await backend.capabilities.scoped(Equal("odd", True))  # type: ignore[misc]
    before = view.version
    index.write([entry(1)._replace(vectors=VECTORS[9][None])])
    after = view.version
    assert after != before
    compact(folder)
    index.refresh()
    assert view.version == after
    await view.close()
    await backend.close()


def test_a_filter_by_one_is_not_one_by_true(folder: Path) -> None:
    with LivingIndex(folder) as index:
        index.write([entry(1), entry(2)])
        contents = index.contents
        assert [contents.admits(contents.masks(Equal("odd", value))) for value in (True, 1, True, 1)] == [1, 0, 1, 0]


def building(
    folder: Path, count: int, during: Iterator[None] | None = None, *, teacher: str = "hash-teacher"
) -> Manifest:
    """Build anew, as ``typeahead index`` does, and let ``during`` take a step meanwhile."""

    def progress(stage: str, done: int, total: int | None) -> None:
        del done, total
        if during is not None and stage == "words":
            next(during, None)

    return build_index(documents(count), folder, HashingEncoder(config(teacher=teacher)), progress=progress, guard=ANY)


def hashed(key: str) -> Entry:
    document = Document(key, key, "")
    return Entry(document, (Passage(""),), HashingEncoder().encode([key]))


def test_a_rebuild_takes_over_and_what_was_written_meanwhile_stays(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    building(folder, 5)
    with LivingIndex(folder, linger=0) as index, LivingIndex(folder, linger=0) as other:
        versions = [index.write([hashed("before")])]

        def during() -> Iterator[None]:
            versions.append(index.write([hashed("meanwhile")]))
            versions.append(other.delete(["d0"])[1])
            yield

        manifest = building(folder, 4, during())
        # This process has not noticed yet.
        versions.append(other.write([hashed("late")]))
        index.refresh()
        assert set(ids(index)) == {"d1", "d2", "d3", "meanwhile", "late"} == set(ids(other))
        assert index.version == other.version == str(versions[-1])
        versions.append(index.write([hashed("later")]))
        assert versions == sorted(set(versions))
        compact(folder)
        index.refresh()
        assert index.version == str(versions[-1])
        assert Manifest.read(folder).version == versions[-1] > manifest.version
        assert set(ids(index)) == {"d1", "d2", "d3", "meanwhile", "late", "later"}


def test_a_rebuild_without_changes_gives_a_version_of_its_own(tmp_path: Path) -> None:
    building(tmp_path / "index", 5)
    with LivingIndex(tmp_path / "index", linger=0) as index:
        before = int(index.version)
        building(tmp_path / "index", 5)
        index.refresh()
        assert int(index.version) > before


def test_no_write_gets_the_version_of_a_generation_that_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    building(folder, 3)
    with LivingIndex(folder, linger=0) as index, LivingIndex(folder, linger=0) as other:
        index.write([hashed("a")])
        # One that does not look: as between two looks.
        monkeypatch.setattr(other, "refresh", lambda: False)
        seen = [index.version]
        building(folder, 3)
        index.refresh()
        seen.append(index.version)
        for key in "bcd":
            other.write([hashed(key)])
            index.refresh()
            seen.append(index.version)
        assert len(set(seen)) == len(seen)
        assert list(map(int, seen)) == sorted(map(int, seen))
        assert {"b", "c", "d"} <= set(ids(index))


def test_a_rebuild_for_another_encoder_is_not_taken(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    building(folder, 5)
    with LivingIndex(folder, linger=0) as index:
        index.write([hashed("before")])
        building(folder, 4, teacher="another")
        with pytest.raises(IndexFolderError, match=r"built anew for another.*restart"):
            index.write([hashed("late")])
        with pytest.raises(IndexFolderError, match="restart"):
            index.refresh()
        # It searches on.
        assert "before" in ids(index)
        assert len(index.contents.nearest(VECTORS[:1], 3, index.contents.masks(None))[0].rows) == 3
    with LivingIndex(folder) as index:
        assert ids(index) == ["d0", "d1", "d2", "d3"]


def test_a_rebuild_for_another_encoder_does_not_lose_what_is_written_meanwhile(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    building(folder, 5)
    with LivingIndex(folder, linger=0) as index:

        def during() -> Iterator[None]:
            index.write([hashed("meanwhile")])
            yield

        with pytest.raises(IndexFolderError, match="stop what writes there"):
            building(folder, 4, during(), teacher="another")
        index.refresh()
        assert set(ids(index)) == {"d0", "d1", "d2", "d3", "d4", "meanwhile"}
    # Once nobody writes, the same command goes on.
    assert building(folder, 4, teacher="another").count == 4


def test_an_index_whose_documents_are_in_the_journal_is_not_replaced_by_an_empty_one(folder: Path) -> None:
    with LivingIndex(folder) as index:
        index.write([entry(1)])
    with pytest.raises(IndexFolderError, match="has an index with documents"):
        create(folder, Teacher("test", None), DIM)
    with LivingIndex(folder) as index:
        assert ids(index) == ["d1"]


def test_changes_that_a_generation_has_leave_the_journal_after_a_kill(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LivingIndex(folder, linger=0) as index:
        index.write([entry(number) for number in range(5)])

        def killed(*_: object) -> None:
            raise IndexFolderError("the disk is full", folder=folder)

        with monkeypatch.context() as patched:
            patched.setattr(Journal, "drop_until", killed)
            with pytest.raises(IndexFolderError):
                compact(folder)
        index.refresh()
        # The new generation is there, and stays.
        assert ids(index) == [f"d{number}" for number in range(5)]
        assert index._base.journal.passages == 5
        compact(folder)
        assert index._base.journal.passages == 0
        index.refresh()
        assert index.contents.count == 5
    with LivingIndex(folder) as index:
        assert index.contents.count == 5


def test_a_staging_does_not_discard_what_is_active(folder: Path) -> None:
    with Staging(folder, {}, resume=False, guard=ANY) as staging:
        staging.folder = folder / Manifest.read(folder).generation
        staging.discard()
    LivingIndex(folder).close()


def test_a_read_that_failed_is_tried_again_and_told_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with LivingIndex(folder) as index, LivingIndex(folder) as other:
        index.write([entry(1)])
        other.write([entry(2)])

        def fails(*_: object) -> Iterator[None]:
            raise IndexFolderError("the disk does not answer", folder=folder)

        failures, told = 0, threading.Event()
        refresh = index.refresh

        def counted() -> bool:
            nonlocal failures
            failures += 1
            if failures > 3:
                told.set()
            return refresh()

        with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
            patched.setattr(Journal, "since", fails)
            with pytest.raises(IndexFolderError):
                index.refresh()
            patched.setattr(index, "refresh", counted)
            index.follow()
            assert told.wait(60)
        assert ids(index) == ["d1"]
        index.refresh()
        assert ids(index) == ["d1", "d2"]
    assert [record.getMessage() for record in caplog.records if "documents of before" in record.getMessage()] == [
        f"the documents of before are searched, as the changes of {folder} cannot be read: the disk does not answer"
    ]


def test_a_write_is_answered_although_it_cannot_be_read_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LivingIndex(folder) as index:

        def fails(*_: object) -> Iterator[None]:
            raise IndexFolderError("the disk does not answer", folder=folder)

        with monkeypatch.context() as patched:
            patched.setattr(Journal, "since", fails)
            version = index.write([entry(1)])
        assert ids(index) == []
        index.refresh()
        assert (ids(index), index.version) == (["d1"], str(version))


def test_a_damaged_journal_is_refused_at_opening_and_a_follower_goes_on(folder: Path) -> None:
    with LivingIndex(folder) as index:
        index.write([entry(number) for number in range(50)])
        compact(folder)
        index.refresh()
        index.write([entry(60)])
    path = folder / JOURNAL
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(IndexFolderError, match=r"damaged.*snapshot"):
        LivingIndex(folder)
    path.unlink()
    with LivingIndex(folder) as index:
        assert index.contents.count == 50


def test_a_compaction_that_is_due_is_started_and_ended_with_the_index(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typeahead.index.living.DUE_PASSAGES", 10)
    merged = threading.Event()
    with LivingIndex(folder, linger=0) as index:
        index.write([entry(number) for number in range(12)])
        assert index.due
        index.follow(lambda contents: merged.set() if len(contents.parts) == 1 else None)
        assert merged.wait(120)
        assert index.contents.count == 12
        # The changes leave the journal only once the new generation is there, at the least of all priorities.
        deadline = time.monotonic() + 120
        while index.due:
            assert time.monotonic() < deadline
            time.sleep(0.01)
