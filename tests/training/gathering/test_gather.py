"""Gathering: texts without duplicates that fit, a split without near-duplicates, and a report that adds up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from training.data import read_examples
from training.gathering import KINDS, Gathered, gather
from training.gathering.cleaning import fold

WORDS = "boil egg rain sun cat dog walk home read file line open close fast slow red green blue".split()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A log of 2,000 queries, some in two spellings or twice, and 300 documents, some long and some twice."""
    queries = [f"{a} the {b} {c}" for a in WORDS for b in WORDS for c in WORDS[:6]]
    queries += [f"{query.upper()}?" for query in queries[:50]] + queries[:30]
    tmp_path = tmp_path_factory.mktemp("files")
    log = tmp_path / "log.csv"
    log.write_text("time,query\n" + "".join(f"2024,{query}\n" for query in queries))
    documents = [
        {
            "title": f"The {a} {b}",
            "text": f"Why does a {a} {b} matter so much? " + f"It is {b} near the {a}. " * (at % 12),
        }
        for at, (a, b) in enumerate((a, b) for a in WORDS for b in WORDS)
    ]
    docs = tmp_path / "docs.jsonl"
    docs.write_text("".join(json.dumps(one) + "\n" for one in [*documents, *documents[:20]]))
    return log, docs


@pytest.fixture(scope="module")
def found(files: tuple[Path, Path], tokenizer: Tokenizer) -> Gathered:
    return gather(queries=[files[0]], passages=[files[1]], tokenizer=tokenizer, max_tokens=32)


def test_each_text_comes_once_and_fits(found: Gathered, tokenizer: Tokenizer) -> None:
    texts = [one.text for one in found.training]
    assert len(set(texts)) == len(texts)
    lengths = [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]
    assert min(lengths) >= 1
    assert max(lengths) <= 32
    assert {one.kind for one in found.training} == set(KINDS) - {"heading"}


def test_all_windows_of_all_documents_are_there(found: Gathered, files: tuple[Path, Path]) -> None:
    windows = {one.text for one in found.training if one.kind == "passage"}
    texts = [json.loads(line)["text"] for line in files[1].read_text().splitlines()]
    together = "\n".join(windows)
    assert all(text[:30] in together and text.strip()[-15:] in together for text in texts)


def test_nothing_held_out_is_trained_on_in_any_spelling(found: Gathered) -> None:
    held_out = {fold(one.text) for one in found.development}
    assert len(held_out) == len(found.development) > 100
    assert not held_out & {fold(one.text) for one in found.training}
    assert {one.kind for one in found.development} == {"query"}
    assert found.report.left_out["like a held-out text but for case, punctuation or white space"] > 0


def test_the_report_adds_up(found: Gathered) -> None:
    report = found.report
    for file in report.files:
        assert file.rows == file.distinct + file.duplicates + sum(file.dropped.values())
    assert [file.duplicates for file in report.files] == [30, 20]
    assert sum(report.training.values()) == len(found.training)
    assert report.training == dict(Counter(one.kind for one in found.training))
    assert report.development == {"query": len(found.development)}
    distinct = report.files[0].distinct
    near = report.left_out["like a held-out text but for case, punctuation or white space"]
    assert distinct - near <= report.training["query"] + len(found.development) <= distinct
    assert report.lengths is not None
    assert sum(report.lengths.shares.values()) == pytest.approx(1, abs=1e-3)
    assert report.lengths.longest <= 32
    assert json.loads(json.dumps(report.to_json()))["files"][0]["taken_as"] == "CSV, column 'query'"


def test_the_report_reads_as_sentences(found: Gathered) -> None:
    text = str(found.report)
    assert "log.csv: CSV, column 'query'\n  2,024 rows, 1,994 distinct, 30 duplicates\n" in text
    assert "docs.jsonl: JSON lines, column 'text', titles in 'title'\n  344 documents, 324 distinct" in text
    assert "texts have more than 32 tokens: cut into" in text
    assert "windows of passages" in text
    assert "Tokens of a text:" in text


def test_a_number_wanted_is_kept_and_shared_by_the_rule(files: tuple[Path, Path], tokenizer: Tokenizer) -> None:
    found = gather(queries=[files[0]], passages=[files[1]], tokenizer=tokenizer, max_tokens=32, wanted=400)
    assert len(found.training) == 400
    kinds = found.report.training
    assert kinds["query"] == pytest.approx(200, abs=2)
    assert kinds["passage"] == pytest.approx(100, abs=2)
    assert kinds["word"] == pytest.approx(20, abs=2)
    assert found.report.documents == 324
    assert found.report.documents_used < 324
    small = gather(queries=[files[0]], passages=[files[1]], tokenizer=tokenizer, max_tokens=32, wanted=3)
    assert len(small.training) == 3


