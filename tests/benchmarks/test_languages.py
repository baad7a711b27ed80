"""What is kept of a teacher in each language, and across languages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ir_measures", reason="measuring needs the extra evaluate")

from benchmarks import languages

PAGES = {
    "en": {"print": "How to print a page", "save": "How to save a file", "table": "How to insert a table"},
    "de": {"print": "Wie man eine Seite druckt", "save": "Wie man eine Datei speichert"},
    "fr": {"print": "Imprimer une page", "table": "Insérer un tableau"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The help of three languages, of which only English has all pages."""
    for code, pages in PAGES.items():
        (tmp_path / "help" / code / "qrels").mkdir(parents=True)
        lines: dict[str, list[str]] = {"same": [], "other": []}
        queries = []
        for asked, found in PAGES.items():
            for number, (name, text) in enumerate(found.items()):
                if name in pages:
                    queries.append({"_id": f"{asked}-{number}", "text": text})
                    lines["same" if asked == code else "other"].append(f"{asked}-{number}\t{name}\t1")
        for name, records in (
            ("corpus", [{"_id": name, "title": "", "text": f"{text}."} for name, text in pages.items()]),
            ("queries", queries),
        ):
            (tmp_path / "help" / code / f"{name}.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in records))
        for split, judged in lines.items():
            text = "\n".join(["query-id\tcorpus-id\tscore", *judged, ""])
            (tmp_path / "help" / code / "qrels" / f"{split}.tsv").write_text(text)
    return tmp_path / "help"


def test_each_language_is_asked_in_itself_and_in_the_others(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(folder), "--passages", "minilm-doc", "--cache", str(tmp_path / "cache")]
    arguments += ["--queries", "minilm-static", "teacher=minilm-doc", "--json", str(tmp_path / "found.json")]
    languages.main(arguments)
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    counts = {(row["queries in"], row["pages in"]): row["queries"] for row in rows}
    own, other = "its own language", "other languages"
    assert counts == {
        ("en", own): 3,
        ("de", own): 2,
        ("fr", own): 2,
        ("all", own): 7,
        # Pages that a language lacks are not asked for in it.
        ("en", other): 4,
        ("de", other): 3,
        ("fr", other): 3,
        ("all", other): 10,
    }
    assert all(0 < row["teacher"] <= 1 and row["minilm-static"].endswith("%") for row in rows)
    assert "its own language" in capsys.readouterr().out


def test_the_share_kept_is_of_the_means_of_all_queries() -> None:
    sets = [{"student": [0.5], "teacher": [1.0]}, {"student": [0.4, 0.0], "teacher": [0.5, 0.5]}]
    assert languages.kept(sets, ["student", "teacher"]) == {"queries": 3, "teacher": 0.6667, "student": "45.0%"}


def test_a_text_is_encoded_once() -> None:
    asked: list[str] = []

    class Lengths:
        dim = 1

        def encode(self, texts: list[str]) -> np.ndarray:
            asked.extend(texts)
            return np.array([[len(text)] for text in texts])

    encoder = languages.Remembering(Lengths())
    np.testing.assert_array_equal(encoder.encode(["a", "bb", "a"]), [[1], [2], [1]])
    np.testing.assert_array_equal(encoder.encode(["bb", "ccc"]), [[2], [3]])
    assert asked == ["a", "bb", "ccc"]
