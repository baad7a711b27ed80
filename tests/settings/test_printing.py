"""Printed settings: a configuration file that gives the same settings when it is read."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

from tests.settings.toys import Toy, resolved
from typeahead.server.config import ServerConfig
from typeahead.settings.declaring import ConfigError, Declared, declared
from typeahead.settings.printing import as_toml
from typeahead.settings.sources import Rank, Source


def test_each_line_has_its_help_and_its_source(tmp_path: Path) -> None:
    file = tmp_path / "to\nys.toml"
    file.write_text("weight = 0.25")
    found = resolved("--count", "4", environment={"TYPEAHEAD_WRAPPED": "1", "TYPEAHEAD_TOKEN": "s3cret"}, file=file)
    printed = as_toml(found, header="Toys.")
    assert printed.startswith(
        "# Toys.\n\n# ==== shop ====\n\n# Toys on the shelf.\n# Set by the flag --count.\ncount = 4\n"
    )
    assert f"# Set by the file {str(file)!a}.\nweight = 0.25\n" in printed
    assert "# Set by the environment variable TYPEAHEAD_WRAPPED.\nwrapped = true\n" in printed
    assert '# Set by default.\ncolour = "red"\n' in printed
    assert "# owner is not set.\n" in printed
    assert "# token is set by the environment variable TYPEAHEAD_TOKEN and not shown.\n" in printed
    assert "s3cret" not in printed
    assert "inner" not in printed


def test_relative_paths_are_printed_as_absolute_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = tomllib.loads(as_toml(resolved("--folder", "a", "--index", "b", "--model", "c/d"), header="Toys."))
    assert (values["folder"], values["index"]) == (str(tmp_path / "a"), str(tmp_path / "b"))
    assert values["model"] == str(tmp_path / "c/d")


def test_what_toml_cannot_hold_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="TOML cannot hold it") as caught:
        as_toml(resolved("--owner", "\udcff"), header="Toys.")
    assert caught.value.setting == "owner"


ORIGINS = st.sampled_from(["*", "https://example.org", "http://[::1]:8765"])
HOSTS = st.sampled_from(["example.org", "[::1]", "10.0.0.1"])
NETWORKS = st.sampled_from(["10.0.0.0/8", "::1"])
#: Any text that is valid Unicode.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def values_of(each: Declared) -> st.SearchStrategy[Any]:
    """Values that the declaration allows."""
    about = each.about
    if each.name in ("allowed_origins", "allowed_hosts", "trusted_proxies"):
        items = {"allowed_origins": ORIGINS, "allowed_hosts": HOSTS, "trusted_proxies": NETWORKS}[each.name]
        return st.lists(items).map(tuple)
    if each.name == "socket_mode":
        return st.sampled_from(["600", "660", "777"])
    if each.scalar is Path:
        return st.sampled_from([Path("/run/typeahead.sock"), Path("/tmp/a b")])
    if each.many:
        return st.lists(TEXTS).map(tuple)
    if each.choices:
        return st.sampled_from(each.choices)
    if each.scalar is bool:
        return st.booleans()
    if each.scalar is int:
        return st.integers(
            None if about.least is None else int(about.least), None if about.most is None else int(about.most)
        )
    if each.scalar is float:
        least = about.least if about.above is None else about.above
        return st.floats(least, about.most, exclude_min=about.above is not None, allow_nan=False, allow_infinity=False)
    return TEXTS


DECLARED = [each for each in declared(ServerConfig) if each.about.given_by == "all"]


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional={each.name: values_of(each) for each in DECLARED}))
@example({"examples": ("\x7f\x00\x1f\u2028\"\\'''", "\U0001f95a", " ")})
@example({"drain_seconds": 5e-324, "idle_seconds": 1.7976931348623157e308, "max_chars": 10**30})
def test_what_is_printed_gives_the_same_settings_when_it_is_read(values: dict[str, Any]) -> None:
    values.pop("shared_cache", None)  # needs a token, which is not printed
    found = resolved(kinds=[ServerConfig])
    for name, value in values.items():
        found = found.replaced(name, value, Source(Rank.FLAG, f"--{name}"))
    try:
        config = found.make(ServerConfig)
    except ConfigError:
        reject()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "typeahead.toml")
        file.write_text(as_toml(found, header="A server."), encoding="utf-8", newline="")
        assert resolved(kinds=[ServerConfig], file=file).make(ServerConfig) == config


def test_unset_values_stay_unset_when_they_are_read(tmp_path: Path) -> None:
    file = tmp_path / "toys.toml"
    file.write_text(as_toml(resolved(), header="Toys."))
    assert resolved(file=file).make(Toy) == Toy()
