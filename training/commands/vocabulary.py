"""``python -m training.commands.vocabulary TEACHER OUT --texts FILE …``: cuts a teacher's vocabulary for a student.

``OUT`` then serves as ``vocabulary = "OUT"`` in ``[student]``. A table shows how many
tokens a word has by both vocabularies, and the share of unknown ones. Where the sources are ``source/language``, its
rows are the languages; texts of sources without one share a row.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoTokenizer

from training.data import read_examples
from training.teacher.settings import settings_of
from training.vocabulary import Vocabulary, cut_vocabulary

#: Texts of each language in the table.
_SHOWN = 3_000
#: The most letters of a language's code.
_CODE = 3


def coverage(before: Tokenizer, after: Vocabulary, texts: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """For each language: its name, tokens a word before and after, and the share of unknown tokens before and after.

    In scripts without spaces a word is all that stands between two spaces, so only the ratio of the two says much.
    """
    rows = []
    for name, some in sorted(texts.items()):
        words = sum(len(text.split()) for text in some) or 1
        figures = []
        for tokenizer in (before, after.tokenizer):
            unknown = tokenizer.encode("\U000f0000", add_special_tokens=False).ids[-1:]
            ids = [one.ids for one in tokenizer.encode_batch_fast(list(some), add_special_tokens=False)]
            total = sum(map(len, ids)) or 1
            figures.append((total / words, sum(number in unknown for one in ids for number in one) / total))
        rows.append((name, *(f"{tokens:.3f}" for tokens, _ in figures), *(f"{share:.3%}" for _, share in figures)))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.commands.vocabulary", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("teacher", help="folder or hub id of the teacher")
    parser.add_argument("out", type=Path, help="folder to write tokenizer.json and rows.safetensors to")
    parser.add_argument("--texts", nargs="+", required=True, help="files of texts in the student's languages")
    parser.add_argument("--size", type=int, default=60_000, help="the most tokens (default: %(default)s)")
    parser.add_argument("--prompt", action="append", default=[], help="a prompt besides those in the teacher's files")
    options = parser.parse_args(arguments)
    texts: dict[str, list[str]] = defaultdict(list)
    for file in options.texts:
        for example in read_examples(file):
            language = example.source.rpartition("/")[2]
            known = len(language) <= _CODE and language.isalpha()
            texts[language if known else "other"].append(example.text)
    whole = AutoTokenizer.from_pretrained(options.teacher)
    settings = settings_of(options.teacher, {})
    keep = {
        number
        for prompt in (settings.query_prompt, settings.passage_prompt, *options.prompt)
        for number in whole(prompt)["input_ids"]
    }
    try:
        made = cut_vocabulary(
            whole.backend_tokenizer, [text for some in texts.values() for text in some], options.size, keep=keep
        )
    except ValueError as error:
        raise SystemExit(str(error)) from None
    made.save(options.out)
    print(f"{len(made.rows):,} of {len(whole):,} tokens")
    print("language\ttokens a word, teacher\tcut\tunknown, teacher\tcut")
    for row in coverage(whole.backend_tokenizer, made, {name: some[:_SHOWN] for name, some in texts.items()}):
        print("\t".join(row))


if __name__ == "__main__":
    main()
