from __future__ import annotations

import pytest

from tests.server.fakes import MeanEncoder
from typeahead.core.engine import Engine
from typeahead.server.typing.query import Query, Stage
from typeahead.server.typing.searches import SearchQueue

ENGINE = Engine(MeanEncoder())


def new(*, submitted: bool = False) -> Query:
    return Query(ENGINE.session(), 3, Stage.SEARCHED, lambda: None, submitted=submitted)


def queue(*waiting: Query, batch: int = 2, most_waiting: int = 100) -> SearchQueue:
    made = SearchQueue(batch=batch, most_waiting=most_waiting)
    for query in waiting:
        assert made.add(query) is None
    return made


def everything(searches: SearchQueue) -> list[list[Query]]:
    """All batches, each begun after the one before it has ended."""
    batches = []
    while searches:
        batches.append(searches.take())
        searches.end(batches[-1])
    return batches


def test_queries_are_searched_in_the_order_of_arrival_in_batches() -> None:
    first, second, third = (new() for _ in range(3))
    assert everything(queue(first, second, third)) == [[first, second], [third]]


def test_what_was_answered_waits_behind_all_others() -> None:
    answered, first, second, third = (new() for _ in range(4))
    searches = queue(first, batch=2)
    searches.add_behind(answered)
    searches.add(second)
    searches.add(third)
    assert everything(searches) == [[first, second], [third], [answered]]


def test_enter_brings_what_waits_behind_to_the_front() -> None:
    answered, other = new(), new()
    searches = queue(batch=1)
    searches.add_behind(other)
    searches.add_behind(answered)
    searches.add(answered)
    assert everything(searches) == [[answered], [other]]


def test_a_query_that_is_being_searched_is_not_queued_again_until_that_has_ended() -> None:
    query = new()
    searches = queue(query)
    batch = searches.take()
    assert searches.add(query) is None
    assert not searches
    searches.end(batch)
    searches.add(query)
    assert everything(searches) == [[query]]


@pytest.mark.parametrize("behind", [False, True])
def test_what_was_removed_is_not_searched(behind: bool) -> None:
    query, other = new(), new()
    searches = queue(other)
    (searches.add_behind if behind else searches.add)(query)
    searches.remove(query)
    searches.remove(new())
    assert everything(searches) == [[other]]


def test_where_as_many_wait_as_may_a_new_key_is_turned_away() -> None:
    first, second, late = new(), new(), new()
    searches = queue(first, second, most_waiting=2)
    assert searches.add(late) is late
    assert everything(searches) == [[first, second]]


def test_enter_takes_the_place_of_the_key_that_has_waited_the_longest() -> None:
    entered, first, second, enter = new(submitted=True), new(), new(), new(submitted=True)
    searches = queue(entered, first, second, most_waiting=3)
    assert searches.add(enter) is first
    assert everything(searches) == [[entered, second], [enter]]


def test_where_only_enter_waits_one_more_is_taken() -> None:
    waiting = [new(submitted=True) for _ in range(3)]
    searches = queue(*waiting[:2], most_waiting=2)
    assert searches.add(waiting[2]) is None
    assert everything(searches) == [waiting[:2], waiting[2:]]


def test_what_waits_behind_takes_no_room() -> None:
    searches = queue(most_waiting=1)
    for _ in range(3):
        searches.add_behind(new())
    assert searches.add(new()) is None
