"""The log of a training run: ``log.jsonl`` for programs, ``LOG.md`` for people.

The entries are part of the checkpoint, and both files are rewritten from them each time. So a run that is killed
between a checkpoint and its log neither repeats nor loses a line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from training.recipe import Recipe
from typeahead.tables import markdown


class RunLog:
    """The log of one run: ``title``, ``command``, the ``facts`` that the run depends on, recipe and entries.

    ``say`` is called with each new entry; by default it is printed.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        *,
        title: str,
        command: str,
        facts: Mapping[str, object],
        say: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.folder = folder
        self._say = say or (lambda entry: tqdm.write(json.dumps(entry)))
        self.entries: list[dict[str, Any]] = []
        stated = "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in facts.items())
        self._head = [f"# {title}", f"`{command}`", stated]
        self._recipe = recipe.path.read_text(encoding="utf-8").strip()

    def resume(self, entries: Sequence[dict[str, Any]]) -> None:
        """Continue from the entries of a checkpoint."""
        self.entries = list(entries)

    def add(self, *, write: bool = True, **entry: Any) -> None:
        """Add an entry. If ``write``, print it too and write both files: one process of several does that."""
        self.entries.append(entry)
        if not write:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._say(entry)
        self._replace("log.jsonl", "".join(json.dumps(one) + "\n" for one in self.entries))
        columns = list(dict.fromkeys(key for one in self.entries for key in one))
        rows = [{column: one.get(column) for column in columns} for one in self.entries]
        parts = [*self._head, markdown(rows), "## Recipe", f"```toml\n{self._recipe}\n```"]
        self._replace("LOG.md", "\n\n".join(parts) + "\n")

    def _replace(self, name: str, text: str) -> None:
        partial = self.folder / f"{name}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(self.folder / name)
