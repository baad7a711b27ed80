"""A text has the same ids in training, at run time, and within the teacher's own ids of prompt and text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

transformers = pytest.importorskip("transformers", reason="training needs transformers")

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers  # noqa: E402

from tests.core.test_tokens import CORPUS, unigram, word_piece  # noqa: E402
from training.teacher.reading import read_after, text_tokenizer  # noqa: E402
from typeahead.core.tokens import IncrementalTokenizer  # noqa: E402

TEXTS = ["a", "how to boil an egg", "what's 12 + 3?", "weather  in  lisbon", "Zürich 東京", "a </s> [SEP] <s>b", ""]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "[CLS]", "[SEP]"]


def byte_level(*, split: bool = False) -> Tokenizer:
    """As GPT-2's, or as Llama 3's, where another stage splits first."""
    tokenizer = Tokenizer(models.BPE())
    stage = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not split)
    pattern = pre_tokenizers.Split(Regex(r" ?[^\s]+|\s+"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pattern, stage]) if split else stage
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=SPECIAL,
        show_progress=False,
    )
    tokenizer.train_from_iterator([*CORPUS, "query: passage: find "], trainer)
    return tokenizer


def piece_model() -> Tokenizer:
    """As XLM-R's: the names of special tokens are pieces of the vocabulary, with the best scores."""
    tokenizer = unigram(prepend="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=300, unk_token="<unk>", special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


TOKENIZERS: dict[str, Any] = {
    "WordPiece": word_piece,
    "byte-level BPE": byte_level,
    "byte-level BPE that splits first": lambda: byte_level(split=True),
    "Unigram": piece_model,
    "Unigram without a first space": lambda: unigram(prepend="never"),
}


def wrapped(tokenizer: Tokenizer) -> Any:
    """The tokenizer as `transformers` loads it, with a special token before and after each text."""
    names = [name for name in ("<s>", "[CLS]", "<unk>") if tokenizer.token_to_id(name) is not None]
    ends = [name for name in ("</s>", "[SEP]", "<unk>") if tokenizer.token_to_id(name) is not None]
    first, last = names[0], ends[0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in {first, last}],
    )
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=first, eos_token=last)


@pytest.mark.parametrize("prompt", ["", "query: "])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_session_reads_prompt_and_text_as_the_teacher(name: str, prompt: str, tmp_path: Path) -> None:
    teacher = wrapped(TOKENIZERS[name]())
    reading = read_after(
        lambda text: teacher(text)["input_ids"], text_tokenizer(teacher.backend_tokenizer), prompt, "it"
    )
    reading.tokenizer.save(str(tmp_path / "tokenizer.json"))
    session = IncrementalTokenizer.from_file(tmp_path / "tokenizer.json")
    for text in TEXTS:
        own = list(session.encode(text))
        assert reading.ids([text]) == [own]
        head, head_ids = "", tuple[int, ...]()
        for end in range(len(text) + 1):
            typed, head, head_ids = session.encode_on(text[:end], head, head_ids)
            assert typed == session.encode(text[:end])
        if "<" not in text and text:
            assert [*reading.before, *own, *reading.after] == teacher(prompt + text)["input_ids"]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_names_of_special_tokens_are_text(name: str) -> None:
    tokenizer = TOKENIZERS[name]()
    special = {tokenizer.token_to_id(name) for name in SPECIAL} - {None, tokenizer.token_to_id("<unk>")}
    ids = text_tokenizer(tokenizer).encode("a </s> [SEP] [CLS]<s> b <pad>", add_special_tokens=False).ids
    assert len(ids) > 6
    assert not special & set(ids)


def test_a_prompt_may_hold_special_tokens() -> None:
    teacher = wrapped(byte_level())
    reading = read_after(
        lambda text: teacher(text)["input_ids"], text_tokenizer(teacher.backend_tokenizer), "[CLS] find ", "it"
    )
    assert teacher.convert_tokens_to_ids("[CLS]") in reading.before


@pytest.mark.parametrize("name", ["WordPiece", "Unigram", "byte-level BPE"])
def test_a_prompt_that_runs_into_the_text_is_refused_with_the_remedy(name: str) -> None:
    teacher = wrapped(TOKENIZERS[name]())
    with pytest.raises(ValueError, match="end the prompt with a space"):
        read_after(lambda text: teacher(text)["input_ids"], text_tokenizer(teacher.backend_tokenizer), "weathe", "it")
