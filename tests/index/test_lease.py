from __future__ import annotations

from pathlib import Path

import pytest

from tests.index.hashing import HashingEncoder, documents
from typeahead.index import build_index, open_index
from typeahead.index.lease import Lease
from typeahead.index.manifest import Manifest

pytest.importorskip("fcntl", reason="this system has no flock")


def test_a_generation_that_is_held_outlives_the_next_build_and_can_be_opened_by_its_manifest(tmp_path: Path) -> None:
    build_index(documents(50), tmp_path, HashingEncoder())
    manifest = Manifest.read(tmp_path)
    lease = Lease(tmp_path / manifest.generation)
    build_index(documents(60), tmp_path, HashingEncoder())
    with open_index(tmp_path) as newer, open_index(tmp_path, manifest=manifest) as held:
        assert (len(newer), len(held)) == (60, 50)
    lease.close()
    lease.close()
    build_index(documents(70), tmp_path, HashingEncoder())
    assert [path.name for path in tmp_path.glob("generation-*")] == [Manifest.read(tmp_path).generation]


def test_a_lease_on_what_is_not_there_holds_nothing(tmp_path: Path) -> None:
    Lease(tmp_path / "generation-1").close()
