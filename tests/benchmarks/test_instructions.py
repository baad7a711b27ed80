"""Instructions by callgrind: what is read from its file, and what is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.instructions import total_of, type_keys
from benchmarks.native import has_compiler
from typeahead.errors import TypeaheadError


def test_the_total_is_read_from_what_callgrind_writes() -> None:
    assert total_of("version: 1\nevents: Ir\n\nfn=(1)\n12 345\n\ntotals: 987654321\n") == 987654321
    # Once counting was stopped, the summary of what comes after is not a number that counts.
    assert total_of("summary: 18446744073635939452\n\ntotals: 10\n") == 10
    with pytest.raises(TypeaheadError, match="no total"):
        total_of("version: 1\n")


@pytest.mark.skipif(
    not (has_compiler() and Path("/usr/include/valgrind/callgrind.h").is_file()), reason="valgrind is not installed"
)
def test_what_is_counted_is_the_same_each_time() -> None:
    assert type_keys(4, 80, "minilm-gru") == type_keys(4, 80, "minilm-gru") > 0
