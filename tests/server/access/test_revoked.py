from __future__ import annotations

from pathlib import Path

import pytest

from typeahead.server.access.revoked import LOOK_SECONDS, Revoked, RevokedUnreadable


def test_names_are_read_again_when_the_file_changes(tmp_path: Path) -> None:
    now = 0.0
    path = tmp_path / "revoked"
    path.write_text("one  # lost laptop\n\n# nobody\n")
    revoked = Revoked(path, clock=lambda: now)
    assert "one" in revoked
    assert "two" not in revoked
    assert "" not in revoked
    path.write_text("one\ntwo\n")
    assert "two" not in revoked
    now += LOOK_SECONDS
    assert "two" in revoked


def test_what_was_revoked_stays_so_when_the_file_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    path = tmp_path / "revoked"
    path.write_text("one\n")
    revoked = Revoked(path, clock=lambda: now)
    path.unlink()
    now += LOOK_SECONDS
    assert "one" in revoked
    assert "stay revoked" in caplog.text
    path.write_bytes(b"\xff")
    now += LOOK_SECONDS
    assert "one" in revoked
    path.write_text("two\n")
    now += LOOK_SECONDS
    assert "one" not in revoked
    assert "two" in revoked


def test_a_file_that_cannot_be_read_at_first_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RevokedUnreadable, match="cannot be read"):
        Revoked(tmp_path / "missing")
