"""What each system shows: the session shows what whole texts would, debounce by hand, ties as trec_eval breaks them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest

import typeahead
from tests.evaluate.typing_fixtures import IDS, PASSAGES, Judgements, LetterEncoder, Scripted, screens
from typeahead.core.encoder import Vectors
from typeahead.encoders.causal import CausalEncoder
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.encoders.transformer import TransformerEncoder
from typeahead.errors import SourceError
from typeahead.evaluate.data import datasets
from typeahead.evaluate.data.traces import read_traces
from typeahead.evaluate.measures import metrics, typists
from typeahead.evaluate.measures.lexical import indexed_words
from typeahead.evaluate.measures.prefixes import DEPTH, NOTHING, Screens, score
from typeahead.evaluate.measures.runs import Run
from typeahead.evaluate.measures.typists import (
    DebouncedTypist,
    Gaps,
    LexicalTypist,
    SessionTypist,
    VisibleSearch,
    WholeTextTypist,
    answered,
)
from typeahead.evaluate.vectors.passages import PassageVectors
from typeahead.evaluate.vectors.search import search
from typeahead.search.vocabulary import Vocabulary

HOSTILE = [
    "how to boil an egg",
    ' "OR" NEAR(a)* ',
    "cre\u0300me bru\u0302le\u0301e",
    "한국어 검색",
    "\u1112\u1161\u11ab",
    "👩\u200d👧 🇩🇪",
    "a\x00b\u200b\ufeff \t\u2028",
    "[CLS] [SEP]",
    "  ",
    "\u0301",
    "x",
]
TEXTS = [
    "Put the eggs into boiling water for ten minutes.",
    "Rain falls mainly on the plain in Spain.",
    "The parliament of Norway is called the Storting.",
    "Crème brûlée is a dessert of custard under caramel.",
    "Seoul is the capital of South Korea.",
    "A family of emoji is joined by a zero width joiner.",
    "Cholesterol is carried in the blood by lipoproteins.",
    "An egg has a shell, a yolk and a white.",
    "Water boils at 100 degrees.",
    "A query is a text that somebody types.",
    "Aspirin inhibits the production of prostaglandins.",
    "The mitochondria are the powerhouse of the cell.",
]


@pytest.fixture(scope="module")
def passages(passage_encoder: TransformerEncoder) -> PassageVectors:
    return PassageVectors.from_arrays(IDS, passage_encoder.encode(TEXTS), "texts")


def rows(shown: Screens) -> list[list[int]]:
    """Visible rows after each key of the first draw."""
    return [[row for row in screen if row != NOTHING] for screen in shown[0].tolist()]


def test_the_session_shows_what_the_whole_prefixes_would(student: RecurrentEncoder, passages: PassageVectors) -> None:
    visible = VisibleSearch(passages)
    typed = SessionTypist("session", student, visible).typed(HOSTILE)
    whole = WholeTextTypist("whole", student, visible).typed(HOSTILE)
    for query, one, other in zip(HOSTILE, typed, whole, strict=True):
        assert one.shape == (1, len(query), DEPTH)
        np.testing.assert_array_equal(one, other)


def test_who_looks_ahead_is_shown_what_the_text_will_find(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="graphs are written with onnx")
    from tests.causal import write_folder

    encoder = typeahead.load(write_folder(tmp_path / "model", dim=64, ahead=True))
    assert isinstance(encoder, CausalEncoder)
    vectors = encoder.encode([f"passage {number}" for number in range(2 * DEPTH)])

    class Passages:
        def top(self, found: Vectors, _progress: object = None) -> np.ndarray:
            return np.argsort(-(found @ vectors.T))[:, :DEPTH]

    query = "how to boil"
    ends = range(1, len(query) + 1)
    for ahead, encode in ((True, encoder.encode_ahead), (False, encoder.encode)):
        typist = SessionTypist("session", encoder, cast("VisibleSearch", Passages()), ahead=ahead)
        (typed,) = typist.typed([query])
        expected = np.argsort(-(encode([query[:end] for end in ends]) @ vectors.T))[:, :DEPTH]
        np.testing.assert_array_equal(typed[0], expected)
        assert ("where the text is going" in typist.facts["typing"]) == ahead


def test_whose_words_are_finished_is_shown_what_the_finished_text_finds(student: RecurrentEncoder) -> None:
    vectors = student.encode([f"passage {number}" for number in range(2 * DEPTH)])

    class Passages:
        def top(self, found: Vectors, _progress: object = None) -> np.ndarray:
            return np.argsort(-(found @ vectors.T))[:, :DEPTH]

    typist = SessionTypist(
        "session", student, cast("VisibleSearch", Passages()), vocabulary=Vocabulary.of({"passage": 9, "13": 1})
    )
    (typed,) = typist.typed(["passage 13 "])
    finished = ["p", *["passage"] * 6, "passage ", "passage 1", "passage 13", "passage 13 "]
    expected = np.argsort(-(student.encode(finished) @ vectors.T))[:, :DEPTH]
    np.testing.assert_array_equal(typed[0], expected)
    assert "of the collection, as served" in typist.facts["typing"]


def test_whole_texts_show_what_sorting_all_scores_shows(student: RecurrentEncoder, passages: PassageVectors) -> None:
    query = "how to boil"
    (typed,) = SessionTypist("session", student, VisibleSearch(passages)).typed([query])
    (_, vectors) = next(passages.shards())
    for at in range(len(query)):
        scores = student.encode([query[: at + 1]])[0] @ vectors.T
        assert typed[0, at].tolist() == np.argsort(-scores)[:DEPTH].tolist()


def test_blanks_show_nothing_whatever_the_encoder_says() -> None:
    class Constant:
        def encode(self, texts: Sequence[str], /) -> Vectors:
            return np.ones((len(texts), 12), np.float32)

    (typed,) = WholeTextTypist("constant", Constant(), VisibleSearch(PASSAGES)).typed(["  \u2003a"])
    assert [len(screen) for screen in rows(typed)] == [0, 0, 0, 10]


def test_a_text_without_an_embedding_shows_nothing(student: RecurrentEncoder, passages: PassageVectors) -> None:
    typed = SessionTypist("session", student, VisibleSearch(passages)).typed(["\x00\u200ba", "   "])
    assert [len(screen) for screen in rows(typed[0])] == [0, 0, 10]
    assert rows(typed[1]) == [[], [], []]


def test_distinct_prefixes_are_encoded_once_and_the_last_queries_remembered() -> None:
    encoder = LetterEncoder()
    typist = WholeTextTypist("letters", encoder, VisibleSearch(PASSAGES))
    first = typist.typed(["abc", "abd", " a", "ab"])
    assert encoder.texts == ["a", "ab", "abc", "abd", " a"]
    assert typist.typed(["abc", "abd", " a", "ab"]) is first
    assert len(encoder.texts) == 5
    typist.typed(["abc"])
    assert len(encoder.texts) == 8


def test_visible_results_are_ordered_by_score_then_id_both_descending() -> None:
    (typed,) = WholeTextTypist("letters", LetterEncoder(), VisibleSearch(PASSAGES)).typed(["bba"])
    # b is p01; then p01 scores 2 and p00 1; the others tie at 0.
    assert rows(typed)[0] == [1, 11, 10, 9, 8, 7, 6, 5, 4, 3]
    assert rows(typed)[2] == [1, 0, 11, 10, 9, 8, 7, 6, 5, 4]


def test_ties_beyond_the_tenth_are_broken_by_id_however_many() -> None:
    ids = [f"p{row:03d}" for row in range(300)]
    vectors = np.ones((300, 2), np.float32)
    vectors[7] = 2
    vectors[295:] = 0.5
    visible = VisibleSearch(PassageVectors.from_arrays(ids, vectors, "same"))
    found = visible.top(np.array([[1, 1], [0, 0], [-1, -1]], np.float32))
    assert found[0].tolist() == [7, *range(294, 285, -1)]
    assert found[1].tolist() == [NOTHING] * 10
    assert found[2].tolist() == [299, 298, 297, 296, 295, 294, 293, 292, 291, 290]


@pytest.mark.parametrize("count", [1, 3, 10, 11, 25])
def test_a_small_collection_fills_what_it_can(count: int) -> None:
    ids = [f"p{row:02d}" for row in range(count)]
    vectors = np.tile(np.arange(count, dtype=np.float32)[:, None] // 2, (1, 2))
    (found,) = VisibleSearch(PassageVectors.from_arrays(ids, vectors, "few")).top(np.ones((1, 2), np.float32))
    expected = sorted(range(count), key=lambda row: (row // 2, ids[row]), reverse=True)[:10]
    assert found.tolist() == expected + [NOTHING] * (10 - len(expected))


def test_an_encoder_that_answers_nonsense_is_refused() -> None:
    class Broken:
        def __init__(self, vectors: Vectors) -> None:
            self.vectors = vectors

        def encode(self, texts: Sequence[str], /) -> Vectors:  # noqa: ARG002
            return self.vectors

    nan = np.full((2, 12), np.nan, np.float32)
    with pytest.raises(SourceError, match="not finite for 'a'"):
        WholeTextTypist("broken", Broken(nan), VisibleSearch(PASSAGES)).typed(["ab"])
    with pytest.raises(SourceError, match="for 3 texts"):
        WholeTextTypist("broken", Broken(np.zeros((2, 12), np.float32)), VisibleSearch(PASSAGES)).typed(["abc"])


def test_the_lexical_arm_shows_each_key_s_own_ranking(tmp_path: Path) -> None:
    passages = [datasets.Passage(*item) for item in zip(IDS, TEXTS, strict=True)]
    dataset = datasets.Dataset.from_memory("tiny", passages, {"q": "egg"}, {"q": {IDS[0]: 1}})
    with indexed_words(dataset, tmp_path) as words:
        queries = ["eggs boil", '" "', "egg \u0301"]
        typed = LexicalTypist("BM25", words).typed(queries)
        for query, shown in zip(queries, typed, strict=True):
            expected = [[row for row, _ in words.search(query[: at + 1], DEPTH)] for at in range(len(query))]
            assert rows(shown) == expected
        assert rows(typed[0])[-1]
        assert rows(typed[1]) == [[], [], []]


@pytest.mark.parametrize(
    ("pauses", "expected"),
    [
        ([72], [NOTHING]),
        ([149.9, 72], [NOTHING, NOTHING]),
        ([150, 72], [0, 0]),
        ([100, 200, 100, 300, 72], [NOTHING, 1, 1, 3, 3]),
    ],
)
def test_a_keystroke_is_answered_after_a_long_enough_pause(pauses: list[float], expected: list[int]) -> None:
    assert answered(np.array(pauses), 150).tolist() == expected


def typist(waits: list[float], **options: float) -> DebouncedTypist:
    shown = {"abc": screens([[0], [1], [2]]), "z": screens([[5]])}
    return DebouncedTypist("late", Scripted("base", shown), Gaps((np.array(waits),)), **options)  # type: ignore[arg-type]


def test_a_debounced_system_shows_older_results_until_a_pause() -> None:
    seen = {tuple(map(tuple, draw)) for draw in typist([100, 200]).typed(["abc"])[0][:, :, :1].tolist()}
    # The two gaps come in either order; the last key is never answered before Enter.
    assert seen == {((NOTHING,), (1,), (1,)), ((0,), (0,), (0,))}


def test_a_debounced_system_says_how_it_was_drawn() -> None:
    facts = typist([100, 200], seed=3).facts
    assert facts["wait_ms"] == 150
    assert facts["seed"] == 3
    assert facts["enter_after_ms"] == 72
    assert facts["recorded_gaps"] == 2


def test_without_a_wait_a_debounced_system_answers_each_key() -> None:
    (shown, single) = typist([100, 200], wait_ms=0, draws=1).typed(["abc", "z"])
    np.testing.assert_array_equal(shown, screens([[0], [1], [2]]))
    np.testing.assert_array_equal(single, screens([[5]]))


def test_a_query_of_one_key_shows_nothing_at_enter() -> None:
    (shown,) = typist([200]).typed(["z"])
    assert (shown == NOTHING).all()
    assert shown.shape == (typists.DEBOUNCE_DRAWS, 1, DEPTH)


def test_the_gaps_of_a_query_depend_on_its_text_and_the_seed_alone() -> None:
    waits = list(np.random.default_rng(1).uniform(50, 300, 40))
    (alone,) = typist(waits).typed(["abc"])
    np.testing.assert_array_equal(typist(waits).typed(["z", "abc"])[1], alone)
    assert (typist(waits, seed=1).typed(["abc"])[0] != alone).any()


def test_gaps_are_those_between_keys_that_added_a_character(tmp_path: Path) -> None:
    keys = [[0, "SHIFT"], [10, "a"], [110, "b"], [310, "BKSP"], [400, "c"], [650, "d"], [700, "CAPS_LOCK"], [950, "e"]]
    lines = [{"keys": keys}, {"keys": [[0, "a"]]}]
    path = tmp_path / "traces.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (gaps,) = Gaps.read(path).traces
    assert gaps.tolist() == [100, 250, 300]


@pytest.mark.parametrize(
    ("keys", "message"),
    [([[0, "a"]], "no two keys"), ([[10, "a"], [5, "b"]], "before the one before it")],
)
def test_a_recording_without_usable_gaps_is_refused(tmp_path: Path, keys: list[object], message: str) -> None:
    path = tmp_path / "traces.jsonl"
    path.write_text(json.dumps({"keys": keys}) + "\n")
    with pytest.raises(SourceError, match=message):
        Gaps.read(path)


def test_drawn_gaps_are_consecutive_and_start_over() -> None:
    gaps = Gaps((np.arange(5.0),))
    for seed in range(20):
        drawn = gaps.draw(np.random.default_rng(seed), 12)
        np.testing.assert_array_equal(np.diff(drawn) % 5, np.ones(11))
    assert len(gaps.draw(np.random.default_rng(0), 0)) == 0


def test_recorded_gaps_have_the_pace_that_is_known(shared_data: Path) -> None:
    path = shared_data / "keystrokes.jsonl.gz"
    gaps = Gaps.read(path)
    assert len(gaps.traces) == sum(1 for _ in read_traces(path))
    pooled = np.concatenate(gaps.traces)
    assert np.median(pooled) == pytest.approx(170, abs=5)
    assert 0.5 < (pooled >= typists.DEBOUNCE_MS).mean() < 0.65


def assert_last_point_is_ordinary(dataset: Judgements, encoder: RecurrentEncoder, passages: PassageVectors) -> float:
    """Compare the typed queries' last point with a run to depth 1000 of the whole queries; their mean nDCG@10."""
    found = score([SessionTypist("student", encoder, VisibleSearch(passages))], dataset, passages)["student"]
    vectors = encoder.encode(list(dataset.queries.values()))
    run = Run.from_rows("whole", list(dataset.queries), *search(vectors, passages, 1000), passages.ids_of)
    expected = metrics.per_query(run, dataset.qrels, dataset.relevant_from)["nDCG@10"]
    assert {key: query.quality[-1] for key, query in found.items()} == pytest.approx(expected, abs=1e-6)
    return float(np.mean(list(expected.values())))


