"""Which of several servers reads and writes go to.

An address may name several hosts: a primary and its standbys. Reads prefer a standby, and writes need the primary. One
host, or a ``target_session_attrs`` of the user's own for reads, stays as it is.
"""

from __future__ import annotations

from typing import NamedTuple

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class Hosts(NamedTuple):
    """What libpq connects by, for reads and for writes."""

    reading: str
    writing: str

    @property
    def are_apart(self) -> bool:
        """Whether writes may go to another server than reads."""
        return self.reading != self.writing


def hosts_of(conninfo: str) -> Hosts:
    """Return where reads and writes go."""
    said = conninfo_to_dict(conninfo)
    if "," not in str(said.get("host") or said.get("hostaddr") or ""):
        return Hosts(conninfo, conninfo)
    reading = conninfo
    if said.get("target_session_attrs") is None:
        reading = make_conninfo(conninfo, target_session_attrs="prefer-standby")
    return Hosts(reading, make_conninfo(conninfo, target_session_attrs="read-write"))
