"""Which index of words to build on: Tantivy, as an index has it, beside SQLite's FTS5, as earlier releases had it.

    python -m benchmarks.words CORPUS.jsonl TEXTS.tsv

CORPUS has a title and a text a line, like BEIR's corpora; TEXTS has a query in the last column of each line. Some texts
are cut at a random letter, so that the last word is unfinished. Times are of the processor, in milliseconds a text.
"recall" is how many of the 10 best by an exact score are among the 100 candidates: BM25 over all forms, in which all
forms that begin like an unfinished word count as one word; a document as good as the tenth counts as found. FTS5 looks
up each word, as release 0.1 did, and leaves out words of more than 5,000 documents. Both indexes then lose every tenth
document, and are searched again.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.index.lexical.inverted import ROW, make_schema
from typeahead.index.lexical.lexical import Lexical
from typeahead.index.lexical.writer import FORMS, LexicalWriter
from typeahead.search.terms import Term
from typeahead.tables import report
from typeahead.text.analysis import analyse, fold
from typeahead.text.document import Document

DEPTH = 100
#: FTS5 does not look up words of more documents.
COMMON = 5000
_FTS5 = """
CREATE TABLE documents(row INTEGER PRIMARY KEY, title, text);
CREATE VIRTUAL TABLE words USING fts5(title, text, content='documents', content_rowid='row',
    prefix='2 3 4', tokenize='unicode61 remove_diacritics 2');
"""
_MATCH = "SELECT rowid, -rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?"


def read(path: Path) -> list[Document]:
    """The documents of a corpus."""
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [Document(row["_id"], row.get("title", ""), row["text"]) for row in rows]


def terms_of(text: str) -> list[Term]:
    """Make terms of a text: each form of its words, and every form that begins like the last one, if it is open."""
    found = analyse(text)
    terms = [Term({form: 1.0}) for word in found.words for form in word.forms]
    if found.open:
        terms[-1] = Term({}, found.words[-1].forms[-1])
    return terms


def build_tantivy(corpus: Path, folder: Path) -> None:
    """Index the words as a build does."""
    with LexicalWriter(folder) as writer:
        for document in read(corpus):
            writer.add(document)
        writer.finish()


def build_fts5(corpus: Path, folder: Path) -> None:
    """Index the words as release 0.1 did."""
    connection = sqlite3.connect(folder / "words.sqlite", isolation_level=None)
    connection.executescript(_FTS5)
    connection.execute("BEGIN")
    rows = ((row, document.title, document.text) for row, document in enumerate(read(corpus)))
    connection.executemany("INSERT INTO documents VALUES(?, ?, ?)", rows)
    connection.execute("INSERT INTO words(words) VALUES('rebuild')")
    connection.execute("INSERT INTO words(words) VALUES('optimize')")
    connection.execute("COMMIT")
    connection.close()


def built(name: str, corpus: Path, folder: Path) -> dict[str, float]:
    """Build in a process of its own: seconds, and the most memory that it took, in MB."""
    code = f"from pathlib import Path; from benchmarks.words import build_{name}, spent; spent(build_{name})"
    process = subprocess.run(
        [sys.executable, "-c", code, str(corpus), str(folder)], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(process.stdout)
    return found


def spent(build: Callable[[Path, Path], None]) -> None:
    """Build what the arguments say, and print what it took beside reading the corpus."""
    corpus, folder = map(Path, sys.argv[1:])
    started = time.process_time()
    read(corpus)
    reading = time.process_time() - started
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    build(corpus, folder)
    seconds = time.process_time() - started - reading
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"build s": round(seconds, 1), "memory beyond the corpus MB": round(memory / 1000)}))


class Fts5:
    """FTS5's words, searched as release 0.1 did, without its cache."""

    def __init__(self, folder: Path) -> None:
        self.connection = sqlite3.connect(folder / "words.sqlite", isolation_level=None)
        self.connection.execute("CREATE VIRTUAL TABLE temp.counts USING fts5vocab('main', 'words', 'row')")
        rows = self.connection.execute("SELECT term FROM temp.counts WHERE doc > ?", (COMMON,))
        self._common = [word for (word,) in rows]

    def search(self, text: str) -> Sequence[int]:
        """The best rows."""
        terms = [
            f'"{term.removesuffix("*")}"{" *" * term.endswith("*")}'
            for term in _query_terms(text)
            if not any(word.startswith(term[:-1]) if term.endswith("*") else word == term for word in self._common)
        ]
        if not terms:
            return []
        return [row for row, _ in self.connection.execute(_MATCH, (" OR ".join(terms), DEPTH))]

    def delete(self, rows: Sequence[int]) -> None:
        """Delete documents."""
        self.connection.execute("BEGIN")
        for row in rows:
            values = self.connection.execute("SELECT row, title, text FROM documents WHERE row = ?", (row,)).fetchone()
            self.connection.execute("INSERT INTO words(words, rowid, title, text) VALUES('delete', ?, ?, ?)", values)
            self.connection.execute("DELETE FROM documents WHERE row = ?", (row,))
        self.connection.execute("COMMIT")


def _query_terms(text: str) -> list[str]:
    """The words of a text as ``unicode61`` has them; ``boi*`` is a last word that nothing follows."""
    found: list[str] = re.findall(r"[^\W_]+", fold(text))
    if found and text[-1].isalnum():
        found[-1] += "*"
    return list(dict.fromkeys(found))