def test_the_last_point_is_the_ordinary_evaluation_of_the_whole_queries(
    student: RecurrentEncoder, passages: PassageVectors
) -> None:
    queries = {"q1": "boiled eggs", "q2": "capital of korea", "q3": "", "q4": "what is crème brûlée"}
    qrels = {"q1": {"p00": 2, "p07": 1, "p08": 1}, "q2": {"p04": 1}, "q3": {"p01": 1}, "q4": {"p03": 3, "p06": 1}}
    assert 0.4 < assert_last_point_is_ordinary(Judgements(queries, qrels), student, passages) < 0.76


def test_the_last_point_is_the_ordinary_evaluation_where_passages_tie(
    student: RecurrentEncoder, passage_encoder: TransformerEncoder
) -> None:
    """Each text stands there five times, and ids are not in the order of rows."""
    random = np.random.default_rng(0)
    ids = [f"p{number}" for number in random.permutation(60)]
    vectors = np.repeat(passage_encoder.encode(TEXTS), 5, axis=0)
    queries = {f"q{number}": text.lower()[:30] for number, text in enumerate(TEXTS)}
    grades = {key: {ids[row]: 1 + row % 3 for row in random.permutation(60)[:20].tolist()} for key in queries}
    assert_last_point_is_ordinary(
        Judgements(queries, grades), student, PassageVectors.from_arrays(ids, vectors, "repeated")
    )


def test_the_last_point_is_the_ordinary_evaluation_on_a_real_collection(
    shared_data: Path, student: RecurrentEncoder, passage_encoder: TransformerEncoder
) -> None:
    """A part of SciFact: the passages that any of 20 claims is judged on."""
    whole = datasets.open_dataset(shared_data / "scifact")
    kept = list(whole.queries)[:20]
    dataset = Judgements({key: whole.queries[key] for key in kept}, {key: whole.qrels[key] for key in kept})
    judged = {passage for grades in dataset.qrels.values() for passage in grades}
    found = [passage for passage in whole.passages() if passage.id in judged]
    vectors = passage_encoder.encode([passage.text for passage in found])
    part = PassageVectors.from_arrays([passage.id for passage in found], vectors, "part")
    assert assert_last_point_is_ordinary(dataset, student, part) > 0.6
