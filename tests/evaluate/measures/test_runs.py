"""Runs: trec_eval's order of ties, files that other tools read the same way, and what is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from typeahead.errors import SourceError
from typeahead.evaluate.measures.runs import Run, read_trec, write_msmarco, write_trec
from typeahead.evaluate.vectors.search import NO_ROW

TIED = {"q1": [("d1", 0.5), ("d10", 0.5), ("d2", 0.5), ("d9", 0.75)], "q2": [("é", 1.0), ("z", 1.0), ("𝒛", 1.0)]}


def test_ties_are_ranked_by_document_id_descending() -> None:
    run = Run("bm25", TIED)
    assert run.hits["q1"].ids == ["d9", "d2", "d10", "d1"]
    # By code point, which is the order of UTF-8's bytes that trec_eval compares.
    assert run.hits["q2"].ids == ["𝒛", "é", "z"]


def test_scores_that_differ_beyond_float32_tie() -> None:
    assert Run("r", {"q": [("a", 1.0 + 1e-12), ("b", 1.0)]}).hits["q"].ids == ["b", "a"]


def test_hits_are_a_sequence_of_pairs() -> None:
    hits = Run("r", {"q": [("a", 1.0), ("b", 2.0), ("c", 0.5)]}).hits["q"]
    assert list(hits) == [("b", 2.0), ("a", 1.0), ("c", 0.5)]
    assert hits[0] == ("b", 2.0)
    assert hits[1:] == [("a", 1.0), ("c", 0.5)]
    assert len(hits) == 3
    assert hits != [("b", 2.0)]
    assert repr(hits[:1]) == "Hits([('b', 2.0)])"


def test_rows_of_a_search_become_document_ids() -> None:
    rows = np.array([[2, 0, 1], [1, NO_ROW, NO_ROW], [NO_ROW] * 3])
    scores = np.array([[0.9, 0.5, 0.5], [0.1, -np.inf, -np.inf], [-np.inf] * 3], np.float32)
    names = ["x", "y", "z"]
    run = Run.from_rows("r", ["a", "b", "c"], rows, scores, lambda found: [names[row] for row in found.tolist()])
    assert [(query, hits.ids) for query, hits in run.hits.items()] == [("a", ["z", "y", "x"]), ("b", ["y"]), ("c", [])]


def test_a_query_that_comes_twice_is_refused() -> None:
    with pytest.raises(SourceError, match="query 'q' twice"):
        Run.from_hits("r", [("q", [("a", 1.0)]), ("q", [("b", 1.0)])])
    rows, scores = np.zeros((2, 1), np.int64), np.ones((2, 1), np.float32)
    with pytest.raises(SourceError, match="query 'q' twice"):
        Run.from_rows("r", ["q", "q"], rows, scores, lambda found: ["a"] * len(found))


def test_a_document_that_a_query_has_twice_is_refused() -> None:
    with pytest.raises(SourceError, match="run 'r': query 'q' has document 'a' twice"):
        Run("r", {"q": [("a", 1.0), ("b", 0.5), ("a", 0.25)]})


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_a_score_that_is_not_finite_is_refused_with_query_and_document(score: float) -> None:
    with pytest.raises(SourceError, match=r"document 'b' for query 'q' is .*not a finite number"):
        Run("r", {"q": [("a", 1.0), ("b", score)]})


def test_a_trec_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(20, 50)).astype(np.float32)
    run = Run("my run", {f"q{q}": [(f"d{d}", float(s)) for d, s in enumerate(row)] for q, row in enumerate(scores)})
    write_trec(run, tmp_path / "run")
    again = read_trec(tmp_path / "run")
    assert again.hits == run.hits
    assert again.name == "my_run"
    assert read_trec(tmp_path / "run", name="other").name == "other"


def test_a_trec_file_has_six_columns_and_ranks_from_one(tmp_path: Path) -> None:
    write_trec(Run("r", {"q": [("a", 0.25), ("b", 0.1)]}), tmp_path / "run")
    assert (tmp_path / "run").read_text() == "q Q0 a 1 0.25 r\nq Q0 b 2 0.100000001 r\n"


def test_scores_that_tie_are_kept_apart_in_a_trec_file(tmp_path: Path) -> None:
    """Tools that break ties otherwise than trec_eval rank the file's documents as it does."""
    run = Run("r", {"q": [(f"d{d}", 0.5) for d in range(9)] + [("last", 0.5 - 1e-7), ("zero", 0.0), ("none", 0.0)]})
    write_trec(run, tmp_path / "run")
    lines = [line.split() for line in (tmp_path / "run").read_text().splitlines()]
    written = [float(np.float32(line[4])) for line in lines]
    assert [line[2] for line in lines] == run.hits["q"].ids
    assert all(first > second for first, second in itertools.pairwise(written))
    np.testing.assert_allclose(written, [score for _, score in run.hits["q"]], atol=1e-6)


def test_an_msmarco_file_has_query_document_and_rank(tmp_path: Path) -> None:
    write_msmarco(Run("r", {"1048585": [("7", 0.1), ("8", 0.2)], "2": [], "3": [("9", 1.0)]}), tmp_path / "run.tsv")
    assert (tmp_path / "run.tsv").read_text() == "1048585\t8\t1\n1048585\t7\t2\n3\t9\t1\n"


@pytest.mark.parametrize("write", [write_trec, write_msmarco])
@pytest.mark.parametrize(
    "hits", [{"q": [("a b", 1.0)]}, {"q\t1": [("a", 1.0)]}, {"q": [("", 1.0)]}, {"q": [("a\n", 1)]}]
)
def test_ids_that_would_break_the_columns_are_refused(
    tmp_path: Path, write: Callable[[Run, Path], None], hits: dict[str, list[tuple[str, float]]]
) -> None:
    with pytest.raises(SourceError, match=r"has the id .*white space"):
        write(Run("r", hits), tmp_path / "run")


def test_the_scores_of_a_trec_file_count_not_its_ranks(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("q Q0 a 1 0.1 r\nq\tQ0\tb\t2\t0.9\tr\n\nq Q0 c 3 5e-1 r\n")
    assert read_trec(tmp_path / "run").hits["q"].ids == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("q Q0 a 1 0.5 r\nq Q0 a 2 0.4 r\n", "run:2: query 'q' has document 'a' twice"),
        ("q Q0 a 1 nan r\n", "run:1: the score of document 'a' for query 'q' is 'nan', not a finite number"),
        ("q Q0 a 1 -inf r\n", "run:1: .*'-inf', not a finite"),
        ("q Q0 a 1 1e39 r\n", "run:1: .*'1e39', not a finite"),
        ("q Q0 a 1 high r\n", "run:1: .*'high', not a finite"),
        ("q Q0 a 1 0.5\n", "run:1: expected .* got 5 columns"),
        (b"q Q0 \xff 1 0.5 r\n", "run:1: not UTF-8"),
    ],
)
def test_what_is_wrong_with_a_trec_file_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    (tmp_path / "run").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(SourceError, match=message):
        read_trec(tmp_path / "run")


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nothing: cannot be read"):
        read_trec(tmp_path / "nothing")
