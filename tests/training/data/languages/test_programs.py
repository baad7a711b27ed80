"""The formats of program packages."""

from __future__ import annotations

from pathlib import Path

from tests.training.data.languages import packages
from training.data.languages.markup import Block
from training.data.languages.programs import (
    read_descriptions,
    read_dictionary,
    read_fortunes,
    read_manual,
    read_messages,
    read_thesaurus,
)


def test_messages_lose_shortcuts_and_contexts_and_need_no_placeholders(tmp_path: Path) -> None:
    path = tmp_path / "a.mo"
    path.write_bytes(
        packages.catalogue(
            {
                "": "Content-Type: text/plain",
                "&Open...": "Ö&ffnen...",
                "menu\x04_Close": "_Schließen",
                "%d files": "%d Dateien",
                "one file\0many": "eine Datei\0viele",
                "Save (&S)": "保存(&S)",
            }
        )
    )
    assert dict(read_messages(path)) == {
        "Open": "Öffnen",
        "Close": "Schließen",
        "one file": "eine Datei",
        "Save": "保存",
    }


def test_a_file_that_is_no_catalogue_has_no_messages(tmp_path: Path) -> None:
    path = tmp_path / "a.mo"
    path.write_bytes(b"short")
    assert list(read_messages(path)) == []


def test_a_manual_page_is_its_description_headings_and_paragraphs(tmp_path: Path) -> None:
    assert list(read_manual(packages.zipped(tmp_path / "ls.1.gz", packages.MANUAL))) == [
        Block("title", "Verzeichnisinhalte auflisten"),
        Block("text", "Informationen zu den Dateien auflisten."),
        Block("heading", "Weitere Angaben"),
        Block("text", "Der Rest steht hier."),
    ]


def test_a_dictionary_has_headwords_and_translations(tmp_path: Path) -> None:
    found = list(read_dictionary(packages.zipped(tmp_path / "a.dict.dz", packages.DICTIONARY)))
    assert [text for side, text in found if side == "from"] == ["Abfall", "abfallen"]
    assert [text for side, text in found if side == "to"] == ["waste", "rubbish", "scrap", "to slope down"]


def test_descriptions_are_titles_and_paragraphs_without_lists(tmp_path: Path) -> None:
    path = packages.written(tmp_path / "Translation-de", packages.DESCRIPTIONS)
    assert list(read_descriptions(path)) == [
        Block("title", "Echtzeit-Strategiespiel der Antike"),
        Block("text", "0 A.D. ist ein freies Spiel für viele Systeme."),
        Block("text", "Zweiter Absatz."),
        Block("title", "Ein Werkzeug"),
    ]


def test_fortunes_lose_their_authors(tmp_path: Path) -> None:
    found = list(read_fortunes(packages.written(tmp_path / "de", packages.FORTUNES)))
    assert [text for text in found if text] == ["Ein Sprichwort von gestern.", "Noch eines."]


def test_a_thesaurus_has_words_and_their_synonyms(tmp_path: Path) -> None:
    assert list(read_thesaurus(packages.written(tmp_path / "a.dat", packages.THESAURUS))) == ["Haus", "Gebäude", "Bau"]
    latin = tmp_path / "b.dat"
    latin.write_bytes("ISO8859-2\nksiążka|1\n-|tom\n".encode("iso8859-2"))
    assert list(read_thesaurus(latin)) == ["książka", "tom"]
