"""The settings of ``typeahead serve``: their flags, and that a new one is declared in one place."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from typeahead.cli import main, parser
from typeahead.commands.demo import EXAMPLES
from typeahead.commands.serve import Launch, all_settings, read_settings
from typeahead.search.reading import CONTINUATIONS
from typeahead.server import ServerConfig
from typeahead.settings.declaring import Group, setting
from typeahead.settings.sources import Settings

#: What a release before configuration files had; commands that people have written go on working.
FLAGS = """
--index --passage-encoder --encoder --fallback --host --port --allowed-origin --allowed-host --trusted-proxy
--share-port --example --hybrid --look-ahead --complete --token-file --operator-token-file --timings --shared-cache
--otel --max-chars --max-frame-bytes --max-sessions --max-connections --max-silent-connections
--max-connections-per-address --max-head-bytes --max-pending --max-search-batch --max-waiting-searches --max-turn-ms
--anytime --lexical-weight --lexical-wait-ms --default-k --max-k --snippet-chars --cache-bytes --fallback-tokens
--fallback-queue --max-body-bytes --max-inputs --max-batch --max-input-chars --max-requests --max-bodies
--client-reports --head-seconds --body-seconds --hello-seconds --idle-seconds --stall-seconds --ping-seconds
--drain-seconds --lexical --workers --verify --words --fast
"""


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TYPEAHEAD_")]:
        monkeypatch.delenv(name)


def test_every_setting_has_one_declaration_and_no_flag_of_before_is_gone() -> None:
    settings = all_settings()
    assert [each.name for each in settings] == [field.name for kind in (Launch, ServerConfig) for field in fields(kind)]
    assert len({each.name for each in settings}) == len(settings)
    flags = {each.flag for each in settings if each.about.given_by == "all"}
    assert flags >= set(FLAGS.split())


def test_each_help_is_sentences() -> None:
    for each in all_settings():
        assert re.fullmatch(r"[A-Z].*\.", each.about.help), each.name


@dataclass(frozen=True, kw_only=True)
class Sparkling(ServerConfig):
    """A server with one setting more."""

    sparkle_count: int = setting(3, "Sparkles around each hit.", group=Group("results"), least=1)


def test_a_new_setting_is_declared_in_one_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("typeahead.server.ServerConfig", Sparkling)
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    assert "--sparkle-count N Sparkles around each hit. (default: 3)" in " ".join(capsys.readouterr().out.split())

    def printed(*arguments: str) -> str:
        assert main(["serve", *arguments, "--print-config"]) == 0
        text = capsys.readouterr().out
        return text[text.index("# Sparkles around each hit.\n") :].split("\n\n")[0].partition("\n")[2]

    assert printed() == "# Set by default.\nsparkle_count = 3"
    file = tmp_path / "typeahead.toml"
    file.write_text("sparkle_count = 4\n")
    assert printed("--config", str(file)) == f"# Set by the file {file}.\nsparkle_count = 4"
    monkeypatch.setenv("TYPEAHEAD_SPARKLE_COUNT", "5")
    variable = "TYPEAHEAD_SPARKLE_COUNT"
    assert printed("--config", str(file)) == f"# Set by the environment variable {variable}.\nsparkle_count = 5"
    flags = ["--config", str(file), "--sparkle-count", "6"]
    assert printed(*flags) == "# Set by the flag --sparkle-count.\nsparkle_count = 6"

    monkeypatch.setenv("TYPEAHEAD_SPARKLE_COUNT", "0")
    assert main(["serve"]) == 1
    message = "typeahead serve: TYPEAHEAD_SPARKLE_COUNT: sparkle_count is 0: it must be at least 1\n"
    assert capsys.readouterr().err == message


def test_what_is_printed_can_be_served_from_and_has_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TYPEAHEAD_OPERATOR_TOKEN", "0s3cret")
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    flags = ["--index", str(tmp_path / "index"), "--token-file", str(token), "--example", 'a "b", c', "--shared-cache"]
    arguments = ["serve", *flags, "--workers", "3", "--anytime", "0.5"]
    assert main([*arguments, "--print-config"]) == 0
    out = capsys.readouterr().out
    assert "s3cret" not in out
    file = tmp_path / "typeahead.toml"
    file.write_text(out)
    before, after = (
        read_settings(parser("serve").parse_args(given)) for given in (arguments, ["serve", "--config", str(file)])
    )
    assert before.make(ServerConfig) == after.make(ServerConfig)
    assert before.make(ServerConfig).token == "s3cret"
    assert before.make(Launch) == after.make(Launch)
    assert set(tomllib.loads(out)) < {each.name for each in all_settings()}


def test_indexes_are_given_by_name_and_one_without_a_name_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named(*arguments: str) -> list[tuple[str, str]]:
        return read_settings(parser("serve").parse_args(["serve", *arguments])).make(Launch).named

    assert named() == []
    assert named("--index", "a", "--index", "other=b=c") == [("default", "a"), ("other", "b=c")]
    assert named("--index", "./a=b") == [("default", "./a=b")]
    file = tmp_path / "typeahead.toml"
    # Once there could be only one.
    file.write_text('index = "one"\n')
    assert named("--config", str(file)) == [("default", str(tmp_path / "one"))]
    file.write_text('index = ["docs=one", "far=myengine://host"]\n')
    assert named("--config", str(file)) == [("docs", str(tmp_path / "one")), ("far", "myengine://host")]
    monkeypatch.setenv("TYPEAHEAD_INDEX", "x=a,y=b")
    assert named() == [("x", "a"), ("y", "b")]


def test_two_indexes_of_one_name_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--index", "a", "--index", "default=b"]) == 1
    assert "index has two of the name default: write NAME=INDEX" in capsys.readouterr().err


def test_a_setting_that_others_rule_out_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "typeahead.toml"
    file.write_text("max_k = 3\n")
    assert main(["serve", "--config", str(file)]) == 1
    assert capsys.readouterr().err.startswith(f"typeahead serve: {file}: default_k is 8, more than max_k, which is 3")


def test_an_error_of_loading_names_the_file_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "typeahead.toml"
    file.write_text('encoder = "minilm-doc"\n')
    assert main(["serve", "--config", str(file)]) == 1
    message = f"typeahead serve: {file}: encoder minilm-doc cannot encode what is typed: give a query encoder\n"
    assert capsys.readouterr().err.endswith(message)


def test_workers_have_the_settings_that_the_server_was_started_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where file and environment have changed since."""
    file = tmp_path / "typeahead.toml"
    file.write_text('max_chars = 100\nworkers = 2\nhost = "127.0.0.2"\n')
    monkeypatch.setenv("TYPEAHEAD_MAX_K", "50")
    monkeypatch.setenv("TYPEAHEAD_TOKEN", "s3cret")
    served: list[Settings] = []
    monkeypatch.setattr("typeahead.commands.serve.run_server", lambda settings, *_, **__: served.append(settings))

    class Supervisor:
        def __init__(self, command: list[str], host: str, port: int, *, count: int, **_: Any) -> None:
            self.command = command
            assert (host, port, count) == ("127.0.0.2", 9, 2)

        def run(self) -> None:
            file.write_text("max_chars = 200\n")
            monkeypatch.setenv("TYPEAHEAD_MAX_K", "60")
            assert "s3cret" not in Path(self.command[-1]).read_text()
            assert main([*self.command[3:], "--worker", "3,4"]) == 0

    monkeypatch.setattr("typeahead.server.process.supervisor.Supervisor", Supervisor)
    assert main(["serve", "--config", str(file), "--port", "9"]) == 0
    (settings,) = served
    expected = ServerConfig(max_chars=100, host="127.0.0.2", port=9, max_k=50, token="s3cret")
    assert settings.make(ServerConfig) == expected


