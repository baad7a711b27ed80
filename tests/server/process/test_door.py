from __future__ import annotations

import logging
from typing import Any

import pytest

from typeahead.server.observe.counters import Counter
from typeahead.server.observe.metrics import Refusal
from typeahead.server.process.addresses import read_networks
from typeahead.server.process.door import Door, Refused, Visit


class House:
    """A door with a clock that tests turn, and the guests that it turned out."""

    def __init__(self, **settings: Any) -> None:
        self.now = 0.0
        self.refused = {refusal: Counter() for refusal in Refusal}
        given: dict[str, Any] = {"max_connections": 4, "max_silent": 3, "max_per_address": 0, "head_seconds": 10.0}
        given |= {"trusted": read_networks(["10.0.0.0/8"]), **settings}
        self.door = Door(**given, refused=self.refused, clock=lambda: self.now)
        self.out: list[tuple[int, Refusal]] = []

    def enter(self, number: int = 0, peer: str | None = "192.0.2.1") -> Visit:
        return self.door.enter(Guest(self, number), peer)


class Guest:
    def __init__(self, house: House, number: int) -> None:
        self.house = house
        self.number = number

    def turn_out(self, refusal: Refusal) -> None:
        self.house.out.append((self.number, refusal))


def test_the_oldest_silent_connection_makes_room_for_a_new_one() -> None:
    house = House()
    for number in range(1000):
        house.enter(number)
    assert house.out == [(number, Refusal.SILENT) for number in range(997)]
    assert len(house.door) == 3
    assert house.refused[Refusal.SILENT].value == 997


def test_who_asks_something_is_not_turned_out() -> None:
    house = House()
    house.enter(0).spoke([])
    for number in range(1, 100):
        house.enter(number)
    assert (0, Refusal.SILENT) not in house.out


def test_who_was_answered_is_silent_from_then_on() -> None:
    house = House()
    first, _ = house.enter(0), house.enter(1)
    first.spoke([])
    house.now = 5.0
    first.fell_silent(Guest(house, 0))
    house.now = 10.0
    house.door.turn_out_late()
    assert house.out == [(1, Refusal.TOO_LATE)]
    house.now = 15.0
    house.door.turn_out_late()
    assert house.out[1:] == [(0, Refusal.TOO_LATE)]
    assert len(house.door) == 0


def test_where_all_are_busy_a_new_connection_is_refused_until_one_ends() -> None:
    house = House()
    visits = [house.enter(number) for number in range(3)]
    for visit in visits:
        visit.spoke([])
    house.enter(3).spoke([])
    with pytest.raises(Refused) as caught:
        house.enter(4)
    assert (caught.value.refusal, caught.value.status) == (Refusal.FULL, 503)
    visits[0].end()
    visits[0].end()
    assert len(house.door) == 3
    house.enter(5)


def test_an_address_has_so_many_connections_and_no_more() -> None:
    house = House(max_per_address=2)
    first = house.enter(0)
    house.enter(1)
    with pytest.raises(Refused) as caught:
        house.enter(2)
    assert (caught.value.refusal, caught.value.status) == (Refusal.ADDRESS, 429)
    house.enter(3, "192.0.2.2")
    first.end()
    house.enter(4)


def test_a_forwarded_address_counts_from_a_trusted_proxy_alone() -> None:
    house = House(max_per_address=1, max_connections=100, max_silent=100)
    forwarded = [(b"x-forwarded-for", b"198.51.100.9")]
    house.enter(0).spoke(forwarded)
    with pytest.raises(Refused):
        house.enter(1)  # the same peer, whatever it was going to claim
    proxied = house.enter(2, "10.0.0.1")
    proxied.spoke(forwarded)
    another = house.enter(3, "10.0.0.1")
    with pytest.raises(Refused) as caught:
        another.spoke(forwarded)
    assert caught.value.status == 429
    another.spoke([(b"x-forwarded-for", b"198.51.100.10")])
    # The proxy keeps its connection for whoever comes next.
    proxied.fell_silent(Guest(house, 2))
    house.enter(4, "10.0.0.1").spoke(forwarded)


def test_refusals_write_one_line_of_a_kind_a_second(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            house.enter()
        house.now = 1.0
        house.enter()
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert "46 more such lines were left out" in caplog.messages[1]
