"""Mining: BM25 and dense search against hand-made ones, what is a negative, and a kill at any moment."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("accelerate", reason="training needs accelerate")
pytest.importorskip("bm25s", reason="mining needs bm25s")

from tests.training import tiny  # noqa: E402
from training.data import Collection, read_tevatron  # noqa: E402
from training.ranking import dense, mine  # noqa: E402
from training.ranking.bm25 import BM25Index, words  # noqa: E402
from training.ranking.encoding import encode_queries  # noqa: E402
from training.students import load_student  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from training.teacher.vectors import VectorCache  # noqa: E402

DOCUMENTS = [
    "The cat sat on the mat.",
    "Dog, dog, walk!",
    "A cat and a dog",
    "of the",
    "Fish swim with fish; a dog does not.",
]


def bm25_by_hand(query: str, documents: list[str], k1: float, b: float) -> list[float]:
    """Lucene's BM25, written down once more."""
    split = [words(document) for document in documents]
    mean = sum(map(len, split)) / len(split)
    scores = []
    for document in split:
        score = 0.0
        for word in words(query):
            holding = sum(word in other for other in split)
            count = document.count(word)
            rarity = math.log(1 + (len(split) - holding + 0.5) / (holding + 0.5))
            score += rarity * count / (k1 * (1 - b + b * len(document) / mean) + count)
        scores.append(score)
    return scores


@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (1.5, 0.75)])
def test_bm25_scores_are_those_of_the_formula(tmp_path: Path, k1: float, b: float) -> None:
    queries = ["dog", "the cat with the dog", "dog dog fish", "walk"]
    for _ in range(2):  # built, then opened
        index = BM25Index.open(tmp_path / "index", DOCUMENTS, k1=k1, b=b)
        for query, (rows, scores) in zip(queries, index.search(queries, 10), strict=True):
            expected = np.array(bm25_by_hand(query, DOCUMENTS, k1, b))
            np.testing.assert_allclose(scores, expected[rows], rtol=1e-5)
            assert len(rows) == (expected > 0).sum()
            assert list(scores) == sorted(scores, reverse=True)


def test_bm25_finds_nothing_for_words_that_no_passage_has(tmp_path: Path) -> None:
    index = BM25Index.open(tmp_path / "index", DOCUMENTS, k1=0.9, b=0.4)
    assert [len(rows) for rows, _ in index.search(["zebra", "", "the of", "cat"], 2)] == [0, 0, 0, 2]


def test_bm25_words_are_those_of_bm25s() -> None:
    import bm25s

    texts = [*DOCUMENTS, "Größe 2.5 kg, don't_know x"]
    expected = bm25s.tokenize(texts, stopwords="en", return_ids=False, show_progress=False)
    assert [words(text) for text in texts] == expected


def test_half_an_index_is_built_again(tmp_path: Path) -> None:
    (tmp_path / "index.partial").mkdir()
    (tmp_path / "index.partial" / "left").write_text("over")
    index = BM25Index.open(tmp_path / "index", DOCUMENTS, k1=0.9, b=0.4)
    assert len(index.search(["dog"], 10)[0][0]) == 3