@pytest.mark.parametrize(
    ("flags", "examples", "timings"),
    [
        ([], EXAMPLES, True),
        (["--no-timings", "--example", "a"], ("a",), False),
        (["--allowed-host", "example.org"], EXAMPLES, False),
        (["--allowed-host", "example.org", "--timings"], EXAMPLES, True),
    ],
)
def test_the_demo_has_examples_and_timings_unless_told_otherwise(
    flags: list[str], examples: tuple[str, ...], timings: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[ServerConfig] = []

    def serve(settings: Settings, *_: Any) -> None:
        served.append(settings.make(ServerConfig))

    monkeypatch.setattr("typeahead.commands.demo.run_server", serve)
    monkeypatch.setattr("typeahead.demo.building.ensure_demo_index", lambda *_: None)
    assert main(["demo", *flags]) == 0
    assert (served[0].examples, served[0].timings) == (examples, timings)


def test_the_demo_takes_no_index(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["demo", "--index", "x"])
    assert "--index" in capsys.readouterr().err


def test_what_guards_the_server_is_set_by_flags() -> None:
    flags = "--trusted-proxy 10.0.0.1 --trusted-proxy 192.168.0.0/16 --max-connections-per-address 20 --share-port"
    options: argparse.Namespace = parser("serve").parse_args(["serve", *flags.split(), "--head-seconds", "5"])
    config = read_settings(options).make(ServerConfig)
    assert config.trusted_proxies == ("10.0.0.1", "192.168.0.0/16")
    assert (config.max_connections_per_address, config.share_port, config.head_seconds) == (20, True, 5.0)


@pytest.mark.parametrize(
    "code", ["import typeahead.cli; typeahead.cli.parser(None)", "import typeahead.commands.serve"]
)
def test_nothing_of_the_server_is_imported_before_the_command_is_chosen(code: str) -> None:
    script = f"import sys; {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert not {"typeahead.server", "uvicorn", "starlette"} & set(done.stdout.split())


@pytest.mark.parametrize(
    ("flags", "encoder", "complete"),
    [
        ([], None, CONTINUATIONS),
        (["--fast"], "minilm-gru", 0),
        (["--fast", "--complete", "4"], "minilm-gru", 4),
        (["--fast", "--encoder", "minilm-static"], "minilm-static", 0),
    ],
)
def test_fast_takes_the_lightest_encoder_and_no_completions_unless_something_else_is_given(
    flags: list[str], encoder: str | None, complete: int
) -> None:
    settings = read_settings(parser("serve").parse_args(["serve", *flags]))
    assert (settings.make(Launch).encoder, settings.make(ServerConfig).complete) == (encoder, complete)
    assert settings.make(ServerConfig).searches_words


@pytest.mark.parametrize(
    ("flags", "words"), [(["--hybrid", "off"], False), (["--hybrid", "rrf", "--lexical-weight", "0.5"], True)]
)
def test_earlier_settings_still_work_and_are_said_to_go(
    flags: list[str], words: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = read_settings(parser("serve").parse_args(["serve", *flags]))
    assert settings.make(ServerConfig).searches_words is words
    warnings = capsys.readouterr().err.splitlines()
    assert warnings[0] == 'warning: --hybrid: hybrid goes in 0.3.0: set words to "on" or "off"'
    assert len(warnings) == len(flags) // 2
    assert main(["serve", "--print-config"]) == 0
    assert "hybrid" not in capsys.readouterr().out


def test_workers_that_cannot_open_an_index_say_so_once() -> None:
    command = ["serve", "--index", "nowhere://x", "--workers", "2", "--port", "0", "--encoder", "minilm-gru"]
    ended = subprocess.run(
        [sys.executable, "-m", "typeahead", *command], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "typeahead serve: 'nowhere://x': no back end is installed for nowhere://: give the folder of an index, or "
        "install one that answers to it"
    ]
