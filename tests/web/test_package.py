"""The modules as a package: their types, their one file, their size."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import tarfile
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


def test_the_declarations_are_made_of_these_modules(tmp_path: Path) -> None:
    subprocess.run([tool("tsc"), "-p", WEB / "tsconfig.types.json", "--outDir", tmp_path], check=True)
    # Those that a user of the package sees. The others are written by hand.
    for name in ("search-box", "client", "markup", "types"):
        made = (tmp_path / f"{name}.d.ts").read_bytes()
        assert made == (WEB / "types" / f"{name}.d.ts").read_bytes(), "its module has changed: run make box"


PAGE = """
import { TypeaheadSearch, type Hit } from "typeahead-search";
import { TypeaheadClient } from "typeahead-search/client";
import type { Answer } from "typeahead-search/types.js";

const box = document.createElement("typeahead-search");
const found: TypeaheadSearch | null = document.querySelector("typeahead-search");
Object.assign(box, { src: "wss://search.example.org/v1/type" });
box.minScore = "0.4";
box.filter = { country: "France" };
box.addEventListener("select", ({ detail }) => { const hit: Hit = detail.hit; console.log(hit.title); });
box.addEventListener("statechange", ({ detail }) => console.log(detail === "open", found?.hits));
box.addEventListener("hits", ({ detail }) => { const answer: Answer = detail; console.log(answer.weak); });
box.addEventListener("keydown", (event) => console.log(event.key));
box.addEventListener("input", function () { console.log(this.value); });
const client = new TypeaheadClient("wss://search.example.org/v1/type", { hello: { k: 3 } });
client.addEventListener("statechange", ({ detail }) => detail === "open");
// @ts-expect-error
box.addEventListener("select", ({ detail }) => detail.nothing);
// @ts-expect-error
client.addEventListener("statechange", ({ detail }) => detail === "shut");
// @ts-expect-error
box.figures = "yes";
"""


def test_a_page_of_somebody_elses_is_checked_against_the_packed_types(tmp_path: Path) -> None:
    tsc = tool("tsc")
    (tmp_path / "node_modules").mkdir()
    subprocess.run(
        ["npm", "pack", "--silent", "--pack-destination", tmp_path], cwd=WEB, check=True, capture_output=True
    )
    (packed,) = tmp_path.glob("*.tgz")
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path / "node_modules", filter="data")
    (tmp_path / "node_modules" / "package").rename(tmp_path / "node_modules" / "typeahead-search")
    (tmp_path / "page.ts").write_text(PAGE)
    options = ["--strict", "--noEmit", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"]
    done = subprocess.run([tsc, *options, "page.ts"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_package_has_the_projects_licence() -> None:
    assert (WEB / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_one_file_is_small() -> None:
    assert len(gzip.compress((WEB / "typeahead-search.min.js").read_bytes())) <= MOST_GZIPPED


def test_the_package_holds_all_that_its_modules_import() -> None:
    package = json.loads((WEB / "package.json").read_text())
    files = set(package["files"])
    for name in files:
        assert (WEB / name).exists(), name
    for entry in package["exports"].values():
        for path in entry.values() if isinstance(entry, dict) else [entry]:
            assert (WEB / path).is_file(), path
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
