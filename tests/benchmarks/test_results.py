"""The pages of results: each figure has a name to cite, and commands that this version of the programs understands."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import re
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import NoReturn

import pytest

from typeahead import cli

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "README.md"
DATA = ROOT / "benchmarks" / "data.md"
INDEX = ROOT / "benchmarks" / "README.md"
PAGES = (RESULTS, DATA, INDEX, RESULTS.with_name("tried.md"))

_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`((?:python -m (?:benchmarks|training)\.|typeahead |make |benchmarks/)[^`]*)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
#: What shell commands of these pages begin with that belong to no program of the project.
_OTHERS = ("export", "pip")


class _ParsedError(Exception):
    """The arguments were understood; nothing is measured."""


def results() -> dict[str, str]:
    """The body of each result by its name."""
    parts = re.split(r"^### (.+)$", RESULTS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        name: re.split(r"^## ", body, flags=re.MULTILINE)[0]
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def commands_of(text: str) -> list[str]:
    """The lines of all shell blocks."""
    return [line for block in _BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def anchors_of(text: str) -> list[str]:
    """The anchors that GitHub gives to the headings of a page."""
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)]


def understand(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail unless the program that ``command`` names exists and takes its arguments."""
    words = shlex.split(command, comments=True)
    while "=" in words[0]:
        words = words[1:]
    if words[:2] == ["python", "-m"]:
        _understand_module(words[2], words[3:], monkeypatch)
    elif words[0] == "typeahead":
        cli.parser(words[1]).parse_args(words[1:])
    elif words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert {word for word in words[1:] if "=" not in word} <= set(targets)
    elif words[0].startswith("benchmarks/"):
        script = ROOT / words[0]
        assert os.access(script, os.X_OK)
    else:
        assert words[0] in _OTHERS, f"{words[0]} is no program of the project"


def _understand_module(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if name in ("pytest", "pip"):
        return
    assert name.startswith(("benchmarks.", "training.")), name
    assert importlib.util.find_spec(name) is not None, f"there is no module {name}"
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        # Without the module's extras, all we can check is that it exists.
        if (error.name or "").startswith(("benchmarks", "training", "typeahead")):
            raise
        return
    parse_args = argparse.ArgumentParser.parse_args

    def parse_only(self: argparse.ArgumentParser, *given: object, **named: object) -> NoReturn:
        parse_args(self, *given, **named)
        raise _ParsedError

    with monkeypatch.context() as patched:
        patched.setattr(argparse.ArgumentParser, "parse_args", parse_only)
        patched.setattr(sys, "argv", [name, *arguments])
        takes_arguments = module.main.__code__.co_argcount > 0
        with pytest.raises(_ParsedError):
            module.main(arguments) if takes_arguments else module.main()


def spans_of(text: str) -> list[str]:
    """Commands in running text and tables; one with an ellipsis is no command."""
    return [span for span in _SPAN.findall(_BLOCK.sub("", text)) if "…" not in span]


def is_bare(command: str) -> bool:
    """Whether running text just names a program, without the arguments that it may require."""
    words = command.split()
    return len(words) == (3 if words[0] == "python" else 2)


def all_commands() -> list[str]:
    """Whole commands of all pages, each once."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    spans = [span for text in texts for span in spans_of(text) if not is_bare(span)]
    return list(dict.fromkeys([*(command for text in texts for command in commands_of(text)), *spans]))


def all_programs() -> list[str]:
    """Programs that running text names, each once."""
    spans = [span for page in PAGES for span in spans_of(page.read_text(encoding="utf-8"))]
    return list(dict.fromkeys(span for span in spans if is_bare(span)))


def test_every_result_has_a_command_and_says_when_it_was_measured() -> None:
    found = results()
    assert len(found) > 40
    assert [name for name, body in found.items() if not commands_of(body)] == []
    dated = re.compile(
        r"^.*\b20\d\d-\d\d-\d\d\b.*\b(older version|sessions apart|one score|living index)\b", re.MULTILINE
    )
    undated = [name for name, body in found.items() if not dated.search(" ".join(body.split()))]
    assert undated == []


def test_every_result_has_figures() -> None:
    bodies = {
        name: re.sub(r"^.*\b20\d\d-.*", "", _BLOCK.sub("", body), flags=re.MULTILINE)
        for name, body in results().items()
    }
    assert [name for name, body in bodies.items() if not re.search(r"\d", body)] == []


def test_names_of_results_are_words() -> None:
    assert [name for name in results() if re.fullmatch(r"[A-Z]{1,2}", name) or len(name) < 4] == []


def test_no_table_has_rows_or_sources_that_are_letters() -> None:
    cells = [
        cell.strip() for line in RESULTS.read_text().splitlines() if line.startswith("|") for cell in line.split("|")
    ]
    assert [cell for cell in cells if re.fullmatch(r"[A-Z]{1,2}(, [A-Z]{1,2})*", cell)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name if page != INDEX else "index")
def test_anchors_are_unique(page: Path) -> None:
    counted = Counter(anchors_of(page.read_text(encoding="utf-8")))
    assert [anchor for anchor, times in counted.items() if times > 1] == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "training" / "README.md"], ids=lambda page: "/".join(page.parts[-2:]))
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor not in anchors_of(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("command", all_commands())
def test_commands_are_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    understand(command, monkeypatch)


@pytest.mark.parametrize("program", all_programs())
def test_programs_that_are_named_exist(program: str) -> None:
    words = program.split()
    if words[0] == "python":
        assert importlib.util.find_spec(words[2]) is not None
    else:
        assert words[1] in dict(cli.COMMANDS)


@pytest.mark.parametrize(
    "command",
    [
        "python -m benchmarks.nothing",
        "python -m benchmarks.keystroke --no-such-flag",
        "typeahead nothing",
        "typeahead search my-index --no-such-flag",
        "make nothing",
        "benchmarks/nothing.sh",
        "unheard-of --flag",
    ],
)
def test_a_command_that_nothing_understands_is_found(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((AssertionError, SystemExit)):
        understand(command, monkeypatch)


def test_the_index_names_every_benchmark() -> None:
    runnable = [path for path in INDEX.parent.glob("*.py") if "__main__" in path.read_text(encoding="utf-8")]
    assert len(runnable) > 25
    text = INDEX.read_text(encoding="utf-8")
    assert [path.stem for path in runnable if not re.search(rf"\b{path.stem}\b", text)] == []


def test_variables_of_commands_are_defined() -> None:
    used = set(re.findall(r"\$(\w+)", "\n".join(all_commands())))
    assert used - {"HOME"} <= set(re.findall(r"^\| `(\w+)` \|", DATA.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_layout_of_the_data_folder_has_every_path_of_the_commands() -> None:
    used = set(re.findall(r"\$TYPEAHEAD_DATA/([\w.-]+)", "\n".join(all_commands())))
    assert {"nfcorpus", "keystrokes.jsonl.gz"} <= used
    assert used <= set(re.findall(r"^ +[├└]── ([\w.-]+)", DATA.read_text(encoding="utf-8"), re.MULTILINE))
