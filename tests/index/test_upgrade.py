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
PRAGMA user_version=1;
"""


@pytest.fixture(params=["exact", "hnsw"])
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An index as release 0.1 wrote it."""
    folder = tmp_path / "index"
    build_index(documents(60), folder, HashingEncoder(), backend=request.param, source="somewhere")
    generation = folder / "generation-1"
    for path in (*generation.glob("words*"), generation / "forms.safetensors"):
        path.unlink()
    connection = sqlite3.connect(generation / "documents.sqlite")
    connection.executescript(WORDS)
    connection.close()
    data = json.loads((folder / "manifest.json").read_text())
    data["format_version"] = 1
    data["files"] = {name: entry for name, entry in data["files"].items() if (generation / name).exists()}
    (folder / "manifest.json").write_text(seal(data))
    Manifest.read(folder).with_sums(folder).write(folder)
    return folder


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
        3,
        "generation-2",
        "somewhere",
        old.backend,
    )
    assert set(stages) == {"documents", "words"}
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
    assert "60 documents, index format 3" in capsys.readouterr().out
    for arguments, said in (
        (["--upgrade", str(earlier), "--out", "x"], "leave out SOURCE"),
        (["--out", "x"], "SOURCE"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["index", *arguments])
        assert said in capsys.readouterr().err
