"""``docs/adding-a-back-end.md`` against the port: every member is explained, and the skeletons have the right form.

The code of the page runs in ``test_documents.py``; here is what its tables promise.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import tomllib
from collections.abc import Callable
from typing import cast

import pytest

from tests.conftest import ROOT
from tests.docs.documents import blocks
from tests.search.contract import BackendContract
from typeahead.search import addresses, filters, port, terms

PAGE = ROOT / "docs" / "adding-a-back-end.md"
TEXT = PAGE.read_text(encoding="utf-8")


def rows(heading: str) -> list[str]:
    """The code in the first cells of the tables in a section."""
    section = re.split(r"^##+ ", TEXT.partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)


def defined(source: str) -> dict[str, object]:
    """What a block of code defines."""
    found: dict[str, object] = {"__name__": "page"}
    exec(compile(source, str(PAGE), "exec"), found)
    return found


def code(containing: str) -> str:
    """The block of Python that contains a text."""
    (block,) = [block for block in blocks(PAGE) if block.language == "python" and containing in block.text]
    return block.text


def parameters(function: Callable[..., object]) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_every_member_of_a_back_end_is_explained_with_its_parameters() -> None:
    members = {re.sub(r"^await |[:(].*", "", row): row for row in rows("## The methods")}
    wanted = {name for name in vars(port.Backend) if not name.startswith("_")} | set(port.Backend.__annotations__)
    assert members.keys() == wanted
    for name, row in members.items():
        if row.startswith("await "):
            stated = [word for word in re.split(r"[(), ]+", row)[2:] if word]
            assert stated == parameters(getattr(port.Backend, name))[1:]


def test_every_field_of_a_request_and_every_capability_is_explained() -> None:
    requests = TEXT.partition("### Requests and candidates")[2].partition("### ")[0]
    explained = {
        field for item in re.findall(r"^- ((?:`\w+`(?: and )?)+):", requests, re.MULTILINE)
        for field in re.findall(r"`(\w+)`", item)
    }  # fmt: skip
    assert explained == {field.name for field in dataclasses.fields(port.Request)}
    candidates = rows("### Requests and candidates")
    assert candidates == [field.name for field in dataclasses.fields(port.Candidates)]
    capabilities = {row.partition(":")[0] for row in rows("## Capabilities")}
    assert capabilities == {field.name for field in dataclasses.fields(port.Capabilities)}


def test_words_and_terms_are_explained_with_their_fields_and_defaults() -> None:
    section = TEXT.partition("### Words\n")[2].partition("\n### ")[0]
    for kind in (terms.Words, terms.Term):
        (stated,) = re.findall(rf"`{kind.__name__}\((\w[^`]*=[^`]*)\)`", section)
        made = cast("Callable[..., object]", defined(f"def made({stated}): ...")["made"])
        assert parameters(made) == list(kind._fields)
        assert made.__defaults__ == tuple(kind._field_defaults.values())
    assert re.findall(r"^- `(\w+)`:", section, re.MULTILINE) == list(terms.Words._fields)
    for called in re.findall(r"`(\w+)\([a-z, ]+\)`", section):
        assert callable(getattr(terms, called))


def test_every_kind_of_filter_is_in_the_table_with_its_fields() -> None:
    table = re.findall(r"^\| `(\w+)` \| `(\w+)\(([\w, ]+)\)` \|", TEXT, re.MULTILINE)
    assert {kind for kind, _, _ in table} == filters.KINDS
    for _, node, fields in table:
        assert fields.split(", ") == [field.name for field in dataclasses.fields(getattr(filters, node))]


def test_an_entry_point_registers_in_the_group_that_is_read() -> None:
    (registered,) = [tomllib.loads(block.text) for block in blocks(PAGE) if block.language == "toml"]
    (group,) = registered["project"]["entry-points"]
    assert group == addresses.GROUP
    (scheme,) = registered["project"]["entry-points"][group]
    assert addresses._SCHEME.match(f"{scheme}://host/index")


def test_the_opener_takes_what_an_opener_is_given() -> None:
    opener = defined(code("OpenOptions"))["open_backend"]
    assert callable(opener)
    assert parameters(opener) == ["address", "options"]
    explained = TEXT.partition("`OpenOptions` has ")[2].partition(". ")[0]
    options = [field.name for field in dataclasses.fields(addresses.OpenOptions)]
    assert re.findall(r"`([a-z]\w*)`", explained) == options


@pytest.mark.parametrize("name", ["make", "fields"])
def test_the_suite_has_what_its_subclass_on_the_page_fills_in(name: str) -> None:
    suite = defined(code("BackendContract"))["TestMyEngine"]
    assert isinstance(suite, type)
    assert issubclass(suite, BackendContract)
    assert name in vars(suite)
    own, stated = getattr(BackendContract, name), getattr(suite, name)
    assert type(own) is type(stated)
    if callable(own):
        assert parameters(own) == parameters(stated)
