"""Pages as the four kinds of generators write them, cut into sections."""

from __future__ import annotations

import pytest

from benchmarks.html_sections import Section, clean_title, read_sections


def sections(body: str, title: str = "A page") -> list[Section]:
    return read_sections(f"<html><head><title>{title}</title></head><body id=all>{body}</body></html>".encode())


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("15.2.3. Parallel\n Joins¶", "Parallel Joins"),
        ("Chapter 9. Functions and Operators", "Functions and Operators"),
        ("F.12. dict_int", "dict_int"),
        ("Managers — Django 3.2.25 documentation", "Managers"),
        ("git-commit(1) Manual Page", "git-commit"),
        ("work_mem (integer)", "work_mem"),
        ("(523) SQLITE_CORRUPT", "SQLITE_CORRUPT"),
        ("Django 3.2.1 release notes", "Django 3.2.1 release notes"),
        ("What’s new in 3.2", "What’s new in 3.2"),
    ],
)
def test_a_title_loses_its_number_and_the_name_of_the_site(text: str, clean: str) -> None:
    assert clean_title(text) == clean


def test_a_long_title_is_cut_between_words() -> None:
    assert clean_title("word " * 40) == " ".join(["word"] * 20)


def test_a_section_has_its_own_text_and_not_that_of_its_subsections() -> None:
    page, outer, inner = sections("<p>Lead.</p><div><h2>Outer</h2><p>One</p><div><h3>Inner</h3><p>Two</p></div></div>")
    assert (page.title, page.text) == ("A page", "Lead.")
    assert (outer.title, outer.text) == ("Outer", "One")
    assert (inner.title, inner.text) == ("Inner", "Two")


def test_a_page_that_begins_with_a_heading_keeps_its_own_title() -> None:
    page, other = sections("<h1 id=overview>Overview</h1><p>One</p><h1 id=more>More</h1><p>Two</p>")
    assert (page.title, page.text, page.anchors) == ("A page", "One", {"": 0, "overview": 0})
    assert (other.title, other.text, other.anchors) == ("More", "Two", {"more": 0})


def test_name_synopsis_and_description_of_a_command_belong_to_its_page() -> None:
    page, options = sections("<h2>NAME</h2><p>a - b</p><h2>Description</h2><p>It does.</p><h2>OPTIONS</h2><p>-a</p>")
    assert page.text == "a - b\nIt does."
    assert options.title == "OPTIONS"


@pytest.mark.parametrize(
    "furniture",
    [
        "<script>var x</script>",
        "<div class='navheader'>Prev Next</div>",
        "<div class='menu nosearch'>Home</div>",
        "<div id=hd><h1>Django documentation</h1></div>",
        "<a class=headerlink href='#x'>¶</a>",
    ],
)
def test_furniture_is_left_out(furniture: str) -> None:
    (page,) = sections(f"{furniture}<p>Text</p>{furniture}")
    assert page.text == "Text"


def test_an_anchor_leads_to_the_text_behind_it() -> None:
    page, section = sections(
        "<p>One</p><a name=a></a><p>Two <a name=b></a>three</p><a name=c></a><h2>Next</h2><p>x</p>"
    )
    assert page.anchors == {"": 0, "a": 1, "b": 1}
    assert section.anchors == {"c": 0}


def test_an_anchor_between_loose_text_and_a_heading_leads_to_the_heading() -> None:
    page, section = sections("loose text\n<a name=c></a>\n<h2>Next</h2><p>x</p>")
    assert "c" not in page.anchors
    assert "c" in section.anchors


def test_a_box_opens_no_section() -> None:
    (page,) = sections("<p>One</p><div class=note><h3>Note</h3><p>Two</p></div>")
    assert page.text == "One\nTwo"


def test_a_defined_term_with_an_anchor_is_a_section_until_its_list_ends() -> None:
    page, term = sections("<p>One</p><dl><dt id=t>work_mem (integer)</dt><dd>Memory.</dd></dl><p>Two</p>")
    assert page.text == "One\nTwo"
    assert (term.title, term.text, term.anchors) == ("work_mem", "work_mem (integer)\nMemory.", {"t": 0})


def test_terms_of_one_definition_share_a_section() -> None:
    _, term = sections("<p>One</p><dl><dt id=a>-a</dt><dt id=b>--all</dt><dd>All.</dd></dl>")
    assert (term.title, term.text, list(term.anchors)) == ("-a", "-a\n--all\nAll.", ["a", "b"])


def test_a_term_without_an_anchor_is_text_of_the_section_around_it() -> None:
    page, term = sections("<p>One</p><dl><dt id=a>a</dt><dd>First.</dd><dt>b</dt><dd>Second.</dd></dl>")
    assert term.text == "a\nFirst."
    assert page.text == "One\nb\nSecond."


def test_a_python_object_is_named_by_its_anchor() -> None:
    dt = "<dt class='sig sig-object py' id='pkg.models.QuerySet.filter'><code>filter</code>(**kwargs)</dt>"
    _, term = sections(f"<p>One</p><dl>{dt}<dd>Filters.</dd></dl>")
    assert (term.title, term.blocks[0]) == ("QuerySet.filter", "filter(**kwargs)")


def test_a_bold_paragraph_with_an_anchor_is_a_heading() -> None:
    _, option = sections("<p>One</p><a name=omit></a><p><b>OMIT_VIEW</b></p><p>No views.</p><p><b>Bold</b></p>")
    assert (option.title, option.text, list(option.anchors)) == ("OMIT_VIEW", "No views.\nBold", ["omit"])


def test_a_link_knows_its_place_in_its_block() -> None:
    (page,) = sections("<p>One</p><p>  See\n the <a href='x.html#y'>other\n <b>page</b></a>.</p>")
    ((link, text),) = page.anchor_texts()
    assert (link.block, link.href, text) == (1, "x.html#y", "other page")
    assert page.blocks[1] == "See the other page."


def test_a_line_break_parts_words() -> None:
    page, term = sections("<p>One<br>Two</p><dl><dt id=a>if<br>else</dt><dd>Branches.</dd></dl>")
    assert (page.text, term.title) == ("One Two", "if else")


def test_a_page_without_a_title_takes_its_first_heading() -> None:
    page, *_ = sections("<h1>1. Reftable</h1><p>One</p>", title="")
    assert page.title == "Reftable"
