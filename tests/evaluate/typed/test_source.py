"""Sources: documents of an index, a folder or a file, and judgements that belong to them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.evaluate.layouts import write_beir
from tests.server.fakes import MeanEncoder
from typeahead.errors import SourceError
from typeahead.evaluate.typed.source import open_source
from typeahead.index import build_index
from typeahead.text.document import Document

DOCUMENTS = [Document("a", "One", "The first."), Document("b", "Two", "The second.")]


def write_jsonl(path: Path, documents: Sequence[Document] = DOCUMENTS) -> Path:
    lines = [json.dumps({"id": one.id, "title": one.title, "text": one.text}) for one in documents]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_a_file_and_an_index_give_the_same_documents(tmp_path: Path) -> None:
    build_index(DOCUMENTS, tmp_path / "index", MeanEncoder())
    file, index = open_source(write_jsonl(tmp_path / "d.jsonl")), open_source(tmp_path / "index")
    assert file.documents == index.documents == DOCUMENTS
    assert (file.index, index.index) == (None, tmp_path / "index")
    assert file.judged is None


def test_a_folder_with_judgements_has_judged_queries(tmp_path: Path) -> None:
    source = open_source(write_beir(tmp_path / "tiny"))
    assert source.judged is not None
    assert len(source.judged.queries) == 2


def test_a_folder_without_judgements_of_the_split_says_so(tmp_path: Path) -> None:
    source = open_source(write_beir(tmp_path / "tiny"), split="dev")
    assert source.judged is None
    assert "no judgements of split dev" in source.warnings[0]


def test_judgements_of_other_documents_are_refused_and_of_some_are_counted(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "d.jsonl")
    other = write_beir(tmp_path / "other")
    with pytest.raises(SourceError, match="holds none of the passages"):
        open_source(path, judgements=other)
    passages = {"a": "One", "c": "Three"}
    some = write_beir(tmp_path / "some", passages, {"q": "one"}, {"q": {"a": 1, "c": 1}})
    source = open_source(path, judgements=some)
    assert "lacks 1 of 2 judged passages" in source.warnings[0]


def test_a_source_without_documents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nothing to type"):
        open_source(write_jsonl(tmp_path / "d.jsonl", []))


def test_documents_are_passages_of_title_and_text(tmp_path: Path) -> None:
    dataset = open_source(write_jsonl(tmp_path / "d.jsonl")).dataset()
    assert [(one.id, one.text) for one in dataset.passages()] == [("a", "One The first."), ("b", "Two The second.")]
