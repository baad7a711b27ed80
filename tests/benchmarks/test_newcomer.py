"""The files of a newcomer: a log and documents, drawn from files of texts with their sources."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import newcomer


def test_a_log_and_documents_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("queries", "texts"):
        lines = [f"source {number % 3}\t{name} \t number {number}" for number in range(50)]
        (tmp_path / f"train_{name}.tsv").write_text("\n".join(lines) + "\n")
    arguments = ["--data", str(tmp_path), "--queries", "20", "--documents", "5"]
    for out in ("first", "second"):
        newcomer.main([str(tmp_path / out), *arguments])
    assert "20 queries and 5 documents" in capsys.readouterr().out
    log = (tmp_path / "first" / "log.txt").read_text().splitlines()
    assert len(set(log)) == 20
    assert all(line.startswith("queries \t number") for line in log)
    documents = [json.loads(line) for line in (tmp_path / "first" / "docs.jsonl").read_text().splitlines()]
    assert len({document["text"] for document in documents}) == len({document["id"] for document in documents}) == 5
    for name in ("log.txt", "docs.jsonl"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
