from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.server.fakes import DIM, MeanEncoder
from typeahead.core.engine import Engine
from typeahead.search.asking import UNREAD
from typeahead.server.typing import query as module
from typeahead.server.typing.query import TRANSITIONS, Event, Query, Result, Stage, State

VECTOR = np.ones(DIM, np.float32)
RESULT = Result(b'["own"]', [], VECTOR, None, "1", search_ns=2, serialize_ns=1)

#: What happens, as a method is called.
HAPPENS: Mapping[Event, Callable[[Query], Any]] = {
    Event.STEPPED: lambda query: query.stepped(VECTOR),
    Event.LEFT: lambda query: query.left(query.session),
    Event.FOUND: lambda query: query.found(RESULT),
    Event.STOOD_IN: lambda query: query.stood_in(b'["earlier"]'),
    Event.FAILED: lambda query: query.failed(),
    Event.SHED: lambda query: query.shed(),
    Event.ENTERED: lambda query: query.entered(Stage.SEARCHED),
}

#: The events that bring a new query into each state.
WAYS: Mapping[State, tuple[Event, ...]] = {
    State.TYPED: (),
    State.LEFT: (Event.LEFT,),
    State.STEPPED: (Event.STEPPED,),
    State.STANDING: (Event.STEPPED, Event.STOOD_IN),
    State.FOUND: (Event.STEPPED, Event.FOUND),
    State.STEP_FAILED: (Event.FAILED,),
    State.STEP_SHED: (Event.SHED,),
    State.SEARCH_FAILED: (Event.STEPPED, Event.FAILED),
    State.SEARCH_SHED: (Event.STEPPED, Event.SHED),
}


def table() -> dict[tuple[State, Event], State]:
    """The table of the module's docstring: the state after each event that may happen in a state."""
    assert module.__doc__ is not None
    lines = module.__doc__.splitlines()
    rules = [number for number, line in enumerate(lines) if line.startswith("===")]
    starts = [at for at, sign in enumerate(lines[rules[0]]) if sign == "=" and lines[rules[0]][at - 1 : at] != "="]

    def cells(line: str) -> list[str]:
        return [line[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)]

    events = [Event(name) for name in cells(lines[rules[0] + 1])[1:]]
    assert events == list(Event)
    written: dict[tuple[State, Event], State] = {}
    for line in lines[rules[1] + 1 : rules[2]]:
        state, *after = cells(line)
        written |= {(State[state], event): State[name] for event, name in zip(events, after, strict=True) if name}
    return written


def query(**options: Any) -> Query:
    session = Engine(MeanEncoder()).session()
    session.set_text("boil an egg")
    return Query(session, 3, Stage.SEARCHED, options.pop("notify", lambda: None), **options)


def query_in(state: State, **options: Any) -> Query:
    one = query(**options)
    for event in WAYS[state]:
        HAPPENS[event](one)
    assert one.state is state
    return one


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_each_event_leads_to_the_state_that_the_table_says_or_is_refused(state: State, event: Event) -> None:
    one, after = query_in(state), table().get((state, event))
    if after is None:
        with pytest.raises(AssertionError, match=f"{event.name} cannot happen to a query that is {state.name}"):
            HAPPENS[event](one)
        after = state
    else:
        HAPPENS[event](one)
    assert one.state is after
    assert one.stage is after.stage


def test_the_table_that_people_read_is_the_one_that_decides() -> None:
    assert table() == {
        (before, event): after for event, moves in TRANSITIONS.items() for before, after in moves.items()
    }


def test_a_refused_event_changes_nothing() -> None:
    one = query_in(State.FOUND)
    before = dict(vars(one))
    with pytest.raises(AssertionError):
        one.stepped(VECTOR, encoder="other", step_ns=5)
    assert vars(one) == before


def test_enter_is_never_turned_away() -> None:
    one = query()
    one.entered(Stage.SEARCHED)
    with pytest.raises(AssertionError, match="never turned away"):
        one.shed()


