"""The mix: by the shares, all of what is wanted where there is enough, never more than a group has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from training.gathering.gathered import GatheredText
from training.gathering.mixing import SHARES, chosen, shared

numbers = st.integers(0, 5000)


@given(st.integers(1, 5000), st.fixed_dictionaries(dict.fromkeys(SHARES, numbers)))
def test_as_many_as_wanted_or_all_there_are(wanted: int, available: dict[str, int]) -> None:
    found = shared(wanted, available)
    assert sum(found.values()) == min(wanted, sum(available.values()))
    assert all(0 <= found[name] <= available[name] for name in available)


def test_what_one_group_lacks_the_others_share() -> None:
    plenty = dict.fromkeys(SHARES, 10_000)
    assert shared(1000, plenty) == {"queries": 500, "passages": 250, "pseudo": 200, "words": 50}
    assert shared(1000, {**plenty, "queries": 0}) == {"queries": 0, "passages": 500, "pseudo": 400, "words": 100}


@given(st.lists(st.text(max_size=4), unique=True, max_size=40), st.integers(0, 40), st.integers(-3, 3))
def test_a_choice_keeps_the_order_and_does_not_depend_on_it(texts: list[str], number: int, seed: int) -> None:
    all_texts = [GatheredText(text, "query", "s", 1 + len(text)) for text in texts]
    found = chosen(all_texts, number, seed)
    assert len(found) == min(number, len(texts))
    assert [one for one in all_texts if one in found] == found
    assert set(chosen(all_texts[::-1], number, seed)) == set(found)
