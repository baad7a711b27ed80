"""Markdown and text files become documents that can be found by any part of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from typeahead.errors import SourceError
from typeahead.index import BadLines, Document, read_source
from typeahead.text.notes import split

LONG = "word " * 150


def test_files_come_by_name_with_their_paths_as_ids(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "b" / "two.MD").write_bytes(b"\xef\xbb\xbf# Two\r\n\r\nsecond\r\n")
    (tmp_path / "a.txt").write_text("# first\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / ".hidden.md").write_text("hidden")
    (tmp_path / ".git" / "x.md").write_text("hidden")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [Document("a.txt", "a", "# first"), Document("b/two.MD", "Two", "second")] == list(read_source(tmp_path))


def test_one_file_is_a_source(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text")
    assert [Document("a.md", "a", "text")] == list(read_source(tmp_path / "a.md"))


def test_a_short_file_is_one_document_with_its_headings() -> None:
    assert [Document("a.md", "T", "x\n\nU\ny")] == split("a.md", "# T #\nx\n## U\ny\n", markdown=True)


def test_the_title_may_stand_in_front_matter() -> None:
    assert [Document("a.md", "T: t", "x")] == split("a.md", '---\ntitle: "T: t"\ntags: [a]\n---\nx', markdown=True)


def test_a_long_file_is_divided_at_its_headings() -> None:
    found = split("a.md", f"intro\n# T\n{LONG}\n## U\n```\n# no heading\n```\n{LONG}", markdown=True)
    assert [(doc.id, doc.title) for doc in found] == [("a.md#1", "T"), ("a.md#2", "T"), ("a.md#3", "T · U")]
    assert found[2].text.startswith("```\n# no heading\n```")


def test_a_heading_may_be_underlined() -> None:
    found = split("a.md", f"T\n===\n{LONG}\n\nU v\n---\n{LONG}", markdown=True)
    assert [(doc.title, doc.text.split()[0]) for doc in found] == [("T", "word"), ("T · U v", "word")]


@pytest.mark.parametrize(
    "text",
    [
        "\n\n---",
        "x\ny\n---",
        "- x\n---",
        "> x\n---",
        "| a |\n---",
        "1. x\n---",
        "```\nx\n\n```\n---",
        "    x\n---",
        "x\n-- -",
    ],
)
def test_a_line_of_dashes_that_underlines_no_heading_is_text(text: str) -> None:
    (document,) = split("a.md", text, markdown=True)
    assert document.title == "a"
    assert document.text == text.strip()


def test_a_long_section_is_divided_at_its_paragraphs_and_a_long_paragraph_between_words() -> None:
    found = split("a.txt", f"{LONG}\n\n{LONG}\n\n{LONG * 3}\n\nend", markdown=False)
    assert [len(doc.text.split()) for doc in found] == [150, 150, 200, 200, 50, 1]


def test_no_word_is_lost() -> None:
    text = "".join(f"# H{i}\n" + f"w{i} " * (i * 37 % 450) + "\n\n" for i in range(30))
    words = [word for doc in split("a.md", text, markdown=True) for word in doc.text.split()]
    assert [word for word in text.split() if word[0] == "w"] == words


@pytest.mark.parametrize(("content", "message"), [(b"a\xffb", "UTF-8"), (b"line\na\0b", ":2: holds a NUL")])
def test_a_file_that_is_no_text_is_named_or_counted(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "bad.md").write_bytes(content)
    (tmp_path / "good.md").write_text("x")
    with pytest.raises(SourceError, match=message) as caught:
        list(read_source(tmp_path))
    assert caught.value.path == tmp_path / "bad.md"
    bad = BadLines()
    assert [doc.id for doc in read_source(tmp_path, bad=bad)] == ["good.md"]
    assert bad.count == 1


def test_a_folder_without_notes_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    assert list(read_source(tmp_path, notice=told.append)) == []
    assert told == [f"{tmp_path}: holds no .md or .txt files"]


def test_an_empty_file_is_a_document_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "empty.md").write_text("")
    assert [Document("empty.md", "empty", "")] == list(read_source(tmp_path))
