"""The ``process_*`` metrics that Prometheus' client libraries have: CPU, memory, open files, start.

They are read from ``/proc`` whenever the metrics are. Elsewhere than on Linux only the CPU time is there. The sums over
several processes hold that of the process that starts the workers, too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from typeahead.server.observe.counters import Reading, Registry

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_SELF: Final = Path("/proc/self")
#: Places in ``/proc/self/stat`` behind the name of the program, which may hold spaces (proc(5), less 3).
_STARTED, _VIRTUAL, _RESIDENT = 19, 20, 21


def add_process_metrics(registry: Registry) -> None:
    """Add what this system tells about this process."""

    def add(name: str, kind: str, help: str, read: Callable[[], float], combine: str = "sum") -> None:
        registry.add(name, kind, help, {(): Reading(read)}, combine=combine)

    add("process_cpu_seconds_total", "counter", "User and system CPU time, in seconds.", time.process_time)
    if not (_SELF / "stat").is_file() or resource is None:
        return
    page = os.sysconf("SC_PAGE_SIZE")
    started = _start_time()
    add("process_resident_memory_bytes", "gauge", "Resident memory.", lambda: _stat(_RESIDENT) * page)
    add("process_virtual_memory_bytes", "gauge", "Virtual memory.", lambda: _stat(_VIRTUAL))
    add("process_open_fds", "gauge", "Open file descriptors.", _open_files)
    add("process_max_fds", "gauge", "Most file descriptors that may be open.", _max_files)
    add(
        "process_start_time_seconds",
        "gauge",
        "Start of the process in seconds since 1970; of the latest, if there are several.",
        lambda: started,
        "max",
    )


def _stat(place: int) -> int:
    return int((_SELF / "stat").read_text(encoding="latin-1").rpartition(")")[2].split()[place])


def _open_files() -> int:
    # One is that of the listing.
    return len(os.listdir(_SELF / "fd")) - 1  # noqa: PTH208 - no paths are wanted


def _max_files() -> int:
    assert resource is not None
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _start_time() -> float:
    """By the clock of now: that of the kernel's own start moves when the clock is set."""
    running = time.clock_gettime(time.CLOCK_BOOTTIME) - _stat(_STARTED) / os.sysconf("SC_CLK_TCK")
    return round(time.time() - running, 2)
