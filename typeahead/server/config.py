"""Every setting of the server in one frozen dataclass, checked when it is made.

Each setting is declared once, here or in :mod:`typeahead.server.settings`. :mod:`typeahead.settings` derives the
command-line flag, the environment variable, the key in the configuration file, the bounds check and the line of
``--print-config`` from the declaration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from typeahead.server.settings.access import Access
from typeahead.server.settings.events import Events
from typeahead.server.settings.limits import Limits
from typeahead.server.settings.results import Results
from typeahead.settings.declaring import ConfigError, Group, check, setting

__all__ = ["ConfigError", "ServerConfig"]

MONITORING: Final = Group("monitoring")


# Fields come in the reverse order of the bases.
@dataclass(frozen=True, kw_only=True)
class ServerConfig(Events, Limits, Results, Access):
    """Settings of a server. Raises :class:`ConfigError` for one that cannot be used."""

    client_reports: int = setting(
        100,
        "Browser reports of measured latency that are read per second. Further ones get 429. 0 reads none.",
        group=MONITORING,
        least=0,
        why="0 reads none",
    )
    otel: bool = setting(
        False,
        "Send OpenTelemetry traces to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names: one trace from the first "
        'keystroke to Enter, without the text. Needs the extra "otel".',
        group=MONITORING,
    )

    slow_ms: float = setting(
        0.0,
        "Log replies to keys and Enter that take as many milliseconds: the length of the text and where the time went, "
        "never the text. At most one line a second. 0 logs none.",
        group=MONITORING,
        least=0,
        unit="milliseconds",
        why="0 logs none",
    )
    access_log: bool = setting(
        False,
        "Log each HTTP request and each websocket when it ends: method, path, status and duration, without the query "
        "string. Probes are left out. Every line of the log names its request as the proxy's X-Request-Id does.",
        group=MONITORING,
    )

    def __post_init__(self) -> None:
        check(self)
        self.check_access()
        self.check_results()
        self.check_limits()
        self.check_events()
