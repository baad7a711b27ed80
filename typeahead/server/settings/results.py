"""What is searched for a keystroke, and what a reply holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from typeahead.core.completion import MAX_COUNT
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
    hybrid: Literal["off", "linear", "rrf"] = setting(
        "off",
        "Search words as well as vectors, including the word that is being typed, and merge both rankings by score "
        "(linear) or by rank (rrf). Every keystroke is then searched, since each may change the words.",
        group=RESULTS,
    )
    lexical_weight: float = setting(
        0.3, "Weight of the words in a hybrid search, from 0 to 1.", group=RESULTS, least=0, most=1
    )
    lexical_wait_ms: float = setting(
        5.0,
        "Longest time that a vector search waits for the word search, in milliseconds.",
        group=RESULTS,
        least=0,
    )
    look_ahead: bool = setting(
        False,
        "Answer each keystroke with the results that the encoder expects for the finished text. Enter always shows the "
        "results of the text as typed. Only some encoders can do this.",
        group=RESULTS,
    )
    complete: int = setting(
        0,
        "Answer each keystroke with the results of the text once its last word is finished: the server tries the N "
        "most common words of the index that begin that way. 8 is a good number. 0 turns this off. Enter always shows "
        "the results of the text as typed.",
        group=RESULTS,
        least=0,
        most=MAX_COUNT,
        why="0 turns it off",
    )
    anytime: float = setting(
        THRESHOLD,
        "Reuse the session's last results for a keystroke if the cosine between the two embeddings is at least this. "
        "1 reuses them for an identical embedding only. Enter is always searched.",
        group=RESULTS,
        above=0,
        most=1,
    )

    def check_results(self) -> None:
        """Raise :class:`ConfigError` for settings that contradict each other."""
        if self.default_k > self.max_k:
            raise ConfigError(
                "default_k",
                f"is {self.default_k}, more than max_k, which is {self.max_k}: lower it, or raise max_k",
                others=("max_k",),
            )
