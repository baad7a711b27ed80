"""The measures on a box whose screens are known."""

from __future__ import annotations

import pytest

from tests.evaluate.typed.texts import ScriptedBox, screen
from typeahead.evaluate.data.collection import Passage
from typeahead.evaluate.data.datasets import Dataset
from typeahead.evaluate.typed import drawing
from typeahead.evaluate.typed.asking import ask
from typeahead.evaluate.typed.boxes import Screen
from typeahead.evaluate.typed.drawing import Query
from typeahead.evaluate.typed.measures import Figures, per_query_record, score

OTHERS = [f"x{place}" for place in range(10)]


def scored(box: ScriptedBox, queries: list[Query], dataset: Dataset | None = None) -> Figures:
    return score(queries, ask("box", box, queries), dataset)


def test_a_name_counts_at_the_key_and_at_enter_apart() -> None:
    queries = [
        Query(drawing.NAMES, "100", "both", "a", "a"),
        Query(drawing.NAMES, "100", "enter", "b", "b"),
        Query(drawing.NAMES, "100", "eighth", "c", "c"),
        Query(drawing.NAMES, "100", "ninth", "d", "d"),
    ]
    keys = {
        "both": screen("a x"),
        "enter": screen("x b"),
        "eighth": screen([*OTHERS[:7], "c"]),
        "ninth": screen([*OTHERS[:8], "d"]),
    }
    found = scored(ScriptedBox(keys, {"both": screen("a"), "enter": screen("b")}), queries)["names"]
    assert (found["n"], found["first_at_key"], found["first_at_enter"]) == (4, 0.25, 0.5)
    assert found["among_8_at_key"] == found["among_8_by_share"]["100"] == 0.75


def test_half_typed_names_and_slips_have_figures_of_their_own() -> None:
    queries = [
        Query(drawing.NAMES, "30", "na", "a", "a", enter=False),
        Query(drawing.NAMES, "70", "name", "a", "a", enter=False),
        Query(drawing.SLIPS, "swapped", "nmae", "a", "a"),
    ]
    found = scored(ScriptedBox({"name": screen("x a"), "nmae": screen("x a")}, {"nmae": screen("a")}), queries)
    assert found["names"]["among_8_by_share"] == {"30": 0.0, "50": None, "70": 1.0, "85": None, "100": None}
    swapped = found["slips"]["swapped"]
    assert (swapped["n"], swapped["among_8_at_key"], swapped["first_at_enter"]) == (1, 1.0, 1.0)
    assert found["slips"]["doubled"] == {
        "n": 0,
        "first_at_key": None,
        "first_at_enter": None,
        "among_8_at_key": None,
        "among_8_at_enter": None,
    }


def test_rare_words_count_at_the_key_and_at_enter() -> None:
    queries = [Query(drawing.RARE, "", text, text, "a") for text in ("one", "two")]
    found = scored(ScriptedBox({"one": screen("x a")}, {"two": screen("a")}), queries)["rare_words"]
    assert (found["first_at_enter"], found["among_8_at_key"]) == (0.5, 0.5)


def test_the_place_is_lost_if_none_of_the_first_three_hits_is_left() -> None:
    queries = [Query(drawing.CONTINUITY, "", text, text) for text in ("kept", "deeper", "lost", "empty")]
    keys = {text: screen("a b c d") for text in ("kept", "deeper", "lost")}
    enters = {"kept": screen("x y c"), "deeper": screen("x y z a"), "lost": screen("d x y"), "empty": screen("a")}
    found = scored(ScriptedBox(keys, enters), queries)["continuity"]
    # A screen that was empty at the key has nothing to lose.
    assert found["n"] == 3
    assert found["lost"] == pytest.approx(1 / 3)
    assert found["lost_among_first_three"] == pytest.approx(2 / 3)


def test_nonsense_is_shown_unless_there_is_no_hit_or_the_answer_is_marked_as_weak() -> None:
    queries = [Query(drawing.NONSENSE, "", text, text) for text in ("hit", "weak", "none", "late")]
    keys = {"hit": screen("a"), "weak": screen("a", weak=True)}
    enters = {"hit": screen("a"), "weak": screen("a", weak=True), "late": screen("b")}
    found = scored(ScriptedBox(keys, enters), queries)["nonsense"]
    assert found == {"n": 4, "shown_at_key": 0.25, "shown_at_enter": 0.5}


def test_judged_queries_are_scored_as_trec_eval_does_and_weak_ones_counted() -> None:
    pytest.importorskip("ir_measures", reason="scoring needs ir_measures")
    dataset = Dataset.from_memory(
        "tiny",
        [Passage(key, key) for key in ("a", "b", "c")],
        {"q1": "one", "q2": "two"},
        {"q1": {"a": 2, "b": 1}, "q2": {"c": 1}},
    )
    queries = [
        Query(drawing.JUDGED, "50", "on", "q1", enter=False),
        Query(drawing.JUDGED, "100", "one", "q1"),
        Query(drawing.JUDGED, "50", "tw", "q2", enter=False),
        Query(drawing.JUDGED, "100", "two", "q2"),
    ]
    keys = {"on": screen("a b"), "one": screen("x a"), "two": screen("c")}
    enters = {"one": screen("a b", weak=True), "two": screen("x c")}
    found = scored(ScriptedBox(keys, enters), queries, dataset)["judged"]
    # The ideal order of q1 at 50%, and nothing for q2.
    assert found["nDCG@10"]["50"] == pytest.approx(0.5)
    assert found["RR@10"]["100"] == pytest.approx((0.5 + 1) / 2)
    assert found["RR@10"]["Enter"] == pytest.approx((1 + 0.5) / 2)
    # Linear gain: the sum of grade over log2(rank + 1).
    assert found["nDCG@10"]["100"] == pytest.approx(((2 / 1.5849625) / (2 + 1 / 1.5849625) + 1) / 2)
    assert (found["n"], found["found"], found["found_but_weak"]) == (2, 2, 0.5)
    assert scored(ScriptedBox(keys, enters), queries)["judged"] is None


def test_times_are_percentiles_of_what_was_timed() -> None:
    queries = [Query(drawing.RARE, "", text, text, "a") for text in ("one", "two", "three")]
    keys = {
        text: Screen((), milliseconds=ms) for text, ms in zip(("one", "two", "three"), (1.0, 2.0, 9.0), strict=True)
    }
    times = scored(ScriptedBox(keys, {}), queries)["times_ms"]
    assert times["key"]["p50"] == 2.0
    assert times["key"]["n"] == 3
    assert times["enter"] is None


def test_a_record_has_every_query_with_the_screens_of_every_box() -> None:
    queries = [Query(drawing.NAMES, "30", "na", "a", "a", enter=False), Query(drawing.RARE, "", "word", "word", "b")]
    box = ScriptedBox({"na": screen("a"), "word": screen("b", weak=True)})
    answers = ask("box", box, queries)
    first, second = per_query_record(queries, {"one": answers, "two": answers})
    assert (first["text"], first["wanted"]) == ("na", "a")
    assert first["boxes"]["one"] == {"key": {"ids": ["a"], "weak": False}, "enter": None}
    assert second["boxes"]["two"]["enter"] == {"ids": ["b"], "weak": True}


def test_warm_up_is_typed_first_and_not_counted() -> None:
    box = ScriptedBox({})
    queries = [Query(drawing.RARE, "", "word", "word", "a")]
    assert len(ask("box", box, queries)) == 1
    assert len(box.typed) > 1
    assert box.typed.count("word") == 1
    assert box.typed[-1] == "word"
