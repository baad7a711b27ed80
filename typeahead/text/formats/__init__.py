"""Readers of formats that are not made of lines, and of what cannot be read as documents at all.

Each yields records: the number of a line or row, and its values by name. ``json_values`` reads JSON, ``arrow`` Parquet
and Arrow files, ``database`` the rows of an SQL query. ``foreign`` recognises the folders of other libraries and says
how to export them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The number of a record's line or row from 1, and its values by name.
Record = tuple[int, Mapping[str, Any]]
