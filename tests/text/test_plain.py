"""Values of databases and of Arrow as JSON has them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from typeahead.text.plain import plain

_PARIS = dt.timezone(dt.timedelta(hours=2))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (dt.date(2024, 1, 31), "2024-01-31"),
        (dt.datetime(2024, 1, 31, 10, 5, 7, 999_999), "2024-01-31T10:05:07"),
        (dt.datetime(2024, 1, 31, 1, 5, tzinfo=_PARIS), "2024-01-30T23:05:00Z"),
        (dt.time(10, 5), "10:05:00"),
        (Decimal("9.50"), 9.5),
        (Decimal("3.00"), 3),
        (Decimal("NaN"), None),
        (float("nan"), None),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"a": (dt.date(2024, 1, 1), None)}, {"a": ["2024-01-01", None]}),
        (b"bytes", b"bytes"),
        (True, True),
    ],
)
def test_a_value_becomes_plain(value: Any, wanted: Any) -> None:
    assert plain(value) == wanted
    assert type(plain(value)) is type(wanted)
