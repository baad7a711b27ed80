"""Instructions by callgrind: what is read from its file, and what is counted."""

from __future__ import annotations

import pytest

from benchmarks.instructions import total_of, type_keys
from typeahead.errors import TypeaheadError


def test_the_total_is_read_from_what_callgrind_writes() -> None:
    assert total_of("version: 1\nevents: Ir\n\nfn=(1)\n12 345\n\ntotals: 987654321\n") == 987654321
    assert total_of("positions: line\nsummary: 42\n") == 42
    with pytest.raises(TypeaheadError, match="no total"):
        total_of("version: 1\n")


def test_what_is_counted_is_the_same_each_time() -> None:
    assert type_keys(4, 80, "minilm-gru") == type_keys(4, 80, "minilm-gru") > 0
