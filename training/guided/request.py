"""What the user asks of ``typeahead train``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: The families that can be asked for, and their names in recipes.
FAMILIES = {"static": "static", "gru": "residual-gru", "causal": "causal"}


@dataclass(frozen=True)
class Request:
    """One training, as the command line or :func:`~training.guided.making.distill` states it."""

    teacher: str
    out: Path
    queries: tuple[str, ...] = ()
    passages: tuple[str, ...] = ()
    #: Judged queries, as a BEIR folder with a split "train"; "" for none.
    judged: str = ""
    #: A key of :data:`FAMILIES`, or "auto".
    family: str = "auto"
    #: How long it may take, from the first text to the exported model.
    minutes: float = 20.0
    #: A model to continue from, by its name or folder; "" to start from the teacher.
    start: str = ""
    #: Where the run is kept, so that it can be resumed; by default ``runs/NAME``.
    run: Path | None = None
    #: Overrides of the teacher's settings, by the names of :class:`training.teacher.settings.Settings`.
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: Tokens of the student's vocabulary at most, 0 for all of the teacher's; ``None`` decides by the teacher.
    vocabulary: int | None = None
    seed: int = 0
    #: Threads of PyTorch; 0 for one a core.
    threads: int = 0
    #: Whether to leave a GPU alone.
    cpu: bool = False
    #: Trackers of ``accelerate``, such as "tensorboard" and "wandb".
    trackers: tuple[str, ...] = ()
    #: The id on the hub to which the finished model is pushed; "" for none.
    push: str = ""

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.out.name

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.run or Path("runs") / self.name

    @property
    def vocabulary_folder(self) -> Path:
        """Where the student's vocabulary is kept, if it is a part of the teacher's."""
        return self.folder / "vocabulary"

    @property
    def passage_out(self) -> Path:
        """Where the passage encoder goes."""
        return self.out.with_name(f"{self.name}-doc")

    def identity(self) -> dict[str, Any]:
        """What a resumed run must have in common with its beginning."""
        return {
            "teacher": self.teacher.rstrip("/\\"),
            "queries": list(self.queries),
            "passages": list(self.passages),
            "judged": self.judged,
            "family": self.family,
            "minutes": self.minutes,
            "start": self.start,
            "settings": {name: value for name, value in self.settings.items() if value is not None},
            # Runs of earlier versions state none.
            **({} if self.vocabulary is None else {"vocabulary": self.vocabulary}),
            "seed": self.seed,
        }
