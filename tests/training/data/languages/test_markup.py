"""Pages as titles, headings and paragraphs."""

from __future__ import annotations

import pytest

from training.data.languages.markup import Block, plain_heading, read_blocks, sentences


def test_a_page_is_its_titles_headings_and_paragraphs_in_order() -> None:
    page = "<html><head><title>Filter</title></head><body><h1>The <b>filter</b></h1><p>One.</p><p>Two &amp; three.</p>"
    assert read_blocks(page) == [
        Block("title", "Filter"),
        Block("heading", "The filter"),
        Block("text", "One."),
        Block("text", "Two & three."),
    ]


@pytest.mark.parametrize(
    "beside",
    [
        "<script>let a = '<p>';</script>",
        "<header><p>Help for 7.4</p></header>",
        '<div class="navheader"><div><p>Next</p></div><p>Back</p></div>',
        '<p class="wide relatedtopics">See also</p>',
        "<pre>ls -l</pre>",
        "<aside><input type='checkbox'><p>Contents</p></aside>",
    ],
)
def test_navigation_and_code_are_left_out(beside: str) -> None:
    assert read_blocks(f"<p>Before</p>{beside}<p>After</p>") == [Block("text", "Before"), Block("text", "After")]


def test_mallard_pages_have_no_credits() -> None:
    page = (
        '<page><info><link type="guide" xref="a"/><credit type="author"><name>Ann</name></credit>'
        "<desc>Ignore repeated keys.</desc></info><title>Bounce keys</title><p>Turn on <gui>Bounce</gui>.</p></page>"
    )
    assert read_blocks(page) == [
        Block("text", "Ignore repeated keys."),
        Block("title", "Bounce keys"),
        Block("text", "Turn on Bounce."),
    ]


@pytest.mark.parametrize(
    ("heading", "plain"),
    [("4.4. Zuschneiden", "Zuschneiden"), ("Kapitel 3. Paketverwaltung", "Paketverwaltung"), ("第 3 章 設定", "設定")],
)
def test_headings_lose_their_numbers(heading: str, plain: str) -> None:
    assert plain_heading(heading) == plain


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        ("Open the file. Then close it.", ["Open the file.", "Then close it."]),
        (
            "Öffnen Sie z. B. eine Datei. Danach ist sie offen.",
            ["Öffnen Sie z. B. eine Datei.", "Danach ist sie offen."],
        ),
        ("ファイルを開く。次に閉じる。", ["ファイルを開く。", "次に閉じる。"]),
        ("Откройте файл. Закройте его!", ["Откройте файл.", "Закройте его!"]),
        ("افتح الملف. ثم أغلقه.", ["افتح الملف.", "ثم أغلقه."]),
        ("see file.txt for more", ["see file.txt for more"]),
    ],
)
def test_paragraphs_fall_into_sentences(paragraph: str, expected: list[str]) -> None:
    assert list(sentences(paragraph)) == expected
