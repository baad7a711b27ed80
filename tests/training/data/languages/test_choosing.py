"""Which texts of a language are drawn."""

from __future__ import annotations

import pytest

from training.data.languages.choosing import clean, draw, phrases, usable
from training.data.languages.packages import Found


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Datei öffnen", "de"),
        ("открыть файл", "ru"),
        ("ファイルを開く", "ja"),
        ("东京", "zh"),
        ("파일 열기", "ko"),
        ("افتح الملف", "ar"),
        ("file", "de"),
        ("the end of the line", "en"),
    ],
)
def test_a_text_in_the_languages_script_is_usable(text: str, language: str) -> None:
    assert usable(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("a", "de"),
        ("open the file", "ru"),
        ("open the file", "ja"),
        ("If you open the file, it is read by the program and shown in the window.", "de"),
        ("东京天气预报与电子邮件系统设置", "ja"),
        ("/usr/share/doc and /etc/passwd", "en"),
        ("12 345 + 67", "fr"),
        ("word " * 100, "en"),
        ("siehe http", "de") and ("https://example.org", "de"),
    ],
)
def test_untranslated_texts_paths_and_numbers_are_not(text: str, language: str) -> None:
    assert not usable(text, language)


def test_a_text_of_many_paths_is_judged_at_once() -> None:
    assert not usable("/a" * 100 + "/" * 50 + "x" * 30, "en")


def test_cleaning_takes_marks_and_quotes_away() -> None:
    assert clean(" • “Save   the file.” ") == "Save the file"


def test_phrases_begin_and_end_with_content() -> None:
    found = [one for number in range(30) for one in phrases(f"the red file of the house {number}", "en", {"the", "of"})]
    assert found
    assert all(one.split()[0] not in ("the", "of") and one.split()[-1] not in ("the", "of") for one in found)


def test_japanese_phrases_are_runs_of_content_words() -> None:
    found = list(phrases("東京の天気をインターネットで調べる。", "ja", frozenset()))
    assert {"東京の天気", "インターネット"} & set(found)
    assert all(one in "東京の天気をインターネットで調べる" for one in found)


def some(count: int) -> list[Found]:
    words = "rot grün blau gelb weiß schwarz".split()
    names = [
        f"{first} {second} {chr(97 + number)}{'x' * (number % 7)}"
        for number in range(26)
        for first in words
        for second in words
    ]
    return [
        Found(("one", "two", "three")[at % 3], ("title", "message")[at % 2], name)
        for at, name in enumerate(names[:count])
    ]


def test_the_same_texts_are_drawn_in_the_same_order_from_any_order() -> None:
    drawn = draw(some(300), "de", 50, set())
    assert len(drawn) == 50
    assert draw(some(300)[::-1], "de", 50, set()) == drawn


def test_no_text_comes_twice_and_none_that_a_test_asks() -> None:
    texts = some(40)
    asked = {one.text.lower() for one in texts[:10]}
    drawn = [text.lower() for _, text in draw(texts + texts, "de", 100, asked)]
    assert len(drawn) == len(set(drawn)) == 30
    assert not asked & set(drawn)


def test_sources_and_kinds_take_turns() -> None:
    many = [Found("many", "title", one.text) for one in some(600)]
    few = [Found("few", "title", one.text + " anders") for one in some(20)]
    sources = [source for source, _ in draw(many + few, "de", 60, set())]
    assert sources.count("few") == 20
