"""MTEB: queries to the student, documents to the passage encoder, and mteb's figures are ir_measures' own."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from typeahead.core.encoder import Vectors
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.encoders.transformer import TransformerEncoder
from typeahead.errors import MissingExtra, TypeaheadError
from typeahead.evaluate.data.datasets import Dataset, Passage
from typeahead.evaluate.peers import Peer
from typeahead.models.folder import find

PASSAGES = {
    "p1": "Put the eggs into boiling water and wait eight minutes.",
    "p2": "Tokyo will be sunny tomorrow, with rain in the evening.",
    "p3": "A soft boiled egg is cooked for four minutes.",
    "p4": "Photosynthesis turns light into chemical energy.",
    "p5": "The capital of France is Paris.",
    "p6": "Hens lay eggs.",
    "p7": "Leaves are green because of chlorophyll.",
    "p8": "It rained in Paris last night.",
}
QUERIES = {"q1": "how to boil an egg", "q2": "weather in tokyo", "q3": "why are plants green", "q4": "french capital"}
QRELS = {
    "q1": {"p1": 1, "p3": 2, "p6": 0},
    "q2": {"p2": 1},
    "q3": {"p7": 2, "p4": 1, "p1": 1},
    "q4": {"p8": 1, "p5": 2},
}


@pytest.fixture(scope="module")
def mteb() -> Any:
    """mteb without its warnings of what it imports, which are not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("mteb", reason="the wrapper needs mteb")
        import mteb.abstasks.retrieval  # noqa: F401  # its imports warn, too

        from typeahead.evaluate.measures import mteb as wrapper
    return wrapper


@pytest.fixture
def collection() -> Dataset:
    passages = [Passage(key, text) for key, text in PASSAGES.items()]
    return Dataset.from_memory("tiny collection", passages, QUERIES, QRELS)


@pytest.fixture
def query_peer(student: RecurrentEncoder) -> Peer:
    return Peer("minilm-gru", "minilm-gru", "gru", student, incremental=True, folder=find("minilm-gru"))


@pytest.fixture
def passage_peer(passage_encoder: TransformerEncoder) -> Peer:
    return Peer("minilm-doc", "minilm-doc", "doc", passage_encoder, folder=find("minilm-doc"))


@pytest.mark.filterwarnings("ignore")
def test_mtebs_ndcg_is_that_of_ir_measures_on_the_same_rankings(
    mteb: Any, collection: Dataset, query_peer: Peer, passage_peer: Peer, tmp_path: Path
) -> None:
    ir_measures = pytest.importorskip("ir_measures", reason="the oracle needs ir_measures")
    model = mteb.MtebModel(query_peer, passage_peer)
    (found,) = mteb.run_tasks(model, [mteb.task_of(collection)], predictions=tmp_path)
    (path,) = tmp_path.rglob("*.json")
    ranked = json.loads(path.read_text())["default"]["test"]
    scores = query_peer.encode(list(QUERIES.values())) @ passage_peer.encode(list(PASSAGES.values())).T
    for row, query in enumerate(QUERIES):
        assert ranked[query] == pytest.approx(dict(zip(PASSAGES, scores[row].tolist(), strict=True)), abs=1e-5)
    expected = ir_measures.calc_aggregate(
        [ir_measures.nDCG @ 10, ir_measures.RR @ 10, ir_measures.R @ 5], QRELS, ranked
    )
    names = {"ndcg_at_10": "nDCG@10", "mrr_at_10": "RR@10", "recall_at_5": "R@5"}
    for name, measure in names.items():
        # mteb rounds to five places.
        assert found[name] == pytest.approx(expected[ir_measures.parse_measure(measure)], abs=5.1e-6)
    assert (found["task"], found["split"], found["main_score"]) == ("tiny-collection", "test", found["ndcg_at_10"])
    assert 0.8 < found["ndcg_at_10"] < 1


class Scripted:
    dim = 2

    def __init__(self, vectors: Sequence[Sequence[float]] = ((1.0, 0.0),)) -> None:
        self.vectors = vectors
        self.seen: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.seen += texts
        return np.array([self.vectors[row % len(self.vectors)] for row in range(len(texts))], np.float32)


def encode(model: Any, *batches: list[str], kind: str | None) -> Vectors:
    loader = [{"text": batch} for batch in batches]
    found: Vectors = model.encode(loader, task_metadata=None, hf_split="", hf_subset="", prompt_type=kind, batch_size=2)
    return found


def test_queries_go_to_the_query_encoder_and_documents_to_the_other(mteb: Any) -> None:
    query, passage = Scripted(), Scripted()
    model = mteb.MtebModel(Peer("q", "", "1", query), Peer("d", "", "2", passage))
    assert encode(model, ["a", "b"], ["c"], kind="query").shape == (3, 2)
    encode(model, ["d"], kind="document")
    encode(model, ["e"], kind=None)
    assert (query.seen, passage.seen) == (["a", "b", "c", "e"], ["d"])
    assert encode(model, kind="query").shape == (0, 2)


def test_similarity_is_the_cosine_and_survives_an_empty_query(mteb: Any) -> None:
    model = mteb.MtebModel(Peer("q", "", "1", Scripted()), Peer("d", "", "2", Scripted()))
    rows = np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)
    np.testing.assert_allclose(model.similarity(rows, np.eye(2)), [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(model.similarity_pairwise(rows, np.eye(2)), [0.6, 0.0], rtol=1e-6)
    np.testing.assert_allclose(model.similarity(rows[0], np.eye(2)), [[0.6, 0.8]], rtol=1e-6)


def test_queries_without_a_token_are_counted_and_what_is_not_finite_is_refused(mteb: Any) -> None:
    model = mteb.MtebModel(Peer("q", "", "1", Scripted([[0, 0], [1, 0]])), Peer("d", "", "2", Scripted([[np.nan, 0]])))
    with pytest.warns(UserWarning, match="2 texts without a token"):
        encode(model, ["", "a"], [""], kind="query")
    with pytest.raises(TypeaheadError, match="d gave a vector that is not finite"):
        encode(model, ["a"], kind="document")


def test_results_are_filed_under_both_encoders(mteb: Any, query_peer: Peer, passage_peer: Peer) -> None:
    meta = mteb.MtebModel(query_peer, passage_peer).mteb_model_meta
    assert meta.name == "typeahead/minilm-gru--minilm-doc"
    assert (meta.embed_dim, meta.max_tokens) == (384, 254)
    other = mteb.MtebModel(Peer("minilm-gru", "", "changed", query_peer.encoder), passage_peer).mteb_model_meta
    assert other.revision != meta.revision


def test_a_retriever_cannot_be_a_model_of_mteb(mteb: Any, query_peer: Peer) -> None:
    with pytest.raises(TypeaheadError, match="bm25 retrieves passages"):
        mteb.MtebModel(query_peer, Peer("bm25", "bm25", "", retriever=object()))  # type: ignore[arg-type]


def test_without_mteb_its_extra_is_named(mteb: Any, query_peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(MissingExtra, match=r"pip install .*\[mteb\]"):
        mteb.MtebModel(query_peer, query_peer)


def test_a_task_that_mteb_does_not_know_is_named(mteb: Any) -> None:
    with pytest.raises(TypeaheadError, match=r"neither folders nor tasks that mteb knows: .*no-such-task"):
        mteb.run_tasks(None, ["no-such-task"])
