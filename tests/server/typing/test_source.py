from __future__ import annotations

from dataclasses import replace

import pytest

from tests.search.contract_oracles import documents, unit_vectors
from tests.search.memory_backend import MemoryBackend
from typeahead.server.typing.joined import JoinedSource
from typeahead.server.typing.source import STALE_SECONDS, BackendSource


@pytest.mark.parametrize(("lag", "stale"), [(None, False), (0.0, False), (STALE_SECONDS + 1, True)])
def test_documents_are_stale_once_nobody_could_look_for_changes_for_long(lag: float | None, stale: bool) -> None:
    held = documents(fields=False)
    backend = MemoryBackend(held, unit_vectors(len(held), 1))
    plain = BackendSource(backend)
    copied = MemoryBackend(held, unit_vectors(len(held), 1))
    copied.capabilities = replace(copied.capabilities, lag=None if lag is None else lambda: lag)
    source = BackendSource(copied)
    assert source.stale == stale
    assert JoinedSource({"a": plain, "b": source}).stale == stale
