"""A vocabulary that is cut from the teacher's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs PyTorch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from tokenizers import Tokenizer, models, trainers  # noqa: E402

from tests.training.tiny import write_tokenizer  # noqa: E402
from tests.training.unigram import TEXTS, write_unigram_tokenizer  # noqa: E402
from training.vocabulary import Vocabulary, count_tokens, cut_vocabulary, same_vocabulary  # noqa: E402


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("unigram")
    write_unigram_tokenizer(folder)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    found: list[str] = tokenizer.encode(text, add_special_tokens=False).tokens
    return found


def test_each_token_is_the_same_piece_as_the_teachers(whole: Tokenizer) -> None:
    made = cut_vocabulary(whole, TEXTS, 150)
    names = {number: piece for piece, number in whole.get_vocab().items()}
    own = made.tokenizer.get_vocab()
    assert sorted(own.values()) == list(range(len(made.rows))) == list(range(150))
    assert all(names[int(made.rows[number])] == piece for piece, number in own.items())


def test_with_enough_room_the_texts_have_the_tokens_they_had(whole: Tokenizer) -> None:
    used = count_tokens(whole, TEXTS)
    made = cut_vocabulary(whole, TEXTS, whole.get_vocab_size())
    assert len(made.rows) < whole.get_vocab_size()  # no text has Greek
    assert set(used) <= set(made.rows.tolist())
    for text in TEXTS:
        assert pieces(made.tokenizer, text) == pieces(whole, text)


def test_a_small_vocabulary_spells_words_and_knows_all_characters(whole: Tokenizer) -> None:
    smallest = cut_vocabulary(whole, TEXTS, 10_000)
    size = 130
    made = cut_vocabulary(whole, TEXTS, size)
    assert len(made.rows) == size < len(smallest.rows)
    assert sum(len(pieces(made.tokenizer, text)) for text in TEXTS) > sum(len(pieces(whole, text)) for text in TEXTS)
    assert made.tokenizer.token_to_id("<unk>") not in count_tokens(made.tokenizer, TEXTS)


def test_special_tokens_keep_their_places_around_a_text(whole: Tokenizer) -> None:
    made = cut_vocabulary(whole, TEXTS, 150)
    encoded = made.tokenizer.encode("read", "a line")
    assert encoded.tokens[0] == "<s>"
    assert encoded.tokens[-1] == "</s>"
    assert made.tokenizer.token_to_id("<mask>") == 149
    assert [int(made.rows[number]) for number in encoded.ids] == [whole.token_to_id(piece) for piece in encoded.tokens]


def test_the_prompts_tokens_can_be_kept(whole: Tokenizer) -> None:
    prompt = whole.encode("query: ", add_special_tokens=False).ids
    made = cut_vocabulary(whole, TEXTS, 150, keep=prompt)
    assert [
        int(made.rows[number]) for number in made.tokenizer.encode("query: ", add_special_tokens=False).ids
    ] == prompt


def test_an_unknown_character_stays_unknown(whole: Tokenizer) -> None:
    made = cut_vocabulary(whole, TEXTS, 150).tokenizer
    assert made.token_to_id("<unk>") in made.encode("a 𓀀 b").ids


def test_word_pieces_can_be_cut_too(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    before = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    made = cut_vocabulary(before, ["open the red file", "close the file"], 61)
    assert len(made.rows) == 61
    assert pieces(made.tokenizer, "open file") == ["open", "file"]
    assert pieces(made.tokenizer, "rain") == ["r", "##a", "##i", "##n"]
    encoded = made.tokenizer.encode("rain")
    assert encoded.tokens[0] == "[CLS]"
    assert [int(made.rows[number]) for number in encoded.ids] == [before.token_to_id(one) for one in encoded.tokens]


def test_merges_of_a_bpe_cannot_be_cut() -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=200, show_progress=False))
    with pytest.raises(ValueError, match="of the kind BPE cannot be cut"):
        cut_vocabulary(tokenizer, TEXTS, 100)


def test_a_size_below_the_number_of_characters_is_refused(whole: Tokenizer) -> None:
    with pytest.raises(ValueError, match="A vocabulary of 50 is too small"):
        cut_vocabulary(whole, TEXTS, 50)


def test_a_folder_gives_back_what_was_written(whole: Tokenizer, tmp_path: Path) -> None:
    made = cut_vocabulary(whole, TEXTS, 150)
    made.save(tmp_path)
    read = Vocabulary.read(tmp_path)
    assert read.digest() == made.digest()
    np.testing.assert_array_equal(read.rows, made.rows)
    assert pieces(read.tokenizer, TEXTS[0]) == pieces(made.tokenizer, TEXTS[0])


def test_files_that_do_not_belong_together_are_refused(whole: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no tokenizer.json"):
        Vocabulary.read(tmp_path)
    cut_vocabulary(whole, TEXTS, 150).save(tmp_path)
    cut_vocabulary(whole, TEXTS, 145).tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match=r"has 145 tokens, and rows.safetensors 150"):
        Vocabulary.read(tmp_path)


def test_post_processors_of_roberta_and_sequences_get_the_new_ids(whole: Tokenizer) -> None:
    pipeline = json.loads(whole.to_str())
    last = whole.token_to_id("<mask>")
    pipeline["post_processor"] = {
        "type": "Sequence",
        "processors": [{"type": "BertProcessing", "sep": ["<mask>", last], "cls": ["<s>", 0]}],
    }
    made = cut_vocabulary(Tokenizer.from_str(json.dumps(pipeline)), TEXTS, 150)
    assert made.tokenizer.encode("read").ids[-1] == 149


def test_pieces_of_a_script_that_no_text_uses_are_left_out(whole: Tokenizer) -> None:
    assert "ο" in whole.get_vocab()
    assert "ο" not in cut_vocabulary(whole, TEXTS, 10_000).tokenizer.get_vocab()


def test_room_that_the_texts_leave_is_filled_with_pieces_in_their_scripts(whole: Tokenizer) -> None:
    few = ["open the file"]
    # German is written in the same script, Greek and Japanese are not.
    made, filled = cut_vocabulary(whole, few, 200), cut_vocabulary(whole, few, 200, fill=True)
    assert pieces(filled.tokenizer, "das rote Fenster") == ["▁das", "▁rote", "▁Fenster"]
    assert len(pieces(made.tokenizer, "das rote Fenster")) > 3
    own = filled.tokenizer.get_vocab()
    assert len(made.rows) < len(filled.rows) <= 200
    assert not any(piece in own for piece in ("▁αρχείο", "▁ファイルを開いて行を読む"))
    # The texts' own come first.
    tight = cut_vocabulary(whole, few, len(made.rows), fill=True)
    assert set(count_tokens(whole, few)) <= set(tight.rows.tolist())


def test_a_tokenizer_is_cut_like_another_one_that_was_cut_from_it(whole: Tokenizer, tmp_path: Path) -> None:
    made = cut_vocabulary(whole, TEXTS, 150)
    made.tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = same_vocabulary(whole, Tokenizer.from_file(str(tmp_path / "tokenizer.json")))
    np.testing.assert_array_equal(again.rows, made.rows)
    assert again.digest() == made.digest()
    with pytest.raises(ValueError, match="not a part of the teacher's"):
        same_vocabulary(made.tokenizer, whole)
