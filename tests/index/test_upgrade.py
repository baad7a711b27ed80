"""The index of an earlier release is upgraded in place: its vectors stay, its words are indexed anew."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from tests.index.hashing import HashingEncoder, documents
from typeahead.cli import main
from typeahead.errors import IndexCorrupt, IndexTooOld
from typeahead.index import build_index, open_index, upgrade_index
from typeahead.index.manifest import Manifest
from typeahead.search.terms import Term, forms
from typeahead.storage.sealed import seal
from typeahead.verify import verify_folder

WORDS = """
CREATE VIRTUAL TABLE words USING fts5(title, text, content='documents', content_rowid='row',
    prefix='2 3 4', tokenize='unicode61 remove_diacritics 2');
INSERT INTO words(words) VALUES('rebuild');
"""
TEXTS = """
CREATE TABLE documents(
    row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, text TEXT NOT NULL, url TEXT NOT NULL);
"""
#: What releases before formats 3 and 4 did not write.
LATER = {1: ["words*", "forms.safetensors", "fields.safetensors"], 3: ["fields.safetensors"]}


def as_of(folder: Path, version: int) -> Path:
    """Make an index of the present format one of format 1, 2 or 3."""
    generation = folder / "generation-1"
    with open_index(folder) as index:
        rows = [
            (row, one.id, one.title, one.text, one.url) for row, one in enumerate(index.documents(range(len(index))))
        ]
    (generation / "documents.sqlite").unlink()
    connection = sqlite3.connect(generation / "documents.sqlite")
    connection.executescript(TEXTS)
    connection.executemany("INSERT INTO documents VALUES(?, ?, ?, ?, ?)", rows)
    if version < 3:
        connection.executescript(WORDS)
    connection.commit()
    connection.close()
    for pattern in LATER[1 if version < 3 else 3]:
        for path in generation.glob(pattern):
            path.unlink()
    data = json.loads((folder / "manifest.json").read_text())
    for name in ("passages", "version", "sequence", "encoder", "passage_limit"):
        del data[name]
    data["format_version"] = version
    data["files"] = {name: entry for name, entry in data["files"].items() if (generation / name).exists()}
    (folder / "manifest.json").write_text(seal(data))
    Manifest.read(folder).with_sums(folder).write(folder)
    return folder


@pytest.fixture(params=["exact 1", "hnsw 1", "exact 2", "exact 3", "hnsw 3"])
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An index as an earlier release wrote it."""
    folder = tmp_path / "index"
    backend, version = request.param.split()
    build_index(documents(60), folder, HashingEncoder(), backend=backend, source="somewhere")
    return as_of(folder, int(version))


def test_opening_it_says_how_to_upgrade_it(earlier: Path) -> None:
    with pytest.raises(IndexTooOld, match=f"run `typeahead index --upgrade {earlier}`, which keeps the vectors"):
        open_index(earlier)
    report = verify_folder(earlier)
    assert not report.wrong
    assert "--upgrade" in report.notes[0]


def test_an_upgraded_index_finds_what_the_old_one_held(earlier: Path) -> None:
    old = Manifest.read(earlier)
    vectors = np.load(earlier / "generation-1" / "vectors.npy")
    stages: list[str] = []
    new = upgrade_index(earlier, lambda stage, *_: stages.append(stage))
    assert (new.format_version, new.generation, new.source, new.backend) == (
        4,
        "generation-2",
        "somewhere",
        old.backend,
    )
    assert (new.passages, new.version, new.encoder) == (60, 1, None)
    # From format 3 on, words are in files of their own, which are kept.
    assert set(stages) == ({"documents", "words"} if old.format_version < 3 else {"documents"})
    with open_index(earlier) as index:
        assert index.documents(range(60)) == documents(60)
        terms = [Term({form: 1.0}) for form in forms(documents(60)[7].title)]
        assert index.lexical.candidates(terms, 1)[0].tolist() == [7]
    np.testing.assert_array_equal(np.load(earlier / "generation-2" / "vectors.npy"), vectors)
    assert not verify_folder(earlier).wrong
    assert not (earlier / "generation-1").exists()
    assert upgrade_index(earlier) == new


def test_a_damaged_one_is_left_as_it_is(earlier: Path) -> None:
    connection = sqlite3.connect(earlier / "generation-1" / "documents.sqlite")
    connection.execute("DELETE FROM documents WHERE row = 59")
    connection.commit()
    connection.close()
    Manifest.read(earlier).with_sums(earlier).write(earlier)
    before = sorted(path.name for path in earlier.rglob("*"))
    with pytest.raises(IndexCorrupt, match="has 59 documents, not 60"):
        upgrade_index(earlier)
    assert sorted(path.name for path in earlier.rglob("*") if path.name != "build.lock") == [
        name for name in before if name != "build.lock"
    ]


def test_the_command_upgrades_and_refuses_what_makes_no_sense(
    earlier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["index", "--upgrade", str(earlier)]) == 0
    assert "60 documents, index format 4" in capsys.readouterr().out
    for arguments, said in (
        (["--upgrade", str(earlier), "--out", "x"], "leave out SOURCE"),
        (["--out", "x"], "SOURCE"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["index", *arguments])
        assert said in capsys.readouterr().err