@pytest.mark.parametrize(
    ("state", "due", "resumed"),
    [
        (State.TYPED, Stage.SEARCHED, False),
        (State.TYPED, Stage.STEPPED, True),
        (State.STEPPED, Stage.SEARCHED, False),
        (State.STEPPED, Stage.STEPPED, True),
        (State.STANDING, Stage.SEARCHED, True),
        (State.FOUND, Stage.SEARCHED, False),
        (State.STEP_FAILED, Stage.SEARCHED, True),
        (State.STEP_SHED, Stage.SEARCHED, True),
        (State.SEARCH_FAILED, Stage.SEARCHED, True),
        (State.SEARCH_SHED, Stage.SEARCHED, True),
    ],
)
def test_enter_says_whether_somebody_has_to_work_on_the_query_again(state: State, due: Stage, resumed: bool) -> None:
    one = query_in(state)
    one.due = due
    assert one.entered(Stage.SEARCHED) is resumed
    assert (one.due, one.wanted, one.submitted) == (Stage.SEARCHED, 1, True)


def test_without_an_index_enter_needs_the_embedding_alone() -> None:
    assert not query_in(State.STEPPED).entered(Stage.STEPPED)
    assert query_in(State.STEP_FAILED).entered(Stage.STEPPED)


@pytest.mark.parametrize(
    ("state", "event"), [(state, event) for event, moves in TRANSITIONS.items() for state in moves]
)
def test_it_tells_once_of_what_may_be_news_to_those_who_wait(state: State, event: Event) -> None:
    told: list[None] = []
    one = query_in(state, notify=lambda: told.append(None))
    told.clear()
    HAPPENS[event](one)
    # Enter is told by the dialogue, and a failure that changes nothing concerns nobody.
    silent = event in (Event.ENTERED, Event.LEFT) or (event is Event.FAILED and one.state is state)
    assert len(told) == (0 if silent else 1)


def test_what_to_search_for_is_kept_beside_the_embedding_that_clients_get() -> None:
    one = query_in(State.STEPPED)
    assert (one.reading, one.sought) == (None, None)
    sought = np.arange(DIM, dtype=np.float32)
    one.read(UNREAD, sought)
    assert (one.reading, one.sought, one.embedding, one.state) == (UNREAD, sought, VECTOR, State.STEPPED)


def test_hits_of_an_earlier_search_are_no_result_and_leave_the_last_query_where_it_was() -> None:
    last = query_in(State.FOUND)
    for happens, hits, result, kept in (
        ("stood_in", b'["earlier"]', None, last),
        ("found", RESULT.written, RESULT, None),
    ):
        one = query_in(State.STEPPED, last=last)
        getattr(one, happens)(hits if happens == "stood_in" else RESULT)
        assert (one.hits, one.result, one.last) == (hits, result, kept)


def test_a_text_without_a_token_finds_nothing_and_keeps_what_the_last_search_found() -> None:
    last = query_in(State.FOUND)
    one = query(last=last)
    one.stepped(None)
    one.found(None)
    assert (one.state, one.hits, one.result, one.last) == (State.FOUND, b"[]", None, last)


def test_before_the_first_key_nothing_is_found() -> None:
    one = Query.of_nothing(Engine(MeanEncoder()).session(), 3, lambda: None)
    assert (one.state, one.stage, one.hits) == (State.FOUND, Stage.SEARCHED, b"[]")


def test_what_the_fallback_leaves_has_a_session_of_its_own() -> None:
    one = query()
    session = Engine(MeanEncoder()).session()
    one.left(session)
    assert one.session is session


def test_nobody_but_its_own_file_writes_to_a_query() -> None:
    one = query_in(State.STANDING)
    written = {*vars(one), *(name for name in vars(Query) if not name.startswith("_"))}
    for path in (ROOT / "typeahead").rglob("*.py"):
        if path == ROOT / "typeahead" / "server" / "typing" / "query.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr in written:
                owner = ast.unparse(node.value)
                assert not owner.endswith(("query", "before", "last")), f"{path} writes {owner}.{node.attr}"


def test_whether_hits_are_weak_is_told_with_them() -> None:
    query = Query(Engine(MeanEncoder()).session(), 3, Stage.SEARCHED, lambda: None)
    query.stepped(VECTOR)
    assert not query.weak
    query.stood_in(b"[]", weak=True)
    assert query.weak
    query.found(RESULT)
    assert not query.weak
    query.found(RESULT._replace(weak=True))
    assert query.weak
