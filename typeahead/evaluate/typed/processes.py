"""Starts a server as a process of its own, and stops it: for :mod:`.served` and :mod:`.typesense`."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from typeahead.errors import TypeaheadError

#: Seconds that a server may take to end before it is killed.
_ENDING_SECONDS = 15.0


class Process:
    """A running server, and what it wrote."""

    def __init__(self, name: str, running: subprocess.Popen[str], said: IO[bytes]) -> None:
        self.name = name
        self.running = running
        self._said = said

    def first_line(self) -> str:
        """Wait for the first line on standard output; "" if the process ends without one."""
        assert self.running.stdout is not None
        return self.running.stdout.readline().strip()

    def failed(self) -> TypeaheadError:
        """The error that says that the server did not start, with its last line on standard error."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return TypeaheadError(f"{self.name} did not start: {lines[-1] if lines else 'it printed nothing'}")


@contextmanager
def started(name: str, command: Sequence[str]) -> Iterator[Process]:
    """Run ``command`` until the block ends. Raises ``OSError`` if there is no such program."""
    # Errors go to a file: a full pipe that nobody reads would block the server.
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as running,
    ):
        try:
            yield Process(name, running, said)
        finally:
            running.terminate()
            try:
                running.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                running.kill()
