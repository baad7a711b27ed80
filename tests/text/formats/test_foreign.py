"""Indexes of other libraries are refused with what to do, and no pickle is opened."""

from __future__ import annotations

import ast
import os
import pickle
import textwrap
from pathlib import Path

import pytest

from typeahead.errors import SourceError
from typeahead.index import read_source


class Attack:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("attacked",)


@pytest.mark.parametrize("name", ["index", "my_store"])
@pytest.mark.parametrize("given", ["", ".faiss", ".pkl"])
def test_a_folder_of_langchain_is_refused_and_its_pickle_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / f"{name}.faiss").write_bytes(b"IxFI")
    (folder / f"{name}.pkl").write_bytes(pickle.dumps(Attack()))
    with pytest.raises(SourceError) as caught:
        read_source(folder / f"{name}{given}" if given else folder)
    message = str(caught.value)
    assert f"FAISS.load_local({str(folder)!r}, None, {name!r}, allow_dangerous" in message
    assert "--vectors-column vector" in message
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize(
    ("files", "library"),
    [
        (["docstore.json", "index_store.json"], "LlamaIndex"),
        (["chroma.sqlite3"], "Chroma"),
        (["index.faiss", "index.pkl"], "LangChain"),
    ],
)
def test_the_lines_that_export_are_python(tmp_path: Path, files: list[str], library: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(SourceError, match=library) as caught:
        read_source(tmp_path)
    lines = [line for line in str(caught.value).splitlines() if line.startswith("    ")]
    assert lines.pop().strip().startswith("typeahead index")
    assert "json.dumps" in ast.unparse(ast.parse(textwrap.dedent("\n".join(lines))))


@pytest.mark.parametrize("given", ["", "articles.lance"])
def test_a_folder_of_lancedb_is_refused_with_the_lines_that_export_the_table(tmp_path: Path, given: str) -> None:
    (tmp_path / "articles.lance" / "_versions").mkdir(parents=True)
    with pytest.raises(SourceError, match="LanceDB") as caught:
        read_source(tmp_path / given)
    lines = [line for line in str(caught.value).splitlines() if line.startswith("    ")]
    assert "typeahead index export.parquet --vectors-column vector" in lines.pop()
    exported = ast.unparse(ast.parse(textwrap.dedent("\n".join(lines))))
    assert f"lancedb.connect({str(tmp_path)!r}).open_table('articles').to_arrow()" in exported


def test_a_pickle_by_itself_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(Attack()))
    with pytest.raises(SourceError, match="--format"):
        read_source(tmp_path / "x.pkl")