@pytest.mark.parametrize("shard", [3, 7, 100])
def test_dense_search_is_exact_over_any_number_of_files(shard: int) -> None:
    rng = np.random.default_rng(0)
    passages = rng.standard_normal((40, 8)).astype(np.float16)
    passages[5] = passages[30]
    queries = rng.standard_normal((6, 8)).astype(np.float32)
    files = [(start, passages[start : start + shard]) for start in range(0, 40, shard)]
    expected = queries @ passages.astype(np.float32).T
    for (rows, scores), row in zip(dense.search(queries, files, 10, torch.device("cpu")), expected, strict=True):
        np.testing.assert_array_equal(rows, np.lexsort((np.arange(40), -row))[:10])
        np.testing.assert_allclose(scores, row[rows], rtol=1e-5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mining")
    tiny.write_cocondenser(folder / "teacher")
    tiny.write_collection(folder / "collection")
    return folder


def recipe(tmp_path: Path, folder: Path, rounds: str) -> Path:
    path = tiny.write_recipe(
        tmp_path / "tiny.toml",
        folder / "teacher",
        folder / "collection",
        student=tiny.STUDENTS["rnn"],
        rounds=rounds,
    )
    tiny.start_student(path, tmp_path / "run")
    return path


def run(path: Path, out: Path, *arguments: str) -> None:
    mine.main([str(path), *arguments, "--out", str(out), "--cpu", "--threads", "1"])


def test_passages_that_are_kept_by_their_texts_are_read_once(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = TorchTeacher(str(folder / "teacher"))
    collection = Collection(folder / "collection")
    alone = dense.CollectionVectors(tmp_path / "alone", teacher, collection)
    alone.fill()
    cache = VectorCache(tmp_path / "cache", teacher)
    kept = dense.CollectionVectors(tmp_path / "kept", teacher, collection)
    kept.fill(cache=cache)
    for (_, expected), (_, found) in zip(alone, kept, strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-3)
    texts = [str(passage.whole()) for passage in collection]
    monkeypatch.setattr(TorchTeacher, "encode", lambda *_arguments, **_options: pytest.fail("a passage is read again"))
    # As a round with a frozen passage encoder does.
    later = VectorCache(tmp_path / "cache", teacher)
    later.fill(texts, prompt=teacher.passage_prompt)
    assert len(later.get(texts, prompt=teacher.passage_prompt)) == len(collection)


def test_negatives_are_hits_that_are_not_relevant_in_tevatrons_form(tmp_path: Path, folder: Path) -> None:
    path = recipe(tmp_path, folder, '[[mine]]\nname = "bm25"\ndepth = 20\nnegatives = 5\nskip = 1\n')
    run(path, tmp_path / "run")
    lines = (tmp_path / "run" / "bm25" / "negatives.jsonl").read_text().splitlines()
    assert len(lines) == 72
    record = json.loads(lines[0])
    assert list(record) == ["query_id", "query", "positive_passages", "negative_passages"]
    collection = Collection(folder / "collection")
    texts = [str(passage.whole()) for passage in collection]
    for group in read_tevatron(tmp_path / "run" / "bm25" / "negatives.jsonl"):
        assert [passage.id for passage in group.positives] == ["p" + group.query_id[1:]]
        scores = np.array(bm25_by_hand(str(group.query), texts, 0.9, 0.4))
        order = np.lexsort((np.arange(len(scores)), -scores))
        # Of passages that tie at the end any may be a hit.
        hits = {collection[row].id for row in np.flatnonzero(scores > scores[order[19]] - 1e-5).tolist()}
        found = [passage.id for passage in group.negatives]
        assert len(set(found)) == len(found) == 5
        assert set(found) <= hits - {collection[int(order[0])].id} - {passage.id for passage in group.positives}


def test_copies_of_an_answer_and_doubtful_passages_are_no_negatives(tmp_path: Path) -> None:
    collection = tmp_path / "collection"
    (collection / "qrels").mkdir(parents=True)
    texts = {"a": "boil egg", "b": "boil egg", "c": "boil egg fast", "d": "boil egg slow", "e": "egg walk"}
    (collection / "corpus.jsonl").write_text(
        "".join(json.dumps({"_id": key, "text": text}) + "\n" for key, text in texts.items())
    )
    (collection / "queries.jsonl").write_text('{"_id": "q", "text": "boil egg"}\n')
    (collection / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t2\nq\tc\t1\nq\te\t0\n")
    path = tiny.write_recipe(
        tmp_path / "tiny.toml",
        tmp_path,
        collection,
        rounds='relevant_from = 2\n[[mine]]\nname = "bm25"\nnegatives = 9\n',
    )
    run(path, tmp_path / "run")
    (group,) = read_tevatron(tmp_path / "run" / "bm25" / "negatives.jsonl")
    assert {passage.id for passage in group.negatives} == {"d", "e"}


def test_the_students_negatives_are_the_nearest_passages_of_its_vectors(tmp_path: Path, folder: Path) -> None:
    path = recipe(tmp_path, folder, '[[mine]]\nname = "dense"\nby = "distilled"\ndepth = 6\nnegatives = 5\n')
    run(path, tmp_path / "run", "dense")
    teacher = TorchTeacher(str(folder / "teacher"))
    collection = Collection(folder / "collection")
    passages = teacher.encode([str(passage.whole()) for passage in collection])
    student = load_student(tmp_path / "run")
    groups = list(read_tevatron(tmp_path / "run" / "dense" / "negatives.jsonl"))
    queries = encode_queries(student, teacher, [group.query for group in groups], 16, torch.device("cpu"))
    for group, scores in zip(groups, queries @ passages.T, strict=True):
        ranks = {collection[row].id: rank for rank, row in enumerate(np.argsort(-scores).tolist())}
        # Vectors on disk are float16: neighbours may change places.
        assert max(ranks[passage.id] for passage in group.negatives) <= 7
        assert len(group.negatives) >= 5


def test_the_teacher_can_search_for_both_sides(tmp_path: Path, folder: Path) -> None:
    path = recipe(tmp_path, folder, '[[mine]]\nname = "dense"\nby = "teacher"\ndepth = 3\nnegatives = 1\n')
    run(path, tmp_path / "run")
    assert len(list(read_tevatron(tmp_path / "run" / "dense" / "negatives.jsonl"))) == 72


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.parametrize("by", ["bm25", "distilled"])
@pytest.mark.parametrize("queries", [0, 13, 40])
def test_mining_that_was_killed_goes_on_and_ends_with_the_same_file(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, by: str, queries: int
) -> None:
    monkeypatch.setattr(mine, "BLOCK", 8)
    monkeypatch.setattr(dense, "SHARD", 40)
    rounds = f'[[mine]]\nname = "one"\nby = "{by}"\ndepth = 20\nnegatives = 5\n'
    path = recipe(tmp_path, folder, rounds)
    run(path, tmp_path / "run")
    expected = (tmp_path / "run" / "one" / "negatives.jsonl").read_bytes()
    out = tmp_path / "killed"
    tiny.start_student(path, out)
    original, count = mine.Mining._group, 0

    def dying(self: mine.Mining, *arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count > queries:
            raise Killed
        return original(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(mine.Mining, "_group", dying)
        with pytest.raises(Killed):
            run(path, out)
    partial = out / "one" / "negatives.partial"
    partial.write_bytes(partial.read_bytes() + b'{"query_id": "half a li')
    assert not (out / "one" / "negatives.jsonl").exists()
    run(path, out)
    assert (out / "one" / "negatives.jsonl").read_bytes() == expected


def test_a_round_that_was_begun_otherwise_is_not_gone_on_with(tmp_path: Path, folder: Path) -> None:
    rounds = '[[mine]]\nname = "one"\nnegatives = 5\n'
    run(recipe(tmp_path, folder, rounds), tmp_path / "run")
    (tmp_path / "run" / "one" / "negatives.jsonl").unlink()
    with pytest.raises(ValueError, match="begun with other settings"):
        run(recipe(tmp_path, folder, rounds.replace("5", "6")), tmp_path / "run")


def test_without_a_name_the_next_round_is_run(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recipe(
        tmp_path,
        folder,
        '[[mine]]\nname = "one"\n[[mine]]\nname = "two"\nby = "later"\n'
        '[[contrast]]\nname = "later"\ngroups = ["mine:one"]\n',
    )
    run(path, tmp_path / "run")
    assert (tmp_path / "run" / "one" / "negatives.jsonl").is_file()
    with pytest.raises(ValueError, match=r"run python -m training\.ranking\.contrast before this round"):
        run(path, tmp_path / "run")
    (tmp_path / "run" / "two").mkdir(exist_ok=True)
    (tmp_path / "run" / "two" / "negatives.jsonl").write_text("")
    run(path, tmp_path / "run")
    assert "all 2 rounds of mining" in capsys.readouterr().out
