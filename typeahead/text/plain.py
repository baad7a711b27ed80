"""Turns values of databases and of Arrow into those that JSON has: text, numbers, true and false, lists and objects."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID


def plain(value: Any) -> Any:
    """Return a value as JSON has it; ``None`` stands for a missing one, bytes and unknown types stay as they are.

    Dates and times become ISO 8601 text in whole seconds. Those with a time zone become UTC with a "Z". So the texts of
    a column compare as its times do, which fractions of a second would break. NaN counts as missing, because pandas
    writes missing numbers that way.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, datetime.date | datetime.time):
        return _time(value)
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    return value


def _time(value: datetime.date | datetime.time) -> str:
    if isinstance(value, datetime.datetime):
        if value.utcoffset() is not None:
            return value.astimezone(datetime.UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
        return value.isoformat(timespec="seconds")
    return value.isoformat(timespec="seconds") if isinstance(value, datetime.time) else value.isoformat()


def _number(value: Decimal) -> int | float | None:
    if value.is_nan():
        return None
    return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
