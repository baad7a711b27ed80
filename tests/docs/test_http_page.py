"""``docs/http.md`` against a server: every curl command is answered with 200, and every address exists."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT
from tests.docs.documents import blocks, commands
from tests.server.fakes import MeanEncoder
from tests.server.running import PATIENCE, Running, running
from tests.server.writable import WritableIndex
from typeahead.paths import web_folder
from typeahead.text.document import Document

PAGE = ROOT / "docs" / "http.md"
_CURL = [words for block in blocks(PAGE) if block.language == "sh" for words in commands(block) if words[0] == "curl"]
_ADDRESSES = re.findall(r"`(GET|POST) (/[\w/-]*)`", PAGE.read_text(encoding="utf-8"))


INDEX = WritableIndex()


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    encoder, passages = MeanEncoder("minilm-causal"), MeanEncoder("minilm-doc")
    with running(INDEX, encoder=encoder, passages=passages, web=web_folder(), write_token="w") as server:
        yield server


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("words", _CURL, ids=range(len(_CURL)))
def test_every_curl_command_is_answered(words: list[str], server: Running, tmp_path: Path) -> None:
    (tmp_path / "texts.ndjson").write_text('"boil an egg"\n"rain"\n')
    (tmp_path / "documents.ndjson").write_text('{"id": 7, "text": "rain", "fields": {"draft": false}}\n')
    INDEX.reset(Document("pages/eggs", text="boil an egg"), Document("8", text="rain"))
    meant = {"localhost:8765": server.http.removeprefix("http://"), "$TYPEAHEAD_WRITE_TOKEN": "w"}
    here = [functools.reduce(lambda made, name: made.replace(name, meant[name]), meant, word) for word in words]
    done = subprocess.run(
        [*here, "--silent", "--fail"], cwd=tmp_path, capture_output=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout or (tmp_path / "vectors.bin").stat().st_size > 0


@pytest.mark.parametrize(("method", "path"), _ADDRESSES)
def test_every_address_exists(method: str, path: str, server: Running) -> None:
    answer = httpx.request(method, server.http + path, timeout=PATIENCE)
    assert answer.status_code not in (404, 405)
