"""The modules as a package: their types, their one file, their size."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

WEB = ROOT / "web"
#: What the client and the element may cost whoever embeds them, in bytes.
MOST_GZIPPED = 18_500


def tool(name: str) -> Path:
    """A program of the node packages that ``make test`` installs; skips the test where there is none."""
    found = ROOT / ".venv" / "node" / "node_modules" / ".bin" / name
    if not found.exists():
        reason = f"no {name}: it needs npm, and make .venv/node.stamp"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def test_the_types_of_all_modules_hold() -> None:
    done = subprocess.run([tool("tsc"), "-p", WEB / "tsconfig.json"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_one_file_is_made_of_these_modules(tmp_path: Path) -> None:
    build = json.loads((WEB / "package.json").read_text())["scripts"]["build"].split()
    assert build[0] == "esbuild"
    built = tmp_path / "typeahead-search.min.js"
    command = [tool("esbuild"), *build[1:-1], f"--outfile={built}", "--log-level=error"]
    subprocess.run(command, cwd=WEB, check=True)
    assert built.read_bytes() == (WEB / built.name).read_bytes(), "its modules have changed: run make box"


def test_the_one_file_is_small() -> None:
    assert len(gzip.compress((WEB / "typeahead-search.min.js").read_bytes())) <= MOST_GZIPPED


def test_the_package_holds_all_that_its_modules_import() -> None:
    package = json.loads((WEB / "package.json").read_text())
    files = set(package["files"])
    for name in files:
        assert (WEB / name).is_file(), name
    sources = [(WEB / name).read_text() for name in files if name.endswith(".js") and not name.endswith(".min.js")]
    imported = {
        line.split('"')[-2].removeprefix("./")
        for source in sources
        for line in source.splitlines()
        if line.startswith(("import ", "export ")) and ' from "./' in line
    }
    assert imported
    assert imported <= files


def test_importing_the_package_where_there_is_no_browser_does_nothing(tmp_path: Path) -> None:
    script = tmp_path / "import.mjs"
    script.write_text(
        f"const m = await import({json.dumps((WEB / 'search-box.js').as_uri())}); console.log(Object.keys(m));"
    )
    tool("esbuild")
    done = subprocess.run(["node", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[ 'TypeaheadClient', 'TypeaheadSearch' ]"


def test_a_client_without_a_websocket_says_so_and_takes_one(tmp_path: Path) -> None:
    script = tmp_path / "connect.mjs"
    script.write_text(
        f"""
        delete globalThis.WebSocket;
        const {{ TypeaheadClient }} = await import({json.dumps((WEB / "client.js").as_uri())});
        const client = new TypeaheadClient("ws://localhost:1/v1/type");
        try {{ client.connect(); }} catch (error) {{ console.log(error.message, client.state); }}
        class WebSocket extends EventTarget {{ close() {{}} }}
        const other = new TypeaheadClient("ws://localhost:1/v1/type", {{ WebSocket }});
        other.connect();
        console.log(other.state);
        other.close();
        """
    )
    tool("esbuild")
    done = subprocess.run(["node", script], capture_output=True, text=True, check=True)
    said = "no WebSocket here: pass one, as { WebSocket } closed"
    assert done.stdout.splitlines() == [said, "connecting"]
