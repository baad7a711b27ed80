"""Cores, processor seconds and memory of processes, as Linux reports them."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path

from typeahead.errors import TypeaheadError

_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def pinned(cores: Set[int]) -> Iterator[None]:
    """Keep this thread, and processes that it starts meanwhile, to ``cores`` until the block ends.

    Raises :class:`~typeahead.errors.TypeaheadError` for cores that this process may not use.
    """
    before = os.sched_getaffinity(0)
    if not cores <= before:
        raise TypeaheadError(
            f"cores {_listed(cores)} are wanted, but this process may only use {_listed(before)}: choose others with "
            "--server-cores and --client-core"
        )
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _listed(cores: Set[int]) -> str:
    return ", ".join(map(str, sorted(cores)))


def family(pid: int) -> list[int]:
    """A process and all its living descendants."""
    found = [pid]
    for process in found:
        for path in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                found += [int(child) for child in path.read_text().split()]
            except OSError:  # the thread has ended
                continue
    return found


def processor_seconds(pid: int) -> float:
    """Processor seconds of a process and its descendants, user and system."""
    total = 0
    for process in family(pid):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def machine_seconds() -> float:
    """Processor seconds of all processes of the machine, on all cores."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]]
    return (sum(fields) - fields[3] - fields[4]) / _TICKS  # all but idle and waiting for disks


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants. Shared pages count once for each of them."""
    total = 0
    for process in family(pid):
        try:
            lines = Path(f"/proc/{process}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
    return total


def allow_files(count: int) -> None:
    """Let this process and its children open ``count`` files and sockets.

    Raises :class:`~typeahead.errors.TypeaheadError` where the system's hard limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        raise TypeaheadError(f"{count} open sockets are needed, but the hard limit is {hard}: raise it (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
