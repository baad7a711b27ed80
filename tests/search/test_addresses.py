"""Addresses: who answers to which scheme."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from tests.index.hashing import HashingEncoder, documents
from tests.search.memory_backend import MemoryBackend
from typeahead.errors import AddressError
from typeahead.index import build_index
from typeahead.search import addresses
from typeahead.search.addresses import GROUP, open_backend


@pytest.fixture
def memory_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a package were installed that registers the scheme ``memory``."""
    installed = EntryPoints([EntryPoint("memory", "tests.search.memory_backend:open_memory", GROUP)])
    monkeypatch.setattr(addresses, "entry_points", lambda *, group: installed.select(group=group))


@pytest.mark.usefixtures("memory_is_installed")
async def test_a_scheme_is_opened_by_the_entry_point_of_its_name() -> None:
    backend = await open_backend("memory://x")
    assert isinstance(backend, MemoryBackend)
    assert (backend.address, backend.count) == ("memory://x", 0)


@pytest.mark.usefixtures("memory_is_installed")
async def test_an_unknown_scheme_is_refused_with_a_hint() -> None:
    with pytest.raises(
        AddressError, match=r"'memry://x': no back end is installed for memry://: did you mean memory://\?"
    ):
        await open_backend("memry://x")
    with pytest.raises(AddressError, match=r"'quite-other://x': no back end .*give the folder of an index") as caught:
        await open_backend("quite-other://x")
    assert "did you mean" not in str(caught.value)
    assert caught.value.address == "quite-other://x"


@pytest.mark.parametrize("scheme", ["", "file://"])
async def test_a_folder_is_an_embedded_index(tmp_path: Path, scheme: str) -> None:
    folder = tmp_path / "index"
    build_index(documents(3), folder, HashingEncoder())
    backend = await open_backend(f"{scheme}{folder}")
    assert (backend.address, backend.count, backend.space.teacher) == (str(folder), 3, "hash-teacher")
    await backend.close()
