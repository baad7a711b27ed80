from __future__ import annotations

from collections.abc import Sequence

from tests.server.fakes import MeanEncoder
from typeahead.core.engine import Engine
from typeahead.core.prefixes import Scope
from typeahead.server.typing.query import Query, Stage, State
from typeahead.server.typing.steps import LEAST_A_TURN, OVERLOAD_NS, STEPS_NS, Overload, StepQueue

TURN_NS = 20_000_000


class Desk:
    """A queue, and a clock that stands until the test moves it."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.engine = Engine(MeanEncoder())
        self.queue = StepQueue(TURN_NS, self.engine.knows, lambda: self.now_ns)

    def query(self, text: str, *, submitted: bool = False, scope: Scope | None = None) -> Query:
        session = self.engine.session(scope=scope)
        session.set_text(text)
        return Query(session, 3, Stage.STEPPED, lambda: None, wanted=1, submitted=submitted)

    def add(self, text: str, *, submitted: bool = False, scope: Scope | None = None) -> Query:
        query = self.query(text, submitted=submitted, scope=scope)
        self.queue.add(query)
        return query

    def end_turn(self) -> tuple[list[Query], list[Query]]:
        """What is stepped, and what is turned away."""
        return self.queue.end_turn(), self.queue.take_late()


def test_only_the_first_query_of_a_turn_begins_it() -> None:
    desk = Desk()
    queries = [desk.query(text) for text in ("tea", "pot", "cup")]
    assert [desk.queue.add(query) for query in queries] == [True, False, False]
    assert desk.end_turn() == (queries, [])
    assert desk.end_turn() == ([], [])
    assert desk.queue.add(queries[0])


def test_a_query_that_is_added_twice_is_stepped_once() -> None:
    desk = Desk()
    query = desk.add("tea")
    desk.queue.add(query)
    assert desk.end_turn() == ([query], [])


def test_what_was_taken_in_the_middle_of_a_turn_is_not_stepped_at_its_end() -> None:
    desk = Desk()
    first = desk.add("tea")
    assert desk.queue.take() == [first]
    second = desk.add("pot")
    assert desk.end_turn() == ([second], [])


def test_a_key_that_comes_too_late_in_a_turn_is_turned_away_unless_it_needs_no_step_or_is_submitted() -> None:
    desk = Desk()
    scope = desk.engine.scope()
    desk.engine.session(scope=scope).update("boil an egg")
    early = desk.add("bake bread")
    desk.now_ns = TURN_NS
    in_time = desk.add("bake a cake")
    desk.now_ns = TURN_NS + 1
    known, strange = desk.add("boil an egg", scope=scope), desk.add("boil an egg")
    submitted = desk.add("café au lait", submitted=True)
    assert desk.end_turn() == ([early, in_time, known, submitted], [strange])


def test_of_a_crowd_the_oldest_are_stepped_first_and_the_others_in_turns_of_their_own() -> None:
    desk = Desk()
    queries = [desk.add(f"tea {number}") for number in range(2 * LEAST_A_TURN + 1)]
    desk.now_ns = 10 * TURN_NS
    assert desk.end_turn() == (queries[:LEAST_A_TURN], [])
    assert desk.queue.go_on()
    # The turn of those that are left has just begun.
    queries.append(desk.query("pot"))
    assert not desk.queue.add(queries[-1])
    desk.queue.remove(queries[LEAST_A_TURN])
    assert desk.end_turn() == (queries[LEAST_A_TURN + 1 : 2 * LEAST_A_TURN + 1], [])
    assert desk.queue.go_on()
    assert desk.end_turn() == (queries[2 * LEAST_A_TURN + 1 :], [])
    assert not desk.queue.go_on()


def test_where_steps_are_quick_a_turn_has_more_of_them() -> None:
    desk = Desk()
    desk.queue.took(2, STEPS_NS // 10)
    queries = [desk.add(f"tea {number}") for number in range(21)]
    assert desk.end_turn() == (queries[:20], [])
    desk.queue.took(1, 2 * STEPS_NS)
    queries += [desk.add(f"pot {number}") for number in range(LEAST_A_TURN)]
    assert desk.end_turn() == (queries[20 : 20 + LEAST_A_TURN], [])


def test_the_next_turn_has_its_own_time() -> None:
    desk = Desk()
    desk.add("tea")
    desk.end_turn()
    desk.now_ns = 10 * TURN_NS
    query = desk.add("pot")
    assert desk.end_turn() == ([query], [])


def test_a_late_key_on_which_enter_is_pressed_in_the_same_turn_is_stepped() -> None:
    for asked_again in (False, True):
        desk = Desk()
        early = desk.add("tea")
        desk.now_ns = TURN_NS + 1
        late = desk.add("pot")
        late.entered(Stage.STEPPED)
        if asked_again:
            desk.queue.add(late)
        assert desk.end_turn() == ([early, late], [])


def test_what_was_removed_is_neither_stepped_nor_turned_away() -> None:
    desk = Desk()
    early = desk.add("tea")
    desk.now_ns = TURN_NS + 1
    late = desk.add("pot")
    for query in (early, late, desk.query("never added")):
        desk.queue.remove(query)
    assert desk.end_turn() == ([], [])


def test_an_overload_is_recent_for_a_second_after_a_key_was_turned_away() -> None:
    desk = Desk()
    overload = Overload(lambda: desk.now_ns)
    assert not overload.recent
    query = desk.query("tea")
    overload.shed(query)
    assert query.state is State.STEP_SHED
    desk.now_ns = OVERLOAD_NS - 1
    assert overload.recent
    desk.now_ns = OVERLOAD_NS
    assert not overload.recent


def test_an_overload_lasts_once_keys_are_turned_away_for_two_seconds_without_a_pause() -> None:
    desk = Desk()
    overload = Overload(lambda: desk.now_ns)
    step = OVERLOAD_NS // 2

    def lasting(moments: Sequence[int]) -> list[bool]:
        told = []
        for desk.now_ns in moments:
            overload.shed(desk.query("tea"))
            told.append(overload.lasting)
        return told

    # A crowd that comes at once.
    assert lasting([7 * step] * 100) == [False] * 100
    # The fifth is two seconds after the first.
    start = 20 * step
    assert lasting(range(start, start + 6 * step, step)) == [False, False, False, False, True, True]
    desk.now_ns += OVERLOAD_NS
    assert not overload.lasting
    assert lasting([desk.now_ns]) == [False]