def test_a_number_wanted_keeps_what_is_asked_often(tmp_path: Path, tokenizer: Tokenizer) -> None:
    rows = [f"{a} {b} {c},{1000 if c == 'cat' else 1}" for a in WORDS for b in WORDS for c in ("cat", "dog")]
    (tmp_path / "log.csv").write_text("query,count\n" + "\n".join(rows))
    found = gather(queries=[tmp_path / "log.csv"], tokenizer=tokenizer, wanted=200, development=0, vocabulary=False)
    often = sum(one.count == 1000 for one in found.training)
    assert 160 < often < 200


def test_the_seed_decides_and_the_order_of_lines_does_not(files: tuple[Path, Path], tokenizer: Tokenizer) -> None:
    def texts(log: Path, seed: int) -> tuple[set[str], set[str]]:
        found = gather(queries=[log], tokenizer=tokenizer, wanted=300, seed=seed, vocabulary=False)
        return {one.text for one in found.training}, {one.text for one in found.development}

    first, *rest = files[0].read_text().splitlines()
    turned = files[0].with_name("turned.csv")
    turned.write_text("\n".join([first, *rest[::-1]]))
    training, held_out = texts(files[0], 1)
    other_training, other_held_out = texts(turned, 1)
    assert {fold(text) for text in held_out} == {fold(text) for text in other_held_out}
    assert len(training & other_training) > 290
    assert texts(files[0], 1) == (training, held_out)
    assert texts(files[0], 2)[0] != training
    assert texts(files[0], 2)[1] == held_out


def test_a_query_in_two_logs_counts_in_both(tmp_path: Path, tokenizer: Tokenizer) -> None:
    for name in ("monday.txt", "tuesday.txt"):
        (tmp_path / name).write_text("boil an egg\nboil an egg\n")
    found = gather(
        queries=[tmp_path / "monday.txt", tmp_path / "tuesday.txt"],
        tokenizer=tokenizer,
        development=0,
        vocabulary=False,
    )
    (one,) = found.training
    assert (one.count, one.source) == (4, "monday.txt")
    assert [file.duplicates for file in found.report.files] == [1, 2]


def test_without_queries_pseudo_queries_are_held_out(files: tuple[Path, Path], tokenizer: Tokenizer) -> None:
    found = gather(passages=[files[1]], tokenizer=tokenizer, max_tokens=32)
    assert found.development
    assert {one.kind for one in found.development} <= {"title", "heading", "sentence", "phrase"}
    assert not {fold(one.text) for one in found.development} & {fold(one.text) for one in found.training}


def test_words_of_the_vocabulary_are_single_tokens(found: Gathered, tokenizer: Tokenizer) -> None:
    words = [one.text for one in found.training if one.kind == "word"]
    assert len(words) == 2_000
    assert all(len(tokenizer.encode(word, add_special_tokens=False).ids) == 1 for word in words)
    assert "of" in words
    assert not [word for word in words if "#" in word or "[" in word]


def test_stage_1_reads_what_is_written(found: Gathered, tmp_path: Path) -> None:
    found.write(tmp_path / "texts")
    assert list(read_examples(tmp_path / "texts" / "training.tsv")) == found.examples()
    assert list(read_examples(tmp_path / "texts" / "development.tsv")) == found.held_out()
    assert json.loads((tmp_path / "texts" / "report.json").read_text()) == found.report.to_json()


def test_scripts_without_spaces_have_phrases_and_windows(tmp_path: Path, tokenizer: Tokenizer) -> None:
    text = "卵をゆでるには、お湯を沸かします。十分ほどゆでて、冷たい水に入れます。" * 8
    (tmp_path / "docs.jsonl").write_text(json.dumps({"title": "ゆで卵", "text": text}) + "\n")
    found = gather(passages=[tmp_path / "docs.jsonl"], tokenizer=tokenizer, max_tokens=32, development=0)
    phrases = [one.text for one in found.training if one.kind == "phrase"]
    assert phrases
    assert all(2 <= len(phrase) <= 8 and phrase in text for phrase in phrases)
    windows = [one.text for one in found.training if one.kind == "passage"]
    assert all(window.endswith("。") for window in windows)


def test_numbers_out_of_range_are_refused(files: tuple[Path, Path], tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="there are no texts"):
        gather(tokenizer=tokenizer)
    with pytest.raises(ValueError, match=r"development is 0\.7"):
        gather(queries=[files[0]], tokenizer=tokenizer, development=0.7)
    with pytest.raises(ValueError, match="wanted is 0"):
        gather(queries=[files[0]], tokenizer=tokenizer, wanted=0)


def test_gathering_needs_neither_torch_nor_transformers_nor_pandas() -> None:
    code = "import sys, training.gathering; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not set(done.stdout.split()) & {"torch", "transformers", "pandas", "pyarrow", "faiss", "typeahead.index"}
