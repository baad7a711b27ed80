"""Incremental tokens equal the tokens of the whole string, for every tokenizer."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tests.charsmap import charsmap
from tests.texts import ALPHABETS, texts
from typeahead.core.tokens import IncrementalTokenizer, check_text, whole_pieces
from typeahead.errors import ModelCorrupt, TextError
from typeahead.paths import models_folder

CORPUS = [
    "how to boil an egg without a pot",
    "what is the weather in lisbon tomorrow morning",
    "the quick brown fox jumps over the lazy dog",
    *ALPHABETS.values(),
] * 4


def byte_level(normalizer: Any = None, **options: Any) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(**options)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def unigram(*, prepend: str, normalizer: Any = None) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend)
    trainer = trainers.UnigramTrainer(vocab_size=300, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


#: Some of XLM-R's: compatibility characters, spaces, characters that vanish, and a sign that joins what follows.
REPLACEMENTS = {
    "\u3000": " ",
    "\u200b": " ",
    "\u00a0": " ",
    "\u2028": " ",
    "\u00ad": "",
    "\ufeff": "",
    "\ufb01": "fi",
    "\u00bd": "1/2",
    "\uff21": "A",
    "\u2026": "...",
    "\uac00": "\uac00",
    "e\u0301": "\u00e9",
    "\u0600": "\u0600",
}


def xlm_roberta(*, wordwise: bool) -> Tokenizer:
    """As multilingual E5 has it."""
    reference = unigram(prepend="always")
    reference.normalizer = normalizers.Precompiled(charsmap(REPLACEMENTS))
    if wordwise:
        spaces = pre_tokenizers.Metaspace(prepend_scheme="always")
        reference.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), spaces])
    return reference


def word_piece() -> Tokenizer:
    return Tokenizer.from_file(str(models_folder() / "minilm-gru" / "tokenizer.json"))


def sentence_piece_bpe() -> Tokenizer:
    """Merges across words: nothing may be cut."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=600, show_progress=False))
    return tokenizer


TOKENIZERS = {
    "WordPiece": (word_piece, True),
    "byte-level BPE": (lambda: byte_level(add_prefix_space=False), True),
    "byte-level BPE with a prefix space": (lambda: byte_level(add_prefix_space=True), True),
    "byte-level BPE over NFKC": (lambda: byte_level(normalizers.NFKC(), add_prefix_space=False), True),
    "byte-level BPE over a BERT normalizer": (lambda: byte_level(normalizers.BertNormalizer()), False),
    "byte-level BPE without accents": (
        lambda: byte_level(normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])),
        False,
    ),
    "byte-level BPE without its pattern": (lambda: byte_level(use_regex=False), False),
    "Unigram": (lambda: unigram(prepend="always"), True),
    "Unigram with a first space only": (lambda: unigram(prepend="first"), True),
    "Unigram that strips": (lambda: unigram(prepend="always", normalizer=normalizers.Strip()), False),
    "Unigram over NFKC": (lambda: unigram(prepend="always", normalizer=normalizers.NFKC()), True),
    "Unigram over SentencePiece's table": (lambda: xlm_roberta(wordwise=True), True),
    "Unigram over that table, with runs of spaces": (lambda: xlm_roberta(wordwise=False), False),
    "BPE across words": (sentence_piece_bpe, False),
}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_incremental_tokens_equal_the_tokens_of_the_whole_string(name: str) -> None:
    make, splits = TOKENIZERS[name]
    reference = make()
    # Training is not deterministic: both must be the same tokenizer.
    tokenizer = IncrementalTokenizer(Tokenizer.from_str(reference.to_str()))
    reference.encode_special_tokens = True
    assert tokenizer.splits_at_spaces is splits

    @settings(max_examples=400)
    @given(texts)
    def check(text: str) -> None:
        assert list(tokenizer.encode(text)) == reference.encode(text, add_special_tokens=False).ids

    check()


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_every_prefix_has_the_tokens_of_a_string_of_its_own(alphabet: str) -> None:
    reference = word_piece()
    reference.encode_special_tokens = True
    tokenizer = IncrementalTokenizer(word_piece())
    text = (ALPHABETS[alphabet] + " " + ALPHABETS["latin"] + ALPHABETS[alphabet]) * 2
    for end in range(len(text) + 1):
        assert list(tokenizer.encode(text[:end])) == reference.encode(text[:end], add_special_tokens=False).ids


def test_a_table_of_replacements_is_applied() -> None:
    tokenizer = xlm_roberta(wordwise=True)
    normalized = tokenizer.normalizer.normalize_str("\uff21\u3000\ufb01\u00ad\u00bde\u0301")
    assert normalized == "A fi1/2\u00e9"


#: Keys of input methods: kana before kanji, syllables as they are composed, and a mistake taken back.
COMPOSED = {
    "Japanese": [
        "と",
        "とう",
        "とうき",
        "とうきょ",
        "とうきょう",
        "東京",
        "東京の",
        "東京のて",
        "東京の天気",
        "東京の天",
    ],
    "Chinese": ["t", "ti", "tian", "天", "天q", "天qi", "天气", "天气 预", "天气 预报"],
    "Korean": [
        "ㅎ",
        "하",
        "한",
        "한ㄱ",
        "한구",
        "한국",
        "한국ㅇ",
        "한국어",
        "한국어 ",
        "한국어 ㄱ",
        "한국어 거",
        "한국어 검",
    ],
    "Korean, spelled out": ["\u1100", "\u1100\u1161", "\u1100\u1161\u11ab", "\u1100\u1161\u11ab \u1100"],
    "Arabic": ["م", "مر", "مرح", "مرحبا", "مرحبا ", "مرحبا ب", "مرحبًا بك", "مرحبًا", "\u0600 1", "\u0600 12"],
    "mixed": [
        "東",
        "東京 t",
        "東京 tower",
        "東京 tower 한",
        "東京 tower 한국 م",
        "京 tower 한국 م",
        "\uff21 東\u3000京",
    ],
}


