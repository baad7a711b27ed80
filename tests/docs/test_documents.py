"""What the documents say can be done: links lead somewhere, code runs, commands are understood, data is data."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.conftest import ROOT
from tests.docs.documents import (
    DOCUMENTS,
    Block,
    all_blocks,
    anchors,
    blocks,
    commands,
    links,
    name,
    shell_commands,
    spans,
)
from typeahead import cli
from typeahead.installation import DISTRIBUTION

#: Words that a stranger is asked to read before knowing whether to stay.
_MOST_WORDS = 1200


def broken_links(document: Path) -> list[str]:
    broken = []
    for link in links(document):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (document.parent / unquote(parts.path)).resolve() if parts.path else document
        leads = target.exists() and target.is_relative_to(ROOT)
        if not leads or (parts.fragment and target.suffix == ".md" and parts.fragment not in anchors(target)):
            broken.append(link)
    return broken


def understand(words: list[str]) -> None:
    """Fail unless the program that a command names exists and, if it is ``typeahead``, takes its arguments."""
    if words[0] == "typeahead":
        assert len(words) > 1, "typeahead needs a command"
        cli.parser(words[1]).parse_args(words[1:])
    elif words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(words[2]) is not None, f"there is no module {words[2]}"
    elif words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        arguments = [word for word in words[1:] if "=" not in word and word != "-C"]
        wanted = arguments[1:] if "-C" in words else arguments
        assert set(wanted) <= set(targets), f"{words} names no target of the Makefile"
    elif words[0].startswith("benchmarks/"):
        assert (ROOT / words[0]).is_file()


def known_flags(command: str) -> set[str]:
    """Flags of a command, and of its subcommands."""
    flags: set[str] = set()
    waiting = [cli.parser(command)._subparsers._group_actions[0].choices[command]]  # type: ignore[union-attr, index]
    while waiting:
        for action in waiting.pop()._actions:
            flags |= set(action.option_strings)
            if isinstance(action.choices, dict):
                waiting += action.choices.values()
    return flags


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_and_anchors_lead_somewhere(document: Path) -> None:
    assert broken_links(document) == []


@pytest.mark.parametrize("link", ["nothing.md", "#no-such-heading", "index.md#no-such-heading", "/etc/passwd"])
def test_a_link_that_leads_nowhere_is_found(link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.docs.test_documents.ROOT", tmp_path)
    (tmp_path / "index.md").write_text("# A heading\n")
    page = tmp_path / "page.md"
    page.write_text(f"# Another\n\n[good](index.md#a-heading), [also good](#another), [bad]({link})\n")
    assert broken_links(page) == [link]


@pytest.mark.parametrize("document", sorted({block.document for block in all_blocks("python")}), ids=name)
def test_python_runs_and_prints_what_stands_below_it(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    found = list(blocks(document))
    for block, following in zip(found, [*found[1:], None], strict=True):
        if block.language != "python":
            continue
        code = compile(block.text, str(block), "exec")
        if not block.runs:
            continue
        exec(code, namespace)
        printed = capsys.readouterr().out
        assert printed == (following.text if following is not None and following.language == "text" else ""), block


@pytest.mark.parametrize("words", [pytest.param(words, id=place) for place, words in shell_commands()])
def test_commands_are_understood(words: list[str]) -> None:
    understand(words)


def test_commands_are_found_behind_variables_and_pipes_and_before_redirections() -> None:
    text = (
        "A=1 typeahead models | head -1 # typeahead nothing\ntypeahead encode \\\n  'two words' ';' > out; make test\n"
    )
    expected = [["typeahead", "models"], ["head", "-1"]]
    expected += [["typeahead", "encode", "two words", ";"], ["make", "test"]]
    assert commands(Block(ROOT / "README.md", 1, "sh", text)) == expected


@pytest.mark.parametrize(
    "command",
    [
        "typeahead serve --no-such-flag",
        "typeahead nothing",
        "typeahead",
        "python -m benchmarks.nothing",
        "make nothing",
        "make -C typeahead nothing",
        "benchmarks/nothing.sh",
    ],
)
def test_a_command_that_nothing_understands_is_found(command: str) -> None:
    with pytest.raises((AssertionError, SystemExit)):
        understand(command.split())


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_flags_of_typeahead_in_running_text_exist(document: Path) -> None:
    names = dict(cli.COMMANDS)
    for span in spans(document):
        words = span.removeprefix("typeahead ").split()
        if words and words[0] in names:
            flags = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            # `python -m benchmarks…` and others stand in spans of their own; `--server-option=…` is theirs.
            assert flags <= known_flags(words[0]), span


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_modules_in_running_text_exist(document: Path) -> None:
    for span in spans(document):
        if found := re.match(r"python -m ((?:benchmarks|training|typeahead)[\w.]*)", span):
            assert importlib.util.find_spec(found[1]) is not None, span


@pytest.mark.parametrize("block", all_blocks("toml"), ids=str)
def test_toml_is_toml(block: Block) -> None:
    tomllib.loads(block.text)


@pytest.mark.parametrize("block", all_blocks("json"), ids=str)
def test_json_is_json_an_object_a_line(block: Block) -> None:
    for line in block.text.splitlines():
        assert isinstance(json.loads(line), dict)


def test_the_readme_is_short_and_names_what_a_stranger_needs() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= _MOST_WORDS
    for needed in ("make test", "demo", DISTRIBUTION, "Apache-2.0"):
        assert needed in text


def test_every_page_of_the_documentation_is_linked_from_the_readme() -> None:
    linked = {urlsplit(link).path for link in links(ROOT / "README.md")}
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked
