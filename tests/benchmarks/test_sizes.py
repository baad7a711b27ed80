"""What a browser pays: each shipped encoder has a row, and the first tier keeps to its budget."""

from __future__ import annotations

from benchmarks.sizes import beside_tables
from typeahead.models.folder import find

#: Bytes that a page may fetch before its first vector, compressed, beside the rows of what is typed.
BUDGET = 120_000


def test_the_first_tier_is_small_beside_its_table() -> None:
    row = beside_tables("minilm-first")
    assert row["what"] == "minilm-first, beside its tables"
    assert isinstance(row["gzipped"], int)
    assert 10_000 < row["gzipped"] <= BUDGET


def test_what_a_model_has_for_each_token_does_not_count() -> None:
    found = beside_tables("minilm-gru")["bytes"]
    assert isinstance(found, int)
    # A table of 30,522 rows of 384 bytes, a scale and a weight for each row.
    assert found < (find("minilm-gru") / "weights.safetensors").stat().st_size - 30_522 * (384 + 8)
