"""Server processes under test. Each keeps to its cores and ends with the measurement."""

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

#: Seconds that a server may take to end before it is killed.
_ENDING_SECONDS = 15.0


@dataclass(frozen=True)
class Running:
    """A listening server."""

    name: str
    #: Such as ``http://127.0.0.1:8765``.
    address: str
    pid: int

    def processor_seconds(self) -> float:
        """Processor seconds since its start, with its child processes."""
        return processor_seconds(self.pid)

    def resident_megabytes(self) -> float:
        """Resident memory now, with its child processes."""
        return resident_bytes(self.pid) / 1e6


@contextmanager
def started(name: str, command: Sequence[str], *, cores: Set[int]) -> Iterator[Running]:
    """Run a server command that prints its address as its first line once it is ready.

    Raises :class:`~typeahead.errors.TypeaheadError` if it ends before that.
    """
    # Output goes to a file: a full pipe that nobody reads would block the server.
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
                raise TypeaheadError(f"{name} did not start: {lines[-1] if lines else 'it printed nothing'}")
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
    """Run ``typeahead serve`` on a free port. Without an index it keeps embeddings and answers with timings."""
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
