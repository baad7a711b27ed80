"""What a run writes down: ``log.jsonl`` for programs, ``LOG.md`` for people.

The entries are part of the checkpoint, and both files are written anew from them: a run that was killed between a
checkpoint and its log leaves no line twice and none out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tqdm import tqdm

from training.recipe import Recipe
from training.teacher.teacher import Teacher
from typeahead.tables import markdown


class RunLog:
    """The log of one run: its ``title``, the ``command`` and the ``facts`` that it depends on, the recipe, entries."""

    def __init__(self, folder: Path, recipe: Recipe, *, title: str, command: str, facts: Mapping[str, object]) -> None:
        self.folder = folder
        self.entries: list[dict[str, Any]] = []
        stated = "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in facts.items())
        self._head = [f"# {title}", f"`{command}`", stated]
        self._recipe = recipe.path.read_text(encoding="utf-8").strip()

    @classmethod
    def of_distillation(
        cls, folder: Path, recipe: Recipe, teacher: Teacher, *, texts: int, tokens: int, processes: int
    ) -> Self:
        """The log of stage 1 over so many texts of so many tokens together."""
        facts = {
            "teacher": teacher.name,
            "pooling": teacher.pooling,
            "similarity": teacher.similarity,
            "texts": f"{texts:,} of {tokens:,} tokens",
            "seed": recipe.seed,
            "processes": processes,
        }
        return cls(
            folder, recipe, title=recipe.name, command=f"python -m training.stage1.distill {recipe.path}", facts=facts
        )

    def resume(self, entries: Sequence[dict[str, Any]]) -> None:
        """Go on from the entries of a checkpoint."""
        self.entries = list(entries)

    def add(self, *, write: bool = True, **entry: Any) -> None:
        """Add an entry, print it, and write both files; not in a process that is not to ``write``."""
        self.entries.append(entry)
        if not write:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        tqdm.write(json.dumps(entry))
        self._replace("log.jsonl", "".join(json.dumps(one) + "\n" for one in self.entries))
        columns = list(dict.fromkeys(key for one in self.entries for key in one))
        rows = [{column: one.get(column) for column in columns} for one in self.entries]
        parts = [*self._head, markdown(rows), "## Recipe", f"```toml\n{self._recipe}\n```"]
        self._replace("LOG.md", "\n\n".join(parts) + "\n")

    def _replace(self, name: str, text: str) -> None:
        partial = self.folder / f"{name}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(self.folder / name)