@pytest.mark.parametrize("writing", COMPOSED)
@pytest.mark.parametrize("name", TOKENIZERS)
def test_what_input_methods_type_has_the_tokens_of_the_whole_string(name: str, writing: str) -> None:
    reference = TOKENIZERS[name][0]()
    tokenizer = IncrementalTokenizer(Tokenizer.from_str(reference.to_str()))
    reference.encode_special_tokens = True
    head = ""
    head_ids: tuple[int, ...] = ()
    for text in COMPOSED[writing] + COMPOSED[writing][::-1]:
        ids, head, head_ids = tokenizer.encode_on(text, head, head_ids)
        assert list(ids) == reference.encode(text, add_special_tokens=False).ids


def test_no_boundary_follows_a_sign_that_forms_one_character_with_a_space() -> None:
    tokenizer = IncrementalTokenizer(xlm_roberta(wordwise=True))
    _, head, _ = tokenizer.encode_on("a \u0600 b", "", ())
    assert head == "a \u0600"


def test_an_added_token_that_holds_a_space_makes_whole_texts_necessary() -> None:
    tokenizer = word_piece()
    tokenizer.add_tokens(["new york"])
    incremental = IncrementalTokenizer(tokenizer)
    assert not incremental.splits_at_spaces
    assert len(incremental.encode("new york")) == 1


def test_names_of_special_tokens_are_text() -> None:
    assert 102 not in IncrementalTokenizer(word_piece()).encode("what does [SEP] mean")


def test_pieces_that_are_looked_up_have_the_tokenizers_own_ids() -> None:
    reference = word_piece()
    pieces = whole_pieces(json.loads(reference.to_str()))
    assert len(pieces) > 20_000
    for piece, encoding in zip(pieces, reference.encode_batch(list(pieces), add_special_tokens=False), strict=True):
        assert encoding.ids == [pieces[piece]]


ASCII, ASCII_REFERENCE = IncrementalTokenizer(word_piece()), word_piece()
ASCII_REFERENCE.encode_special_tokens = True


@settings(max_examples=1000)
@given(st.text(st.characters(min_codepoint=0, max_codepoint=0x7F), max_size=40))
def test_ascii_by_pieces_is_as_the_tokenizer_has_it(text: str) -> None:
    expected = tuple(ASCII_REFERENCE.encode(text, add_special_tokens=False).ids)
    assert ASCII.encode(text) == expected


def test_no_piece_is_known_of_another_pipeline() -> None:
    tokenizer = word_piece()
    tokenizer.add_tokens(["oil"])
    assert whole_pieces(json.loads(tokenizer.to_str())) == {}
    cased = word_piece()
    cased.normalizer = normalizers.BertNormalizer(lowercase=False)
    assert whole_pieces(json.loads(cased.to_str())) == {}
    assert whole_pieces(json.loads(byte_level().to_str())) == {}


def test_nothing_that_was_encoded_is_remembered() -> None:
    tokenizer = IncrementalTokenizer(word_piece())
    before = pickle.dumps([tokenizer._pieces, sorted(vars(tokenizer))])
    tokenizer.encode("what is the weather in lisbx")
    tokenizer.encode_on("what is the weather in lisbx", "", ())
    assert pickle.dumps([tokenizer._pieces, sorted(vars(tokenizer))]) == before


def test_a_lone_surrogate_is_refused_with_its_position() -> None:
    with pytest.raises(TextError, match=r"U\+D83D.* position 2") as caught:
        check_text("ab\ud83d")
    assert caught.value.position == 2


def test_what_is_not_a_string_is_refused() -> None:
    with pytest.raises(TextError, match="bytes"):
        check_text(b"abc")


def test_a_broken_tokenizer_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text('{"model": ')
    with pytest.raises(ModelCorrupt, match=r"tokenizer\.json"):
        IncrementalTokenizer.from_file(path)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_tokens_from_the_last_safe_boundary_on_equal_those_of_the_whole_string(name: str) -> None:
    make, _ = TOKENIZERS[name]
    reference = make()
    tokenizer = IncrementalTokenizer(Tokenizer.from_str(reference.to_str()))
    reference.encode_special_tokens = True

    @settings(max_examples=100)
    @given(st.lists(st.tuples(texts, st.integers(0, 40), st.integers(0, 12)), max_size=8))
    def check(edits: list[tuple[str, int, int]]) -> None:
        text, head = "", ""
        head_ids: tuple[int, ...] = ()
        for insert, at, delete in edits:
            text = text[:at] + insert + text[at + delete :]
            ids, head, head_ids = tokenizer.encode_on(text, head, head_ids)
            assert list(ids) == reference.encode(text, add_special_tokens=False).ids

    check()


def test_only_the_word_that_is_being_typed_is_tokenized(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = IncrementalTokenizer(word_piece())
    _, head, head_ids = tokenizer.encode_on("how to boil", "", ())
    asked: list[str] = []
    original = tokenizer._part

    def recording(part: str) -> Sequence[int]:
        asked.append(part)
        return original(part)

    monkeypatch.setattr(tokenizer, "_part", recording)
    ids, _, _ = tokenizer.encode_on("how to boilx", head, head_ids)
    assert asked == [" boilx"]
    assert ids == tokenizer.encode("how to boilx")