class Tantivy:
    """Tantivy's words, as an index has them."""

    def __init__(self, folder: Path, count: int) -> None:
        self.lexical = Lexical.open(folder, count)
        self._folder, self._count = folder, count

    def search(self, text: str) -> Sequence[int]:
        """The best rows."""
        rows: list[int] = self.lexical.candidates(terms_of(text), DEPTH)[0].tolist()
        return rows

    def delete(self, rows: Sequence[int], place: Path) -> None:
        """Delete documents, in a folder of Tantivy's own that is made of this one's files beforehand."""
        import tantivy

        index = tantivy.Index.open(str(place))
        writer = index.writer(50_000_000, 1)
        for row in rows:
            writer.delete_documents_by_term(ROW, row)
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        inverted: Any = self.lexical._inverted
        inverted._searcher = index.searcher()


def exact(lexical: Lexical, text: str, lengths: NDArray[np.floating]) -> NDArray[np.float64]:
    """An exact score of every document: float64 (count,)."""
    terms = terms_of(text)
    count = len(lengths)
    frequencies, _ = lexical.forward.weigh(np.arange(count), lexical.look_up(terms).spans, len(terms))
    counts = 2 * frequencies[:, 0] + frequencies[:, 1]
    held = np.minimum(lexical.document_frequencies(terms), count)
    telling = np.log(1 + (count - held + 0.5) / (held + 0.5))
    norm = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())
    scores: NDArray[np.float64] = (counts * 2.2 / (counts + norm[:, None])) @ telling
    return scores


def recall(scores: Sequence[NDArray[np.float64]], found: Sequence[Sequence[int]]) -> float:
    """The share of the 10 best of each text that was found."""
    shares = []
    for exactly, rows in zip(scores, found, strict=True):
        best = min(10, int((exactly > 0).sum()))
        if best:
            least = np.sort(exactly)[-best]
            shares.append(min(best, int((exactly[list(rows)] >= least - 1e-9).sum())) / best)
    return float(np.mean(shares))


def timed(search: Callable[[str], object], texts: Sequence[str]) -> NDArray[np.float64]:
    """Milliseconds of the processor for each text."""
    taken = []
    for text in texts:
        started = time.process_time()
        search(text)
        taken.append(time.process_time() - started)
    return np.array(taken) * 1000


def measure(
    engine: Fts5 | Tantivy, texts: dict[str, list[str]], scores: dict[str, list[NDArray[np.float64]]]
) -> dict[str, float]:
    """Time and recall of each kind of text."""
    row: dict[str, float] = {}
    for kind, those in texts.items():
        taken = timed(engine.search, those)
        row |= {
            f"{kind} {name}": round(float(value), 2)
            for name, value in (("mean", taken.mean()), ("p50", np.median(taken)), ("p99", np.percentile(taken, 99)))
        }
        asked = those[: len(scores[kind])]
        row[f"{kind} recall"] = round(recall(scores[kind], [engine.search(text) for text in asked]), 3)
    return row


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--searches", type=int, default=2000, help="texts of each kind")
    parser.add_argument("--scored", type=int, default=300, help="texts of each kind whose recall is measured")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    rng = random.Random(7)
    with options.texts.open(encoding="utf-8") as lines:
        whole = rng.sample([line.rstrip("\n").split("\t")[-1] for line in lines], options.searches)
    half = [text[: rng.randint(1, len(text))] for text in whole]
    texts = {"whole": [f"{text} " for text in whole], "half-typed": half}
    count = len(read(options.corpus))
    deleted = range(0, count, 10)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        folders = {name: Path(place, name) for name in ("tantivy", "fts5")}
        figures = {}
        for name, folder in folders.items():
            folder.mkdir()
            figures[name] = built(name, options.corpus, folder)
        lexical = Lexical.open(folders["tantivy"], count)
        lengths = lexical.evidence(np.arange(count), []).lengths.sum(axis=1)
        scores = {
            kind: [exact(lexical, text, lengths) for text in those[: options.scored]] for kind, those in texts.items()
        }
        for name, folder in folders.items():
            engine = Tantivy(folder, count) if name == "tantivy" else Fts5(folder)
            words = sum(path.stat().st_size for path in folder.glob("words*.*"))
            if isinstance(engine, Fts5):
                (texts_size,) = engine.connection.execute(
                    "SELECT sum(pgsize) FROM dbstat WHERE name = 'documents'"
                ).fetchone()
                words -= texts_size
            row = {"words": name, **figures[name], "words MB": round(words / 1e6, 1)}
            if name == "tantivy":
                row["evidence MB"] = round((folder / FORMS).stat().st_size / 1e6, 1)
            row |= measure(engine, texts, scores)
            row |= deletes(engine, deleted, texts["half-typed"], Path(place, "deleting"))
            rows.append(row)
    names = {name: None for row in rows for name in row if name != "words"}
    table = [{"": name, **{str(row["words"]): row.get(name, "–") for row in rows}} for name in names]
    report("Tantivy and FTS5 as the words of an index", table, json_path=options.json, documents=count)


def deletes(engine: Fts5 | Tantivy, rows: Sequence[int], texts: Sequence[str], place: Path) -> dict[str, float]:
    """How long it takes to delete documents, one and many, and to search afterwards."""
    if isinstance(engine, Tantivy):
        from typeahead.index.lexical import inverted

        place.mkdir()
        inverted._link(engine._folder, [engine._count], place, make_schema())
        delete: Callable[[Sequence[int]], None] = lambda those: engine.delete(those, place)  # noqa: E731
    else:
        delete = engine.delete
    found = {}
    for name, those in (("delete 1, s", rows[:1]), (f"delete {len(rows) - 1:,}, s", rows[1:])):
        started = time.process_time()
        delete(those)
        found[name] = round(time.process_time() - started, 3)
    return found | {"half-typed mean after deletes": round(float(timed(engine.search, texts).mean()), 2)}


if __name__ == "__main__":
    main()
