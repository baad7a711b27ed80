"""Development data of a few tiny pages: documents, queries with answers, and what is typed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks import development_data
from benchmarks.development_corpus import LONGEST, Corpus, read_corpus, split_of, words
from benchmarks.development_queries import judged_queries
from benchmarks.development_typing import half_words, misspelt, names, nonsense, postings, rare_words
from typeahead.errors import SourceError

LOCKS = """<p>Transactions lock rows before they change them, so that no update is lost.</p>
<h2 id=deadlock>Two sessions that wait</h2><p>Each of the sessions waits for the other, and the server ends one.</p>
<h2 id=far>A very long part</h2>""" + "".join(f"<p id=p{row}>{'filler ' * 20}</p>" for row in range(40))
INDEXES = """<p>An index finds rows fast. A small one covers only some of the rows
(see <a href="locks.html">Section 7.1</a>). Writers can end up in a
<a href="locks.html#deadlock">mutual deadlock</a> whenever two of them touch the same index pages.</p>
<p>More about <a href="locks.html">locks</a>, <a href="locks.html#p39">far text</a> and
<a href="https://example.org/x.html">the web at large</a>.</p>"""
COMMIT = """<h1>git-commit(1) Manual Page</h1><h2>NAME</h2><p>git-commit - record changes to the repository</p>
<h2 id=_options>OPTIONS</h2><p>With --amend the tip of the branch is replaced by a new one.</p>
<h2>SEE ALSO</h2><p><a href="git-add.html">git-add(1)</a> and many other commands of this suite</p>"""


def page(folder: Path, name: str, title: str, body: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"<html><head><title>{title}</title></head><body>{body}</body></html>")


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    postgresql, git = (tmp_path / "usr/share/doc" / name for name in ("postgresql-doc-15/html", "git-doc"))
    page(postgresql, "locks.html", "7.1. Explicit Locks", LOCKS)
    page(postgresql, "indexes.html", "8.2. Partial Indexes", INDEXES)
    page(postgresql, "bookindex.html", "Index", "<p>A list of all the words of the whole book</p>")
    page(git, "git-commit.html", "git-commit(1)", COMMIT)
    return tmp_path


@pytest.fixture
def corpus(packages: Path) -> Corpus:
    return read_corpus(packages)


def test_documents_are_sections_with_their_page_in_the_id(corpus: Corpus) -> None:
    assert {entry.id: entry.title for entry in corpus} == {
        "postgresql/indexes#": "Partial Indexes",
        "postgresql/locks#": "Explicit Locks",
        "postgresql/locks#deadlock": "Two sessions that wait",
        "postgresql/locks#far": "A very long part",
        "git/git-commit#": "git-commit",
        "git/git-commit#_options": "git-commit: OPTIONS",
    }
    assert max(len(entry.text) for entry in corpus) == LONGEST


def test_headings_of_several_sections_carry_the_title_of_their_page(packages: Path) -> None:
    folder = packages / "usr/share/doc/postgresql-doc-15/html"
    body = "<p>A text of thirty code points or more.</p><h2>Parameters</h2><p>A parameter of statement number "
    for name in ("one", "two"):
        page(folder, f"{name}.html", name, f"{body}{name}</p>")
    found = [entry.title for entry in read_corpus(packages) if "Parameters" in entry.title]
    assert found == ["one: Parameters", "two: Parameters"]


def test_a_copy_of_a_text_is_no_document_and_links_to_it_lead_to_the_first(packages: Path) -> None:
    page(packages / "usr/share/doc/git-doc", "git-copy.html", "git-copy(1)", COMMIT)
    corpus = read_corpus(packages)
    assert not any("git-copy" in entry.id for entry in corpus)
    assert corpus.targets["git/git-copy#_options"] == "git/git-commit#_options"


def test_a_link_text_that_is_no_part_of_the_title_is_a_query(corpus: Corpus) -> None:
    (query,) = (query for query in judged_queries(corpus) if query.kind == "link")
    assert query.text == "mutual deadlock"
    assert (query.relevant, query.exclude) == ({"postgresql/locks#deadlock"}, {"postgresql/indexes#"})


def test_a_sentence_with_a_link_is_a_query_without_its_asides(corpus: Corpus) -> None:
    found = {query.text: query.relevant for query in judged_queries(corpus) if query.kind == "sentence"}
    assert found == {
        "A small one covers only some of the rows": {"postgresql/locks#"},
        "Writers can end up in a mutual deadlock whenever two of them touch the same index pages": {
            "postgresql/locks#deadlock"
        },
    }


def test_a_heading_of_three_words_is_a_query(corpus: Corpus) -> None:
    found = [query.text for query in judged_queries(corpus) if query.kind == "heading"]
    assert found == ["Two sessions that wait", "A very long part"]


def test_at_most_so_many_queries_of_a_kind_are_drawn(corpus: Corpus) -> None:
    drawn = judged_queries(corpus, most=1, seed=3)
    assert [query.kind for query in drawn] == ["link", "sentence", "heading"]
    assert drawn == judged_queries(corpus, most=1, seed=3)


def test_a_page_that_everything_refers_to_answers_ten_queries(packages: Path) -> None:
    links = "".join(f"<p><a href=locks.html>kind of lock {row}</a></p>" for row in range(30))
    page(packages / "usr/share/doc/postgresql-doc-15/html", "many.html", "Many", links)
    assert sum(query.text.startswith("kind of") for query in judged_queries(read_corpus(packages))) == 10


@pytest.mark.parametrize("slip", ["swap", "deletion"])
def test_a_slip_spares_short_words_and_first_letters(slip: str) -> None:
    for seed in range(50):
        text = misspelt("an index of it", slip, random.Random(seed)) or ""
        assert text != "an index of it"
        assert text.startswith("an i")
        assert text.endswith(" of it")
        assert len(text) == 14 - (slip == "deletion")
    assert misspelt("an in of", slip, random.Random(0)) is None


def test_names_are_titles_of_one_document(packages: Path) -> None:
    folder = packages / "usr/share/doc/git-doc"
    for name in ("a", "b"):
        page(folder, f"{name}.html", "Shared title", f"<p>A text of thirty code points or more: {name}.</p>")
    made = {record["text"]: record for record in names(read_corpus(packages))}
    assert "Explicit Locks" in made
    assert "Shared title" not in made
    assert "git-commit: OPTIONS" not in made
    typed = made["Explicit Locks"]["typed"]
    assert [typed[share] for share in ("30", "50", "70", "85")] == ["Expli", "Explici", "Explicit L", "Explicit Loc"]


def test_a_rare_word_is_in_its_document_alone(corpus: Corpus) -> None:
    made = rare_words(corpus, postings(corpus))
    texts = {entry.id: words(f"{entry.title} {entry.text}") for entry in corpus}
    assert {"amend", "covers"} <= {record["text"] for record in made}
    for record in made:
        assert [id for id, text in texts.items() if record["text"] in text] == [record["id"]]


def test_a_half_word_names_the_documents_with_a_word_that_begins_so(corpus: Corpus) -> None:
    made = {record["text"]: record for record in half_words(corpus, postings(corpus))}
    assert made["sessi"]["word"] == "sessions"
    assert made["sessi"]["ids"] == ["postgresql/locks#deadlock"]


def test_no_word_of_the_corpus_begins_with_nonsense(corpus: Corpus) -> None:
    held = postings(corpus)
    made = nonsense(held, most=20)
    assert len(made) == 40
    for record in made:
        assert not any(word.startswith(part) for part in record["text"].split() for word in held)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_command_writes_a_collection_whose_halves_share_no_page(packages: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    development_data.main([str(packages), "--out", str(out), "--json", str(tmp_path / "counts.json")])
    documents = {record["_id"]: record["metadata"]["split"] for record in lines(out / "corpus.jsonl")}
    assert all(split == split_of(id.partition("#")[0]) for id, split in documents.items())
    queries = {record["_id"]: record["split"] for record in lines(out / "queries.jsonl")}
    judged = {name: (out / "qrels" / f"{name}.tsv").read_text().splitlines() for name in ("test", "dev-a", "dev-b")}
    assert {line.split("\t")[0] for line in judged["test"][1:]} == set(queries)
    assert sorted(judged["dev-a"][1:] + judged["dev-b"][1:]) == sorted(judged["test"][1:])
    for split in ("dev-a", "dev-b"):
        assert all(documents[line.split("\t")[1]] == split for line in judged[split][1:])
    counts = {
        row["what"]: row["dev-a"] + row["dev-b"] for row in json.loads((tmp_path / "counts.json").read_text())["rows"]
    }
    for name in ("names", "rare", "half", "nonsense"):
        assert len(lines(out / f"{name}.jsonl")) == counts[name] > 0


def test_a_folder_without_packages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no \.deb file"):
        development_data.main([str(tmp_path), "--out", str(tmp_path / "out")])
    (tmp_path / "usr").mkdir()
    with pytest.raises(SourceError, match="no page of the four packages"):
        development_data.main([str(tmp_path), "--out", str(tmp_path / "out")])
