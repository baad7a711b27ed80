"""Training texts in many languages, and a test across them, from extracted packages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.data.languages import packages
from training.commands import languages
from training.data import read_examples
from training.data.languages.help_pages import split_of

NAMES = [f"guide/page{number}" for number in range(60)]
WORDS = {
    "en": ("Filter", "The filter number {} shows the rows that you need. Choose it in the menu of the table."),
    "de": ("Filtern", "Der Filter Nummer {} zeigt nur gesuchte Zeilen. Wählen Sie ihn im Menü der Tabelle."),
    "ja": (
        "フィルター",
        "第{}番のフィルターは必要な行を表示します。表のメニューから選んでください。よく使われる機能です。",
    ),
}
FOLDERS = {"en": "en-US", "de": "de", "ja": "ja"}


def letters(number: int) -> str:
    return "abcdefghij"[number // 10] + "abcdefghij"[number % 10]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packages")
    for code, (title, text) in WORDS.items():
        help_folder = root / "usr/share/libreoffice/help" / FOLDERS[code] / "text"
        for number, name in enumerate(NAMES):
            # The last page is not translated.
            own, said = WORDS["en"] if number == 59 else (title, text)
            page = f"<h1>{own} {letters(number)}</h1><p>{said.format(letters(number))}</p>"
            packages.written(help_folder / f"{name}.html", page)
        packages.written(root / "words" / f"{code}.txt", "of\nHaus\nGarten\n東京\n")
    share = root / "usr/share"
    packages.zipped(share / "man/de/man1/ls.1.gz", packages.MANUAL)
    packages.zipped(share / "dictd/freedict-deu-eng.dict.dz", packages.DICTIONARY)
    packages.written(root / "translations/Translation-de", packages.DESCRIPTIONS)
    packages.written(share / "games/fortunes/de", packages.FORTUNES)
    packages.written(share / "mythes/th_de_DE_v2.dat", packages.THESAURUS)
    messages = share / "locale/de/LC_MESSAGES/a.mo"
    messages.parent.mkdir(parents=True)
    messages.write_bytes(packages.catalogue({"Open file": "Datei öffnen", "Same": "Same"}))
    return root


@pytest.fixture(scope="module")
def out(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    more = packages.written(out / "more.tsv", "asked/web\thow tall is the tower\nasked/web\twho wrote the book\n")
    languages.main([str(root), str(out), "--languages", "en", "de", "ja", "--english", f"{more}:1"])
    return out


def judged(folder: Path, split: str) -> dict[str, str]:
    lines = (folder / "qrels" / f"{split}.tsv").read_text().splitlines()[1:]
    return dict(line.split("\t")[:2] for line in lines)


def records(path: Path) -> dict[str, str]:
    return {record["_id"]: record["text"] for record in map(json.loads, path.read_text().splitlines())}


def test_texts_of_all_formats_come_with_source_and_language(out: Path) -> None:
    found = {(one.source, one.text.lower()) for one in read_examples(out / "texts.tsv")}
    assert {
        ("manpages/de", "verzeichnisinhalte auflisten"),
        ("freedict/de", "abfall"),
        ("freedict/en", "rubbish"),
        ("package-descriptions/de", "ein werkzeug"),
        ("fortunes/de", "noch eines"),
        ("thesauri/de", "gebäude"),
        ("wordfreq/ja", "東京"),
        ("messages/de", "datei öffnen"),
        ("messages/en", "open file"),
    } <= found
    assert ("messages/de", "same") not in found
    assert sum(source == "asked/web" for source, _ in found) == 1


def test_the_counts_are_those_of_the_texts(out: Path) -> None:
    counts = dict(line.split("\t") for line in (out / "counts.tsv").read_text().splitlines())
    assert sum(map(int, counts.values())) == len(list(read_examples(out / "texts.tsv")))


def test_no_training_text_is_a_query_or_a_sentence_of_a_judged_page(out: Path) -> None:
    texts = {one.text.lower() for one in read_examples(out / "texts.tsv")}
    for split in ("dev", "test"):
        for folder in (out / "help" / split).iterdir():
            held = {*records(folder / "queries.jsonl").values(), *records(folder / "corpus.jsonl").values()}
            assert held
            assert not {text.lower().rstrip(".。") for text in held} & texts


def test_a_query_finds_the_page_of_its_name_in_every_language(out: Path) -> None:
    folder = out / "help/test/ja"
    queries, pages = records(folder / "queries.jsonl"), records(folder / "corpus.jsonl")
    same, german, other = judged(folder, "same"), judged(folder, "de"), judged(folder, "other")
    assert same == judged(folder, "ja")
    assert (
        set(pages) == set(same.values()) == set(german.values()) <= {name for name in NAMES if split_of(name) == "test"}
    )
    assert other == german | judged(folder, "en")
    number, name = next(iter(german.items()))
    assert queries[number] == f"Filtern {letters(NAMES.index(name))}"
    assert pages[name].startswith(f"第{letters(NAMES.index(name))}番")


def test_a_page_that_is_not_translated_is_left_out(out: Path) -> None:
    place = out / "help" / split_of(NAMES[59]) / "de"
    for split in ("dev", "test"):
        assert NAMES[59] not in records(out / "help" / split / "de" / "corpus.jsonl"), place


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is no folder: extract packages into it"):
        languages.main([str(tmp_path / "none"), str(tmp_path / "out")])
