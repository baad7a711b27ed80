"""Server processes that are measured, each kept to the cores that it is given, and gone when the measurement ends."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import pinned, processor_seconds, resident_bytes
from typeahead.errors import TypeaheadError

#: Seconds that a server has to end before it is killed.
_ENDING_SECONDS = 15.0


@dataclass(frozen=True)
class Running:
    """A server that listens."""

    name: str
    #: Such as ``http://127.0.0.1:8765``.
    address: str
    pid: int

    def processor_seconds(self) -> float:
        """Used since its start, with its child processes."""
        return processor_seconds(self.pid)

    def resident_megabytes(self) -> float:
        """Now, with its child processes."""
        return resident_bytes(self.pid) / 1e6


@contextmanager
def started(name: str, command: Sequence[str], *, cores: Set[int]) -> Iterator[Running]:
    """Run a command that prints its address as its first line once it is ready.

    Raises :class:`~typeahead.errors.TypeaheadError` if it ends before that.
    """
    # A file for what it says: a pipe that nobody reads would stop a server that has much to say.
    with tempfile.TemporaryFile() as said:
        with pinned(cores):
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address.startswith("http"):
                process.wait(_ENDING_SECONDS)
                said.seek(0)
                lines = said.read().decode(errors="replace").strip().splitlines()
                raise TypeaheadError(f"{name} did not start: {lines[-1] if lines else 'it said nothing'}")
            yield Running(name, address, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


@contextmanager
def typeahead_server(
    *, cores: Set[int], index: Path | None = None, encoder: str = "minilm-gru", options: Sequence[str] = ()
) -> Iterator[Running]:
    """Run ``typeahead serve`` on a free port; without an index it keeps embeddings and answers timings."""
    command = [sys.executable, "-m", "typeahead", "serve", "--encoder", encoder, "--port", "0", *options]
    if index is not None:
        command += ["--index", str(index)]
    with started("typeahead", command, cores=cores) as running:
        yield running


@contextmanager
def echo_server(*, cores: Set[int]) -> Iterator[Running]:
    """Run the bare echo of :mod:`benchmarks.echo`."""
    with started("bare echo", [sys.executable, "-m", "benchmarks.echo"], cores=cores) as running:
        yield running
