"""How long-running work says how far it is: a callback that it calls, and a bar that draws what it says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from typeahead.moved import moved_names

#: Called with the stage, how much of it is done, and how much there is to do (``None`` if that is unknown).
OnProgress = Callable[[str, int, int | None], None]

_KNOWN = "{desc} {percentage:3.0f}% |{bar:30}| {n:,}/{total:,}, {remaining} left"
_UNKNOWN = "{desc} {n:,}, {rate_noinv_fmt}"


def no_progress(stage: str, done: int, total: int | None) -> None:
    """Ignore how far the work is."""


class ProgressBar:
    """An :data:`OnProgress` callback that draws one bar for each stage on a terminal, and nothing in a pipe."""

    def __init__(self, *, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()
        self._stage = ""
        self._bar: Any = None

    def __enter__(self) -> ProgressBar:
        return self

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Show that ``done`` of ``total`` are done in a stage."""
        if not self._shown:
            return
        if self._bar is None or stage != self._stage:
            self._end_line()
            self._stage = stage
            # What was done before, as by an interrupted run, does not count as speed; the speed is a mean over the
            # stage.
            self._bar = _tqdm()(
                initial=done,
                file=self._stream,
                unit="",
                smoothing=0,
                miniters=1,
                dynamic_ncols=True,
                bar_format=_KNOWN if total else _UNKNOWN,
                desc=stage,
                total=total,
            )
        bar = self._bar
        bar.total, bar.bar_format = total, _KNOWN if total else _UNKNOWN
        bar.update(done - bar.n)
        if done == total:
            bar.refresh()

    def _end_line(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end_line()


@cache
def _tqdm() -> Any:
    """Tqdm without its watching thread; imported only for a terminal."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0

    return Bar


if not TYPE_CHECKING:
    __getattr__ = moved_names(
        __name__,
        {
            "Progress": "typeahead.progress:ProgressBar",
        },
    )
