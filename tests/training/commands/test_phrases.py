"""Phrases: short, of content words at both ends, each once, the same for a seed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from training.commands import phrases as command
from training.data import Example, read_examples
from training.gathering import phrases
from training.gathering.phrases import cut

TEXTS = [Example("s", f"the effect of the drug number{n} on the heart rate of the rat") for n in range(300)]


@pytest.fixture(autouse=True)
def few_frequent_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phrases, "_FREQUENT", 3)


def test_phrases_are_short_and_have_content_words_at_both_ends() -> None:
    found = [phrase.text.split() for phrase in cut(TEXTS, random.Random(1))]
    assert {len(words) for words in found} >= {1, 2, 3}
    frequent = {"the", "of", "effect"}
    assert all(len(words) <= 4 and not {words[0], words[-1]} & frequent for words in found)


def test_a_phrase_comes_once_and_the_seed_decides() -> None:
    first = list(cut(TEXTS, random.Random(1)))
    assert len({phrase.text.lower() for phrase in first}) == len(first)
    assert list(cut(TEXTS, random.Random(1))) == first
    assert list(cut(TEXTS, random.Random(2))) != first


def test_the_command_writes_a_file_that_training_reads(tmp_path: Path) -> None:
    texts, out = tmp_path / "texts.tsv", tmp_path / "new" / "phrases.tsv"
    texts.write_text("".join(f"{example.source}\t{example.text}\n" for example in TEXTS))
    command.main([str(texts), str(out), "--limit", "100", "--seed", "3"])
    assert 0 < len(list(read_examples(out))) <= 100
