"""The checkpoint of a run: its whole state, in a file that appears whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


class Checkpoint:
    """The file ``checkpoint.pt`` in the folder of a run; ``identity`` says what the run depends on."""

    def __init__(self, folder: Path, identity: str) -> None:
        self.path, self._identity = folder / "checkpoint.pt", identity
        self._saved = time.monotonic()

    def age(self) -> float:
        """Seconds since the last checkpoint, or since the run began."""
        return time.monotonic() - self._saved

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state: tensors, numbers and texts."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        torch.save({**state, "identity": self._identity}, partial)
        partial.replace(self.path)
        self._saved = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The state that was saved last, or ``None``.

        Raises:
            ValueError: it belongs to another run.
        """
        if not self.path.is_file():
            return None
        saved: dict[str, Any] = torch.load(self.path, weights_only=True, map_location="cpu")
        if saved["identity"] != self._identity:
            raise ValueError(
                f"{self.path} belongs to another recipe, teacher or texts: choose another folder with --out, or delete "
                "the checkpoint"
            )
        return saved

    def remove(self) -> None:
        """Delete it."""
        self.path.unlink(missing_ok=True)
