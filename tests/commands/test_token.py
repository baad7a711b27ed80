from __future__ import annotations

from pathlib import Path

import pytest

from typeahead.cli import main
from typeahead.search.filters import Equal
from typeahead.server.access.signing import KeyRing

SECRET = "s" * 32


def test_a_token_is_printed_and_its_name_beside_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TYPEAHEAD_SIGNING_KEYS", f"k:{SECRET}")
    options = ["--right", "search", "--right", "write", "--filter", '{"tenant": "a"}', "--index", "docs"]
    assert main(["token", *options, "--expires", "1h"]) == 0
    out, err = capsys.readouterr()
    grant = KeyRing({"k": SECRET}).verify(out.strip().encode())
    assert grant.rights == {"search", "write"}
    assert (grant.filter, grant.indexes) == (Equal("tenant", "a"), frozenset({"docs"}))
    assert grant.name in err


def test_a_new_key_can_sign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--new-key", "k"]) == 0
    line = capsys.readouterr().out
    (tmp_path / "keys").write_text(line)
    assert main(["token", "--signing-keys-file", str(tmp_path / "keys"), "--right", "search", "--expires", "7d"]) == 0
    assert KeyRing.read(line).verify(capsys.readouterr().out.strip().encode()).rights == {"search"}


@pytest.mark.parametrize(
    ("options", "status", "named"),
    [
        (["--right", "search"], 1, "--expires"),
        (["--expires", "1h"], 1, "needs a right"),
        (["--right", "search", "--expires", "0s"], 1, "live longer"),
        (["--right", "search", "--expires", "soon"], 2, "1h"),
        (["--right", "search", "--expires", "1h", "--filter", "{"], 2, "not JSON"),
        (["--right", "search", "--expires", "1h", "--filter", "{}"], 1, "empty"),
        (["--right", "search", "--expires", "1h", "--filter", '{"a": null}'], 1, "a is None"),
        (["--right", "metrics", "--expires", "1h", "--filter", '{"a": 1}'], 1, "make two tokens"),
        (["--right", "search", "--expires", "1h", "--key", "lost"], 1, "no key 'lost'"),
        (["--right", "search", "--expires", "1h", "--signing-keys-file", "/nonexistent"], 1, "/nonexistent"),
    ],
)
def test_what_makes_no_token_is_explained(
    options: list[str],
    status: int,
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TYPEAHEAD_SIGNING_KEYS", f"k:{SECRET}")
    try:
        found = main(["token", *options])
    except SystemExit as end:
        found = int(str(end.code))
    out, err = capsys.readouterr()
    assert (found, out) == (status, "")
    assert named in err


def test_without_keys_it_is_said_how_to_make_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TYPEAHEAD_SIGNING_KEYS", raising=False)
    assert main(["token", "--right", "search", "--expires", "1h"]) == 1
    assert "--new-key" in capsys.readouterr().err
