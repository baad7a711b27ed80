"""Analytics, all of it off unless an operator asks: counts of what people search for, and a record of the texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from typeahead.settings.declaring import ConfigError, Group, setting

ANALYTICS: Final = Group("analytics")


@dataclass(frozen=True, kw_only=True)
class Events:
    """Settings of events that search boxes send."""

    events: bool = setting(
        False,
        "Ask search boxes to say when somebody stops at a text and which result they choose, and count that: queries, "
        "queries without a result, places of chosen results. Numbers only, in the metrics and on the dashboard.",
        group=ANALYTICS,
    )
    max_events: int = setting(
        100,
        "Requests with events that are read per second. Further ones get 429.",
        group=ANALYTICS,
        least=1,
    )
    record_query_texts: Path | None = setting(  # noqa: RUF009 - it makes a field, not a default
        None,
        "SQLite file that records what people searched for, in their own words, and which result they chose. This is "
        "personal data: tell the people who search. It has no names, addresses or sessions. Needs events.",
        group=ANALYTICS,
        metavar="FILE",
    )
    query_text_days: int = setting(
        30,
        "Days that recorded texts are kept. Older ones are deleted at the start and then once an hour.",
        group=ANALYTICS,
        least=1,
        most=3650,
        unit="days",
    )
    query_text_rows: int = setting(
        100_000,
        "Most events that the file of recorded texts holds. The oldest are deleted first.",
        group=ANALYTICS,
        least=1,
    )

    @property
    def wanted_events(self) -> Literal["numbers", "texts"] | None:
        """What boxes are asked to send: events without the text, events with it, or None for no events."""
        if not self.events:
            return None
        return "numbers" if self.record_query_texts is None else "texts"

    def check_events(self) -> None:
        """Raise :class:`ConfigError` for settings that contradict each other."""
        if self.record_query_texts is not None and not self.events:
            raise ConfigError("record_query_texts", "needs events: turn them on, or leave it out", others=("events",))
