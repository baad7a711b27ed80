"""Folders of documentation become documents, one a page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from typeahead.errors import SourceError
from typeahead.index import BadLines, Document, FieldChoice, Skipped, read_source
from typeahead.text.document import Heading
from typeahead.text.notes import Pages


def test_files_come_by_name_with_their_paths_as_ids(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "b" / "two.MD").write_bytes(b"\xef\xbb\xbf# Two\r\n\r\nsecond\r\n")
    (tmp_path / "a.txt").write_text("# first\n")
    (tmp_path / "c.rst").write_text("Three\n=====\n\nthird\n")
    (tmp_path / "d.html").write_text("<h1>Four</h1>fourth")
    (tmp_path / "e.mdx").write_text("# Five\n\n<Fifth />fifth\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / ".hidden.md").write_text("hidden")
    (tmp_path / ".git" / "x.md").write_text("hidden")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [
        Document("a.txt", "a", "# first"),
        Document("c.rst", "Three", "third"),
        Document("d.html", "Four", "fourth"),
        Document("e.mdx", "Five", "fifth"),
        Document("b/two.MD", "Two", "second"),
    ] == list(read_source(tmp_path))


@pytest.mark.parametrize("name", ["a.md", "a.markdown", "a.mdx", "a.rst", "a.html", "a.HTM", "a.txt"])
def test_one_file_is_a_source(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("text")
    assert [Document(name, "a", "text")] == list(read_source(tmp_path / name))


def test_headings_and_fields_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ntags: [x]\n---\n# T\n\n## One two\ntext\n")
    (document,) = read_source(tmp_path)
    assert document.text == "One two\ntext"
    assert document.fields == {"tags": ["x"]}
    assert document.headings == (Heading(0, 2, "One two", "one-two"),)


def test_pages_have_urls_by_a_base_and_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.md").write_text("x")
    (tmp_path / "a" / "index.md").write_text("x")
    pages = Pages("https://x.org/docs", "{stem}/")
    assert [one.url for one in read_source(tmp_path, pages=pages)] == [
        "https://x.org/docs/a/b/",
        "https://x.org/docs/a/",
    ]


def test_drafts_are_left_out_and_counted_unless_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ndraft: true\n---\nx")
    (tmp_path / "b.md").write_text("---\npublished: false\n---\nx")
    (tmp_path / "c.md").write_text("x")
    skipped = Skipped()
    assert [one.id for one in read_source(tmp_path, skipped=skipped)] == ["c.md"]
    assert str(skipped) == "2 drafts (a.md, b.md)"
    assert len(list(read_source(tmp_path, pages=Pages(drafts=True)))) == 3


def test_what_generators_add_is_left_out_and_counted_by_kind(tmp_path: Path) -> None:
    for name in ("_sources/a.rst", "_static/b.html", "genindex.html", "search.html", "404.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "a.html").write_text("<p>x")
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "moved.html").write_text("<meta http-equiv=refresh content='0; url=a.html'>")
    skipped = Skipped()
    assert [one.id for one in read_source(tmp_path, skipped=skipped)] == ["a.html"]
    assert skipped.counts() == {
        "folder of generated files": 2,
        "generated page": 3,
        "source of an HTML page": 1,
        "page without text": 1,
    }


def test_the_name_of_the_site_is_taken_off_the_titles(tmp_path: Path) -> None:
    for name in ("One", "Two - a", "Three", "Four"):
        (tmp_path / f"{name}.html").write_text(f"<title>{name} — My Site 1.0</title><p>x")
    (tmp_path / "other.html").write_text("<title>Other</title><p>x")
    assert [one.title for one in read_source(tmp_path)] == ["Four", "One", "Three", "Two - a", "Other"]


def test_titles_that_end_differently_stay_whole(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.html").write_text(f"<title>x - {name}</title><p>x")
    assert [one.title for one in read_source(tmp_path)] == ["x - a", "x - b", "x - c"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bad.md", b"a\xffb", "UTF-8"),
        ("bad.html", b"line\na\0b", ":2: holds a NUL"),
        ("bad.md", b"---\na: [\n---\nx", "the front matter is not YAML"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_or_counted(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.md").write_text("x")
    with pytest.raises(SourceError, match=message) as caught:
        list(read_source(tmp_path))
    assert caught.value.path == tmp_path / name
    bad = BadLines()
    assert [doc.id for doc in read_source(tmp_path, bad=bad)] == ["good.md"]
    assert bad.count == 1


def test_only_notes_are_read_on_request(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x")
    (tmp_path / "b.jsonl").write_text('{"id": 1, "text": "x"}\n')
    skipped = Skipped()
    assert [one.id for one in read_source(tmp_path, kind="notes", skipped=skipped)] == ["a.md"]
    assert str(skipped) == "1 file of another format (b.jsonl)"
    assert [one.id for one in read_source(tmp_path)] == ["a.md", "1"]


def test_fields_of_front_matter_are_chosen_and_of_one_kind(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\nversion: 1.5\ntags: [x]\n---\nx")
    (tmp_path / "b.md").write_text("---\nversion: 1.5.1\n---\nx")
    with pytest.raises(
        SourceError, match=r"b\.md.*'version' holds text.*number since a\.md.*--field-type version=text"
    ):
        list(read_source(tmp_path))
    bad = BadLines()
    assert [one.id for one in read_source(tmp_path, bad=bad)] == ["a.md"]
    assert bad.count == 1
    as_text = FieldChoice(kinds={"version": "text"})
    assert [one.fields["version"] for one in read_source(tmp_path, choice=as_text)] == ["1.5", "1.5.1"]
    assert [one.fields for one in read_source(tmp_path, choice=FieldChoice(["tags"]))] == [{"tags": ["x"]}, {}]
    assert [one.fields for one in read_source(tmp_path, choice=FieldChoice("none"))] == [{}, {}]


def test_html_is_read_in_the_encoding_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes("<meta charset=iso-8859-2><p>łódź".encode("iso-8859-2"))
    (tmp_path / "b.html").write_bytes("<meta charset=iso-8859-2><p>łódź".encode())
    assert [one.text for one in read_source(tmp_path, notice=lambda _: None)] == ["łódź", "łódź"]


def test_a_folder_without_files_that_can_be_read_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    assert list(read_source(tmp_path, notice=told.append)) == []
    assert told == [f"{tmp_path}: holds no files in a format that is to be read"]


def test_an_empty_file_is_a_document_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "empty.md").write_text("")
    assert [Document("empty.md", "empty", "")] == list(read_source(tmp_path))


def test_a_missing_library_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x")
    script = (
        "import sys; sys.modules['markdown_it'] = None\n"
        "from pathlib import Path; from typeahead.index import read_source\n"
        f"list(read_source(Path({str(tmp_path)!r})))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert "MissingExtra: markdown-it-py is not installed: pip install" in done.stderr
    assert "[markup]" in done.stderr


def test_text_alone_needs_no_library(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    script = (
        "import sys\n"
        "for name in ('markdown_it', 'docutils', 'selectolax', 'yaml'): sys.modules[name] = None\n"
        "from pathlib import Path; from typeahead.index import read_source\n"
        f"print(len(list(read_source(Path({str(tmp_path)!r})))))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout == "1\n"
