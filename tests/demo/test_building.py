"""The demo's documents are those of the running Python, and its index is built once."""

from __future__ import annotations

import builtins
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.index.hashing import HashingEncoder, config
from typeahead.demo import building
from typeahead.demo.stdlib_docs import describe
from typeahead.errors import TypeaheadError
from typeahead.index import Document, open_index

BASE = f"https://docs.python.org/{sys.version_info[0]}.{sys.version_info[1]}/library/"


@pytest.fixture(scope="module")
def documents() -> dict[str, Document]:
    return {document.id: document for document in building.stdlib_documents()}


@pytest.mark.parametrize(
    ("key", "page"),
    [
        ("os.path.join", "os.path"),
        ("os.listdir", "os"),
        ("open", "functions"),
        ("str.join", "stdtypes"),
        ("dict", "stdtypes"),
        ("int.bit_length", "stdtypes"),
        ("ValueError", "exceptions"),
        ("collections.abc.Mapping", "collections.abc"),
        ("collections.OrderedDict", "collections"),
        ("concurrent.futures.ThreadPoolExecutor.submit", "concurrent.futures"),
        ("xml.etree.ElementTree.parse", "xml.etree.elementtree"),
        ("xml.sax.saxutils.escape", "xml.sax.utils"),
        ("importlib.metadata.version", "importlib.metadata"),
        ("importlib.util.find_spec", "importlib"),
        ("asyncio.gather", "asyncio-task"),
        ("asyncio.Queue.get", "asyncio-queue"),
        ("asyncio.AbstractEventLoop.run_forever", "asyncio-eventloop"),
        ("email.mime.text.MIMEText", "email.mime"),
        ("socket.socket.recv", "socket"),
        ("io.BytesIO.getvalue", "io"),
        ("struct.Struct.pack", "struct"),
        ("datetime.datetime.now", "datetime"),
        ("typing.Optional", "typing"),
        ("cProfile.Profile", "profile"),
    ],
)
def test_what_people_look_for_is_there_with_its_link(documents: dict[str, Document], key: str, page: str) -> None:
    assert documents[key].url == f"{BASE}{page}.html#{key}"
    assert documents[key].title == key
    assert documents[key].text


def test_a_title_is_a_name_alone_and_the_text_begins_with_the_signature(documents: dict[str, Document]) -> None:
    assert documents["os.path.join"].title == "os.path.join"
    assert documents["os.path.join"].text.startswith("(a, *p) Join two or more pathname components")


def test_modules_link_to_their_pages(documents: dict[str, Document]) -> None:
    assert documents["json"].url == f"{BASE}json.html#module-json"
    assert documents["json"].text.startswith("JSON (JavaScript Object Notation)")


@pytest.mark.parametrize(
    "key",
    [
        "posixpath.join",
        "_io.BytesIO",
        "socket.error",
        "io.open",
        "array.ArrayType",
        "asyncio.tasks.gather",
        "json.decoder.JSONDecoder",
        "antigravity",
        "this",
        "test",
        "idlelib",
        "collections.OrderedDict.__init__",
        # Inherited, not overridden.
        "email.message.EmailMessage.get_payload",
    ],
)
def test_private_names_re_exports_and_inherited_methods_are_left_out(documents: dict[str, Document], key: str) -> None:
    assert key not in documents


def test_every_built_in_is_there(documents: dict[str, Document]) -> None:
    types = {name for name, thing in vars(builtins).items() if isinstance(thing, type) and thing.__name__ == name}
    assert {name for name in types if not name.startswith("_")} <= documents.keys()


@pytest.mark.parametrize("name", ["json", "heapq", "string", "shutil", "textwrap", "statistics", "random", "queue"])
def test_everything_that_a_module_lists_is_there(documents: dict[str, Document], name: str) -> None:
    module = importlib.import_module(name)
    listed = {key for key in module.__all__ if callable(getattr(module, key))}
    own = {key for key in listed if getattr(getattr(module, key), "__name__", key) == key}
    assert {f"{name}.{key}" for key in own} <= documents.keys()


