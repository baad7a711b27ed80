"""The tldr pages as a collection: descriptions are queries, pages without them are passages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.commands import tldr
from training.data.judged import Judged


def page(key: str, description: str, examples: list[tuple[str, str]] | None = None) -> str:
    listed = [{"text": text, "command": command} for text, command in examples or [("Do it", f"{key} now")]]
    return json.dumps({"id": key, "title": key, "description": description, "examples": listed})


def test_pages_become_a_judged_collection(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = [
        page("mv", "Move files. More information: <https://x>.", [("Rename", "mv {{old}} {{[-f|--force]}} {{new}}")]),
        page("move", "Move files."),
        page("chfn", "This command is an alias of `chpass`."),
        '{"id": "broken"}',
        *(page(f"c{number}", f"Command number {number}.") for number in range(60)),
    ]
    (tmp_path / "pages.jsonl").write_text("\n".join(lines) + "\n")
    folder = tmp_path / "collection"
    tldr.main([str(tmp_path / "pages.jsonl"), str(folder)])
    assert f"{tmp_path / 'pages.jsonl'}:4: not a page: 'description'" in caplog.text
    splits = {split: Judged.open(folder, split=split) for split in ("train", "dev", "test")}
    found = {text: judged.relevant[key] for judged in splits.values() for key, text in judged.queries.items()}
    assert len(found) == 61
    assert found["Move files."] == ("mv", "move")
    collection = splits["train"].collection
    assert str(collection.get("mv").whole()) == "mv Rename: mv old --force new"
    assert len(collection) == 62
    assert "Move files." in splits[tldr.split_of("Move files.")].queries.values()
    log = (folder / "log.txt").read_text().splitlines()
    assert sorted(log) == sorted(splits["train"].queries.values())
