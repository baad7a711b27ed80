"""What is searched for a keystroke, and what a reply holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from typeahead.search.reading import CONTINUATIONS, MOST_CONTINUATIONS
from typeahead.search.reuse import THRESHOLD
from typeahead.search.snippets import MIN_SNIPPET
from typeahead.settings.declaring import ConfigError, Group, setting

RESULTS: Final = Group("results")


@dataclass(frozen=True, kw_only=True)
class Results:
    """Settings of searches and replies."""

    examples: tuple[str, ...] = setting(
        (),
        "Query that the page suggests while its field is empty.",
        group=RESULTS,
        flag="example",
        metavar="QUERY",
    )
    default_k: int = setting(8, "Hits per reply if the client does not ask for a number.", group=RESULTS, least=1)
    max_k: int = setting(100, "Most hits that a client may ask for.", group=RESULTS, least=1)
    snippet_chars: int = setting(
        300,
        "Code points of a hit's text that are sent: its beginning, or the passage around the first match.",
        group=RESULTS,
        least=MIN_SNIPPET,
    )
    words: Literal["on", "off"] = setting(
        "on",
        "Search words beside vectors, so that names, codes and rare words are found as surely as meaning. Back ends "
        "that cannot search words are searched by vectors alone.",
        group=RESULTS,
    )
    complete: int = setting(
        CONTINUATIONS,
        "Search for a half-typed word as the N commonest words of the index that begin like it. 0 takes it as it "
        "stands, which saves the time of N steps of the encoder at a key.",
        group=RESULTS,
        least=0,
        most=MOST_CONTINUATIONS,
        why="0 turns it off",
    )
    anytime: float = setting(
        THRESHOLD,
        "Where words are off, show the session's last results for a keystroke if the cosine between the two embeddings "
        "is at least this. 1 shows them for an identical embedding only. Enter always gets results of its own.",
        group=RESULTS,
        above=0,
        most=1,
    )

    hybrid: Literal["off", "linear", "rrf"] | None = setting(
        None, "Earlier form of words.", group=RESULTS, instead='set words to "on" or "off"'
    )
    lexical_weight: float = setting(
        0.3, "Has no effect.", group=RESULTS, instead="leave it out, as scores are made by one rule"
    )
    lexical_wait_ms: float = setting(
        5.0, "Has no effect.", group=RESULTS, instead="leave it out, as every search waits for its words"
    )
    look_ahead: bool = setting(False, "Has no effect.", group=RESULTS, instead="leave it out, and see complete")

    @property
    def searches_words(self) -> bool:
        """Whether words are searched beside vectors, where the back end can."""
        return self.hybrid != "off" if self.hybrid else self.words == "on"

    def check_results(self) -> None:
        """Raise :class:`ConfigError` for settings that contradict each other."""
        if self.default_k > self.max_k:
            raise ConfigError(
                "default_k",
                f"is {self.default_k}, more than max_k, which is {self.max_k}: lower it, or raise max_k",
                others=("max_k",),
            )
