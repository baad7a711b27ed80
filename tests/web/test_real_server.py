"""The whole path: keys in a real browser, the real server, the real models, documents of this Python."""

from __future__ import annotations

import inspect
import json
import os.path
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.conftest import SearchPage, check_log
from tests.web.proxy import BlockingProxy
from typeahead.encoders.transformer import TransformerEncoder
from typeahead.index import Document, build_index

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parent.parent.parent


def documents(module: ModuleType) -> Iterator[Document]:
    """The module's public functions, by their docstrings."""
    name = "os.path" if module is os.path else module.__name__
    for part, function in inspect.getmembers(module, inspect.isroutine):
        text = inspect.getdoc(function)
        if text and part in getattr(module, "__all__", ()):
            title = f"{name}.{part}"
            yield Document(title, title, text, f"https://docs.python.org/3/library/{name}.html#{title}")


class RealServer:
    """A server process on a port of its own."""

    def __init__(self, index: Path) -> None:
        self.index = index
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start, and wait until it is ready."""
        command = [sys.executable, "-m", "tests.web.real_server", str(self.index), str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("http://")

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, passage_encoder: TransformerEncoder) -> Path:
    folder = tmp_path_factory.mktemp("real") / "index"
    build_index([*documents(os.path), *documents(json), *documents(statistics)], folder, passage_encoder)
    return folder


@pytest.fixture
def server(index: Path) -> Iterator[RealServer]:
    server = RealServer(index)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def page(driver: Any, server: RealServer) -> Iterator[SearchPage]:
    driver.get_log("browser")
    page = SearchPage(driver, server.url)
    page.open()
    yield page
    check_log(driver)


def test_words_of_the_query_are_marked_where_the_server_says(page: SearchPage) -> None:
    page.press("isd")
    page.until(lambda seen: "isd" in seen["marks"])


def test_without_a_websocket_it_searches_over_http_says_so_and_goes_back(driver: Any, server: RealServer) -> None:
    driver.get_log("browser")
    with BlockingProxy(server.port) as proxy:
        page = SearchPage(driver, proxy.url)
        driver.get(proxy.url)
        page.until(lambda seen: seen["state"] == "waiting")
        page.input.click()
        page.press("most frequent value")
        seen = page.until(lambda seen: "statistics.mode" in seen["options"][:3])
        assert (seen["state"], seen["connection"]) == ("http", "No live connection – searching over HTTP")
        # The beginning of the text may have found it: only what is announced while nothing is waited for is for all.
        page.until(lambda seen: seen["said"] == "8 results" and not seen["waiting"])
        page.press(Keys.ENTER)
        page.until(lambda seen: "ready at Enter" in seen["figures"] and "statistics.mode" in seen["settled"][:3])
        proxy.blocking = False
        page.run("dispatchEvent(new Event('online'))")
        page.until(lambda seen: seen["state"] == "open")
        page.press("s in a list")
        page.until(lambda seen: "statistics.multimode" in seen["options"][:3])
        driver.get("about:blank")
    refused = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert [message for message in refused if "WebSocket connection to" not in message] == []


def test_the_meaning_of_a_query_finds_its_document_before_enter(page: SearchPage) -> None:
    page.press("most frequent value")
    page.until(lambda seen: "statistics.mode" in seen["options"][:3])
    page.until(lambda seen: "from key to result" in seen["figures"])


def test_queries_and_choices_are_counted_by_a_server_that_asks_for_them(page: SearchPage) -> None:
    page.run("document.querySelector('typeahead-search').addEventListener('select', (event) => event.preventDefault())")
    page.press("is it a directory")
    page.until(lambda seen: "os.path.isdir" in seen["options"][:3] and seen["said"] == "8 results")
    page.press(Keys.ARROW_DOWN, Keys.ENTER)
    metrics = "return fetch('./metrics').then((reply) => reply.text())"
    page.until(lambda _: 'typeahead_choices_total{position="1"} 1' in page.run(metrics))
    assert 'typeahead_queries_total{found="good"} 1' in page.run(metrics)


def test_results_are_ready_at_enter(page: SearchPage) -> None:
    page.press("is it a directory")
    options = page.until(lambda seen: "os.path.isdir" in seen["options"][:3])["options"]
    page.until(lambda seen: seen["said"] == "8 results")
    page.press(Keys.ENTER)
    seen = page.until(lambda seen: "ready at Enter" in seen["figures"])
    assert len(seen["settled"]) == len(options) == 8


def test_a_server_killed_in_the_middle_of_a_word_is_found_again(page: SearchPage, server: RealServer) -> None:
    page.press("parse a js")
    page.until(lambda seen: seen["options"] != [])
    server.kill()
    page.until(lambda seen: seen["state"] == "waiting")
    page.press("on str")
    server.start()
    page.press("ing")
    page.until(lambda seen: seen["state"] == "open" and "json.loads" in seen["options"][:3])
    assert page.see()["value"] == "parse a json string"