def test_every_document_can_be_shown(documents: dict[str, Document]) -> None:
    assert len(documents) > 7000
    for document in documents.values():
        assert document.text
        # A signature comes first, of up to 160 code points and an ending.
        assert len(document.text[170:].split()) <= 101
        assert not re.search(r" at 0x[0-9a-f]+", document.text[:170])
        assert document.title == document.id
        assert re.fullmatch(r"https://docs\.python\.org/3\.\d+/library/[a-z0-9_.-]+\.html#\S+", document.url)
        document.passage.encode()


def test_documents_are_the_same_every_time(documents: dict[str, Document]) -> None:
    assert list(documents.values()) == building.stdlib_documents()


def test_reading_imports_nothing_here(documents: dict[str, Document]) -> None:
    assert documents
    assert "turtle" not in sys.modules
    assert "this" not in sys.modules


def test_what_has_no_docstring_says_what_it_is(documents: dict[str, Document]) -> None:
    assert documents["csv.DictReader"].text.endswith("**kwds) class in module csv")
    assert documents["string.Template.substitute"].text.endswith(
        "**kws) method of class string.Template in module string"
    )


def test_a_module_that_kills_the_reader_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``this`` stands for it: the reader dies when it comes to the name."""
    code = Path(building.__file__).with_name("stdlib_docs.py").read_text()
    dying = code.replace("modules[name] = ", "modules[name] = name == 'this' and os._exit(3) or ")
    (tmp_path / "stdlib_docs.py").write_text(dying.replace("import sys", "import os, sys"))
    monkeypatch.setattr(building, "__file__", str(tmp_path / "building.py"))
    monkeypatch.setattr(building, "public_modules", lambda: ["bisect", "this", "heapq"])
    keys = {document.id.split(".")[0] for document in building.stdlib_documents()}
    assert keys == {"bisect", "heapq"}


def test_a_reader_that_cannot_run_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(building, "__file__", str(tmp_path / "building.py"))
    with pytest.raises(TypeaheadError, match="cannot be read"):
        building.stdlib_documents()


def test_docstrings_are_cut_to_what_matters() -> None:
    doc = "Do it.\n\n>>> do()\nresult\n\n=====\nThen *rest*. " + "word " * 200
    short = building.shorten(doc)
    assert short.startswith("Do it. Then *rest*. word")
    assert short.endswith("word …")
    assert len(short.split()) == 101


def test_signatures_in_docstrings_are_used() -> None:
    class Routine:
        __doc__ = "go(x[, y]) -> object\ngo(z) -> object\n\nGoes."

    assert describe(Routine(), "go", method=False) in [("(x[, y])", "Goes."), ("", "")]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "public_modules", lambda: ["bisect", "heapq"])


@pytest.mark.usefixtures("few")
def test_the_index_is_built_once_for_each_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = HashingEncoder()
    folder = building.ensure_demo_index(tmp_path, encoder)
    with open_index(folder) as index:
        index.check_teacher(encoder.config)
        (hits,) = index.search(encoder.encode([documents_passage(folder)]), 1)
        assert hits[0].score == pytest.approx(1)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    encoder.encoded.clear()
    with monkeypatch.context() as context:
        context.setattr(building, "_read_modules", lambda *_: pytest.fail("the standard library is read again"))
        context.setattr(building, "build_index", lambda *_, **__: pytest.fail("the index is built again"))
        context.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process is started"))
        assert folder == building.ensure_demo_index(tmp_path, encoder)
    assert encoder.encoded == []
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert folder != building.ensure_demo_index(tmp_path, HashingEncoder(config(revision="r2")))


def documents_passage(folder: Path) -> str:
    assert folder.is_dir()
    return building.stdlib_documents()[0].passage


@pytest.mark.usefixtures("few")
def test_a_damaged_index_is_built_again(tmp_path: Path) -> None:
    folder = building.ensure_demo_index(tmp_path, HashingEncoder())
    (folder / "generation-1" / "vectors.npy").write_bytes(b"")
    building.ensure_demo_index(tmp_path, HashingEncoder())
    with open_index(folder) as index:
        assert len(index) > 5
