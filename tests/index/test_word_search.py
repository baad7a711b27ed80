"""Words are looked up in a thread, early where a request is announced, and not at all where nobody waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from typeahead.index.vectors import Ranking
from typeahead.index.word_search import MOST_PREPARED, WordSearch
from typeahead.search.port import Request


class Matching:
    """Matches at a gate, and remembers what it was asked."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.texts: list[str] = []

    def __call__(self, request: Request) -> Ranking:
        self.texts.append(request.text)
        self.begun.release()
        assert self.gate.wait(30), "the test never opened the gate"
        if request.text == "broken":
            raise RuntimeError("broken")
        return [(len(request.text), 1.0)]


def later() -> float:
    return time.monotonic() + 30


def request(text: str, scope: int = 0, k: int = 5) -> Request:
    return Request(None, text, k, scope=scope)


def test_a_prepared_look_up_is_under_way_before_the_request_comes() -> None:
    matching = Matching()
    words = WordSearch(matching)
    words.prepare(request("egg"))
    assert matching.begun.acquire(timeout=20)
    matching.gate.set()
    assert words.look_up(request("egg")).wait(later()) == [(3, 1.0)]
    assert matching.texts == ["egg"]
    # It belonged to one request.
    assert words.look_up(request("egg")).wait(later()) == [(3, 1.0)]
    assert matching.texts == ["egg", "egg"]
    words.stop()


def test_what_was_prepared_for_one_scope_or_depth_is_not_for_another() -> None:
    matching = Matching()
    matching.gate.set()
    words = WordSearch(matching)
    words.prepare(request("egg", scope=1))
    for other in (request("egg", scope=2), request("egg", scope=1, k=9)):
        assert words.look_up(other).wait(later()) == [(3, 1.0)]
    assert len(matching.texts) == 3
    words.stop()


def test_a_look_up_that_was_given_up_before_it_began_is_not_made() -> None:
    matching = Matching()
    words = WordSearch(matching)
    words.prepare(request("first"))
    assert matching.begun.acquire(timeout=20)
    give_up = words.prepare(request("second"))
    give_up()
    late = words.look_up(request("third"))
    assert late.wait(time.monotonic()) is None
    matching.gate.set()
    assert words.look_up(request("fourth")).wait(later()) == [(6, 1.0)]
    assert matching.texts == ["first", "fourth"]
    words.stop()


def test_words_that_cannot_be_looked_up_are_none_found() -> None:
    matching = Matching()
    matching.gate.set()
    words = WordSearch(matching)
    assert words.look_up(request("broken")).wait(later()) == ()
    assert words.look_up(request("egg")).wait(later()) == [(3, 1.0)]
    words.stop()


def test_prepared_look_ups_that_nobody_comes_for_are_bounded() -> None:
    matching = Matching()
    matching.gate.set()
    words = WordSearch(matching)
    for number in range(MOST_PREPARED + 50):
        words.prepare(request(f"{number}"))
    assert len(words._prepared) == MOST_PREPARED
    words.stop()


requests = st.builds(request, st.sampled_from(["a", "bb", "ccc", "dddd"]), st.integers(0, 2), st.integers(1, 2))
steps = st.tuples(st.sampled_from(["prepare", "give up", "look up"]), requests)


@given(st.lists(steps, max_size=30))
def test_whatever_was_prepared_before_each_request_gets_its_own_words(taken: list[tuple[str, Request]]) -> None:
    def match(one: Request) -> Ranking:
        return [(len(one.text), float(one.scope)), (one.k, 0.0)]

    words = WordSearch(match, most_prepared=2)
    given_up: list[Callable[[], None]] = []
    for step, one in taken:
        if step == "prepare":
            given_up.append(words.prepare(one))
        elif step == "give up" and given_up:
            given_up.pop()()
        else:
            assert words.look_up(one).wait(later()) == match(one)
    words.stop()
