"""Windows: together they are the text, each fits, and they end where sentences end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tests.conftest import ROOT
from tests.texts import texts
from training.gathering.cleaning import clean
from training.gathering.tokens import Counter, plain_texts
from training.gathering.windows import MOST_WINDOWS, Windows


def byte_level() -> Tokenizer:
    """A small byte-level BPE: no text is unknown to it, and a space belongs to the word behind it."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(["boil an egg in hot water. read the file again"] * 50, trainer)
    return made


WORD_PIECES = Tokenizer.from_file(str(ROOT / "models" / "minilm-gru" / "tokenizer.json"))
BYTES = byte_level()
STORY = "The egg boils in hot water. It takes ten minutes, or a little more. " * 40


def windows_of(tokenizer: Tokenizer, text: str, limit: int) -> tuple[list[str], Windows]:
    with plain_texts(tokenizer):
        windows = Windows(Counter(tokenizer), limit)
        return windows.of([text])[0], windows


def squeezed(text: str) -> str:
    return "".join(clean(text).split())


@given(st.lists(texts, max_size=12).map("\n".join), st.integers(4, 40))
def test_windows_cover_the_text_and_each_fits(text: str, limit: int) -> None:
    found, _ = windows_of(BYTES, text, limit)
    assert squeezed("".join(found)) == squeezed(text)
    for window in found:
        assert 1 <= len(BYTES.encode(window).ids) <= limit
        assert window == clean(window)


@given(st.lists(texts, max_size=12).map(" ".join), st.integers(4, 40))
def test_with_unknown_tokens_only_parts_without_any_known_one_are_left_out(text: str, limit: int) -> None:
    found, windows = windows_of(WORD_PIECES, text, limit)
    with plain_texts(WORD_PIECES):
        counts = [len(WORD_PIECES.encode(window, add_special_tokens=False).ids) for window in found]
    assert all(1 <= count <= limit for count in counts)
    if not windows.unusable and found:
        assert squeezed("".join(found)) == squeezed(text)


def test_windows_end_where_sentences_end() -> None:
    found, windows = windows_of(WORD_PIECES, STORY, 40)
    assert all(window.endswith(".") for window in found)
    assert (windows.cut, windows.windows) == (1, len(found))


def test_a_short_text_is_its_only_window_and_is_left_as_it_is() -> None:
    found, windows = windows_of(WORD_PIECES, " How  to BOIL an\tegg\n", 96)
    assert found == ["How  to BOIL an egg"]
    assert windows.cut == 0


@pytest.mark.parametrize("text", ["", "   \n", "\0\0", "\U0001f355" * 3])
def test_what_holds_no_token_that_is_known_has_no_window(text: str) -> None:
    assert windows_of(WORD_PIECES, text, 96)[0] == []


def test_a_text_of_a_megabyte_gives_a_hundred_windows_and_says_that_it_is_shortened() -> None:
    found, windows = windows_of(WORD_PIECES, STORY * 400, 24)
    assert len(found) == MOST_WINDOWS
    assert windows.shortened == 1
    word, _ = windows_of(BYTES, "x" * 1_000_000, 24)
    assert len(word) == MOST_WINDOWS


def test_the_tokenizer_reads_special_tokens_as_text_and_is_as_it_was_afterwards() -> None:
    tokenizer = Tokenizer.from_str(WORD_PIECES.to_str())
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=5)
    before = tokenizer.to_str()
    with plain_texts(tokenizer):
        (count,) = Counter(tokenizer)(["what does [SEP] mean in this long text"])
    assert count == 10
    assert tokenizer.to_str() == before
    assert not tokenizer.encode_special_tokens
