"""The flips end to end, on little, and how a process that was asked may end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")


def test_every_flip_is_found_and_each_has_one_end(tmp_path: Path) -> None:
    # A process of its own forks: this one has threads.
    command = ["-m", "benchmarks.flips", "--trials", "2", "--documents", "100", "--kinds", "faiss", "model"]
    subprocess.run([sys.executable, *command, "--json", str(tmp_path / "out.json")], cwd=ROOT, check=True)
    data = json.loads((tmp_path / "out.json").read_text())
    assert data["found"] == "100.0%"
    for row in data["rows"]:
        folder, flips, found, *ends = row.values()
        assert (flips, found, sum(ends)) == (1, 1, 1), folder


def test_a_process_that_dies_has_crashed() -> None:
    code = """
import os
from benchmarks.flips import ask
from typeahead.errors import IndexCorrupt
def refuse(): raise IndexCorrupt("damaged")
def fail(): raise ValueError
print([ask(lambda: 7), repr(ask(refuse)), ask(fail), ask(lambda: os.kill(os.getpid(), 11))])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == """[7, "TypeaheadError('damaged')", 'crashed', 'crashed']\n"""
